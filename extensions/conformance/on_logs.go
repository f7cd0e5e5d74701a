package conformance

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lambent-host/lambent/extensions/internal/life"
	"github.com/lambent-host/lambent/telemetry"
)

// Sizes of what the function writes.
const (
	burstLines    = 100_000
	hugeLineBytes = 10 << 20
)

// floodTimeout is the function's where it writes more than usual.
const floodTimeout = 10 * time.Second

var logScenarios = []Scenario{
	{
		Name: "log-burst", What: fmt.Sprintf("the function writes %d lines in one invocation", burstLines),
		Expect: "the invocation and the one after it end in time, and some of the lines are taken; the rest may be dropped",
		needs:  []need{aNormalLife, subscribed(telemetry.CategoryFunction)},
		run: func(ctx context.Context, b *Bench) Verdict {
			return written(ctx, b, lines(burstLines))
		},
	},
	{
		Name: "huge-line", What: "the function writes one line of 10 MiB, which the host cuts into records of 256 KiB",
		Expect: "the invocation and the one after it end in time, and records are taken",
		needs:  []need{aNormalLife, subscribed(telemetry.CategoryFunction)},
		run: func(ctx context.Context, b *Bench) Verdict {
			return written(ctx, b, func(stdout io.Writer) {
				_, _ = io.WriteString(stdout, strings.Repeat("0123456789abcde\t", hugeLineBytes/16)+"\n") // the writer never fails
			})
		},
	},
	{
		Name: "odd-lines", What: "the function writes lines that are not UTF-8, hold controls, look like JSON, or are JSON of other shapes",
		Expect: "the invocation and the one after it end in time, and the lines are taken",
		needs:  []need{aNormalLife, subscribed(telemetry.CategoryFunction)},
		run: func(ctx context.Context, b *Bench) Verdict {
			return written(ctx, b, func(stdout io.Writer) {
				for _, line := range oddLines {
					_, _ = io.WriteString(stdout, line+"\n") // the writer never fails
				}
			})
		},
	},
	{
		Name: "unended-line", What: "the function writes a line without an end",
		Expect: "the invocation and the one after it end in time, and the line is taken",
		needs:  []need{aNormalLife, subscribed(telemetry.CategoryFunction)},
		run: func(ctx context.Context, b *Bench) Verdict {
			return written(ctx, b, func(stdout io.Writer) {
				_, _ = io.WriteString(stdout, "no end") // the writer never fails
			})
		},
	},
}

// oddLines are what programs do write.
var oddLines = []string{
	"\xff\xfe\x80 not UTF-8", "half a character \xe2\x82", "a\x00b\x1b[31mred\x1b[0m\x07", "\u2028\u2029\ufeff",
	`{"level":"info","message":"an object","nested":{"a":[1,2,{"b":null}]}}`, `{"broken": "object`, `[1,2,3]`, `"a string"`, `null`, `12e400`,
	`{"time":"yesterday","type":"platform.report","record":17}`, `{"message":{"is":"an object"},"level":5,"timestamp":[]}`,
	"START RequestId: not one Version: $LATEST", "REPORT RequestId: \tDuration: many ms\t", "%s %d %n", strings.Repeat("{", 2000),
	`{"` + strings.Repeat("k", 5000) + `":1}`, "\t", "   ", "🦆",
}

// written has the function write something unusual and then something usual.
func written(ctx context.Context, b *Bench, write func(io.Writer)) Verdict {
	return b.live(ctx, options{invokeTimeout: max(floodTimeout, b.cfg.InvokeTimeout)}, func(s *subject) Verdict {
		for _, in := range []life.Invocation{{Write: write}, talkative} {
			if err := s.invoke(ctx, 1, in); err != nil {
				return fail("%v", err).with(overheads(s.overheads)...)
			}
		}
		if wrong := s.endsWell(ctx); wrong != "" {
			return fail("%s", wrong).with(overheads(s.overheads)...)
		}
		types := s.delivered()
		a := s.account()
		if types[telemetry.TypeFunction] == 0 {
			return fail("not one line was taken: %s", s.lastTrouble()).with(a.figures()...)
		}
		return pass("%d lines were taken, and %d events told as dropped", types[telemetry.TypeFunction], a.Dropped).
			with(overheads(s.overheads)...).with(a.figures()...)
	})
}

package async

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/host/invoke"
	"github.com/lambent-host/lambent/host/store"
)

// crashChild accepts and runs events until it is killed. It prints "ack ID"
// after an event was accepted and "ran ID" when one is run.
func crashChild(dir string) {
	st, err := store.Open(filepath.Join(dir, "lambent.db"), store.Options{})
	if err != nil {
		panic(err)
	}
	var out sync.Mutex
	say := func(word, id string) {
		out.Lock()
		defer out.Unlock()
		fmt.Println(word, id) // unbuffered: one write
	}
	inv := &invoker{answer: func(ctx context.Context, req *invoke.Request) (*invoke.Outcome, error) {
		if want := `{"id":"` + req.RequestID + `"}`; string(req.Payload) != want {
			panic(fmt.Sprintf("payload is %s, want %s", req.Payload, want))
		}
		say("ran", req.RequestID)
		if rand.IntN(4) == 0 {
			return failing(ctx, req)
		}
		return ok(ctx, req)
	}}
	q, err := Open(st, inv, Config{RetryDelays: []time.Duration{5 * time.Millisecond, 5 * time.Millisecond}}, zerolog.Nop())
	if err != nil {
		panic(err)
	}
	q.Start()
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for {
				id := uuid.NewString()
				if err := q.Enqueue(ctx, &invoke.Request{
					RequestID: id, FunctionName: fmt.Sprint("fn", w), Payload: []byte(`{"id":"` + id + `"}`),
				}); err != nil {
					panic(err)
				}
				say("ack", id)
			}
		})
	}
	writers.Wait()
}

// TestAcceptedEventsSurviveAKill ends a process with SIGKILL while it accepts
// and runs events, several times on one store. Every event it acknowledged was
// run by it or by a later one.
func TestAcceptedEventsSurviveAKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	dir := t.TempDir()
	acked, ran := make(map[string]bool), make(map[string]int)
	for range 10 {
		for _, line := range runAndKill(t, dir, 100+rand.IntN(900)) {
			switch word, id, _ := strings.Cut(line, " "); word {
			case "ack":
				acked[id] = true
			case "ran":
				ran[id]++
			}
		}
	}
	r := newRig(t, dir, Config{Workers: 8}, ok)
	left := r.Stats().Depth
	r.Start()
	for deadline := time.Now().Add(30 * time.Second); r.Stats().Depth > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("events do not end: %+v", r.Stats())
		}
	}
	for _, id := range r.inv.ids() {
		ran[id]++
	}
	if n := r.stored(); n != 0 {
		t.Errorf("%d events left in the store", n)
	}
	r.end()
	if len(acked) < 100 {
		t.Fatalf("only %d events were acknowledged", len(acked))
	}
	again := 0
	for id := range acked {
		if ran[id] == 0 {
			t.Errorf("acknowledged event %s never ran", id)
		}
		again += max(ran[id]-1, 0)
	}
	t.Logf("%d acknowledged, %d left at the end, %d further runs (retries included)", len(acked), left, again)
}

// runAndKill starts this test binary as a child on dir, kills it after so many
// lines of output, and returns all whole lines.
func runAndKill(t *testing.T, dir string, after int) (lines []string) {
	t.Helper()
	limit, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	child := exec.CommandContext(limit, os.Args[0])
	child.Env = append(os.Environ(), "LAMBENT_TEST_CRASH_DIR="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for in := bufio.NewReader(out); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			break // what is left is not a whole line, so it was not acknowledged
		}
		if lines = append(lines, strings.TrimSpace(line)); len(lines) == after {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := child.Wait(); !errors.As(err, &exit) || exit.String() != "signal: killed" || len(lines) < after {
		t.Fatalf("child ended with %v after %d lines", err, len(lines))
	}
	return lines
}

package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lambent-host/lambent/host/client"
)

// timeoutSeconds is the functions'.
const timeoutSeconds = 2

// kind is a folder of functions, with what its functions are asked for.
type kind struct {
	source string
	fine   string   // an event that goes well, as far as any does
	wrong  []string // and those that do not
	share  float64  // of the events are wrong
	fails  bool     // even a fine event ends in a function error
}

// The kinds, in the proportion of the functions. exit ends the runtime and trap
// crashes it on every event, so that they cost a new environment each.
var kinds = []kind{
	{source: "hello", fine: `{"name":"Ada"}`, wrong: []string{`{"fail":true}`, `{"fail":true}`, `{"fail":true}`, `{"sleepMs":60000}`}, share: 0.1},
	{source: "json", fine: `{"id":"1","lines":[]}`, wrong: []string{`[]`}, share: 0.05},
	{source: "exit", fine: `{"status":0}`, wrong: []string{`{"status":3}`}, share: 0.5, fails: true},
	{source: "trap", fine: `{"kind":"panic"}`, wrong: []string{`{"kind":"nil"}`, `{"kind":"error"}`}, share: 0.5, fails: true},
}

// kindOf gives function n its kind: of ten functions, one exits and one traps.
func kindOf(n int) kind {
	switch n % 10 {
	case 8:
		return kinds[2]
	case 9:
		return kinds[3]
	}
	return kinds[n%2]
}

// answers tells whether an answer to the fine event is what it has to be.
func (k kind) answers(out *client.InvokeOutput) bool {
	if !k.fails {
		return out.FunctionError == ""
	}
	return out.FunctionError != "" && errorType(out.Payload) != extensionCrash
}

const extensionCrash = "Extension.Crash"

// storm invokes functions and kills extensions for the configured time.
func (s *soak) storm(ctx context.Context) error {
	until := time.Now().Add(s.cfg.Duration)
	turns := make(chan int) // the functions, at the configured rate
	var all sync.WaitGroup
	for worker := range s.cfg.Workers {
		dice := rand.New(rand.NewPCG(s.cfg.Seed, uint64(worker))) //nolint:gosec // choices, no secrets
		all.Go(func() {
			for n := range turns {
				s.invoke(ctx, n, dice)
			}
		})
	}
	all.Go(func() { s.kill(ctx, until) })
	s.turns(ctx, until, turns)
	close(turns)
	all.Wait()
	return ctx.Err()
}

// turns says which function is next, at the configured rate. A turn that no worker is
// free for waits.
func (s *soak) turns(ctx context.Context, until time.Time, turns chan<- int) {
	dice := rand.New(rand.NewPCG(s.cfg.Seed, 1<<32)) //nolint:gosec // choices, no secrets
	tick := time.NewTicker(time.Second / time.Duration(s.cfg.PerSecond))
	defer tick.Stop()
	told := time.Now()
	for time.Now().Before(until) {
		n := dice.IntN(s.cfg.Functions)
		if kindOf(n).fails && dice.IntN(5) > 0 {
			n = dice.IntN(s.cfg.Functions) // a new environment each time: fewer of them
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		select {
		case turns <- n:
		case <-ctx.Done():
			return
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			s.mu.Lock()
			s.progress(fmt.Sprintf("%v to go: %d invocations, %d kills", time.Until(until).Round(time.Second), s.report.Invocations, s.report.Kills))
			s.mu.Unlock()
		}
	}
}

func (s *soak) invoke(ctx context.Context, n int, dice *rand.Rand) {
	k := kindOf(n)
	payload := k.fine
	if dice.Float64() < k.share {
		payload = k.wrong[dice.IntN(len(k.wrong))]
	}
	out, err := s.client.Invoke(ctx, client.InvokeInput{Name: functionName(n), Payload: []byte(payload)})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.report.Invocations++
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.report.refused(err)
	case out.FunctionError != "":
		s.report.Failed[errorType(out.Payload)]++
	default:
		s.report.Succeeded++
	}
}

func errorType(document []byte) string {
	var failure struct {
		ErrorType string `json:"errorType"`
	}
	if json.Unmarshal(document, &failure) != nil || failure.ErrorType == "" {
		return "unknown"
	}
	return failure.ErrorType
}

// kill ends extensions, one at a time, at random.
func (s *soak) kill(ctx context.Context, until time.Time) {
	dice := rand.New(rand.NewPCG(s.cfg.Seed, 1<<33)) //nolint:gosec // choices, no secrets
	for {
		pause := time.NewTimer(time.Duration((0.5 + dice.Float64()) * float64(s.cfg.KillEvery)))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
		if time.Now().After(until) {
			return
		}
		if victims := extensionProcesses(); len(victims) > 0 && killProcess(victims[dice.IntN(len(victims))]) {
			s.mu.Lock()
			s.report.Kills++
			s.mu.Unlock()
		}
	}
}

package environment

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/host/catalogue"
)

// isolated is a version that asks for isolation by a variable.
func isolated(kind catalogue.Isolation, environment ...string) catalogue.Version {
	v := asking(append(environment, catalogue.IsolationVariable+"="+string(kind))...)
	v.SnapStartApplyOn, v.RevisionID = "None", string(kind)
	return v
}

// settled invokes and waits until an environment is warm, or gone: with isolation
// that is after the answer.
func (c *copying) settled(v catalogue.Version) (payload string, cold bool) {
	c.t.Helper()
	answer, cold := run(c.t, c.Pool, v)
	if answer.FunctionError != "" {
		c.t.Fatalf("answer %s", answer.Payload)
	}
	return string(answer.Payload), cold
}

func TestIsolationByRequestForgetsEachInvocation(t *testing.T) {
	for _, tc := range []struct {
		name           string
		mode           SnapStart
		byDefault, own catalogue.Isolation
		want           [3]int // what functions/counter counts
	}{
		{"chosen by the function", SnapStartAPI, catalogue.IsolationEnvironment, catalogue.IsolationRequest, [3]int{1, 1, 1}},
		{"the host's default", SnapStartAPI, catalogue.IsolationRequest, "", [3]int{1, 1, 1}},
		{"not for this function", SnapStartAPI, catalogue.IsolationRequest, catalogue.IsolationEnvironment, [3]int{1, 2, 3}},
		{"Lambda's", SnapStartAPI, catalogue.IsolationEnvironment, "", [3]int{1, 2, 3}},
		{"without snapshots", SnapStartOff, catalogue.IsolationEnvironment, catalogue.IsolationRequest, [3]int{1, 1, 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCopying(t, gobuildtest.Function(t, "counter"), func(cfg *Config) { cfg.SnapStart, cfg.Isolation = tc.mode, tc.byDefault })
			v := isolated(tc.own)
			if tc.own == "" {
				v.Environment = nil
			}
			v = c.published(v)
			for i, want := range tc.want {
				payload, cold := c.settled(v)
				if payload != fmt.Sprintf(`{"count":%d}`, want) || cold != (i == 0) {
					t.Errorf("invocation %d answers %s, cold %v; want %d from one environment", i+1, payload, cold, want)
				}
			}
			if n := strings.Count(c.log.String(), "its init"); (n == 1) != (tc.mode == SnapStartOff) {
				t.Errorf("the log tells %d times of inits:\n%s", n, c.log)
			}
		})
	}
}

// What an invocation leaves in /tmp the next does not find, and its room is given back.
func TestIsolationByRequestEmptiesTmp(t *testing.T) {
	for _, mode := range []SnapStart{SnapStartAPI, SnapStartOff} {
		c := newCopying(t, keeper(t), func(cfg *Config) { cfg.SnapStart = mode })
		for kind, want := range map[catalogue.Isolation]string{
			catalogue.IsolationRequest:     `{"Files":0,"Invocations":1}`,
			catalogue.IsolationEnvironment: `{"Files":1,"Invocations":2}`,
		} {
			v := c.published(isolated(kind))
			c.settled(v)
			if payload, cold := c.settled(v); payload != want || cold {
				t.Errorf("%s, isolation by %s: the second invocation answers %s, cold %v; want %s", mode, kind, payload, cold, want)
			}
		}
	}
}

// The hook draws anew for each invocation, not only for each environment.
func TestTheHookRunsForEachInvocationOnItsOwn(t *testing.T) {
	c := newCopying(t, gobuildtest.Function(t, "snapstart"), nil)
	v := c.published(isolated(catalogue.IsolationRequest))
	seen := map[string]bool{}
	for range 3 {
		answer, _ := run(t, c.Pool, v)
		got := read(t, answer)
		if got.Count != 1 || seen[got.FromHook] || got.FromHook == "" {
			t.Errorf("answer %+v after %v", got, seen)
		}
		seen[got.FromHook] = true
	}
	if all, _ := c.told(); strings.Count(strings.Join(all, "\n"), "init runs") != 1 {
		t.Errorf("it tells %q, want one init", all)
	}
}

// A guest that cannot be captured has an init for each invocation, behind the
// answer, and the log says so once.
func TestWhatCannotBeCapturedIsIsolatedByInits(t *testing.T) {
	c := newCopying(t, keeper(t), nil)
	v := c.published(isolated(catalogue.IsolationRequest, "KEEP=1"))
	for i := range 3 {
		if payload, cold := c.settled(v); payload != `{"Files":1,"Invocations":1}` || cold != (i == 0) {
			t.Errorf("invocation %d answers %s, cold %v; want the file of its own init and nothing else", i+1, payload, cold)
		}
	}
	if n := strings.Count(c.log.String(), "there is no snapshot of the function"); n != 1 {
		t.Errorf("the log tells it %d times:\n%s", n, c.log)
	}
}

// An environment that cannot be made new is ended, not used with what it has.
func TestAnEnvironmentThatCannotBeMadeNewIsEnded(t *testing.T) {
	c := newCopying(t, gobuildtest.Function(t, "snapstart"), nil)
	v := c.published(isolated(catalogue.IsolationRequest))
	c.settled(isolated(catalogue.IsolationEnvironment))
	lease, err := c.Acquire(t.Context(), v, "")
	if err != nil {
		t.Fatal(err)
	}
	c.cfg.RestoreTimeout = time.Nanosecond // for the hook
	if _, err := lease.Invoke(t.Context(), Invocation{Payload: []byte("{}"), Deadline: time.Now().Add(5 * time.Second)}, func() {}); err != nil {
		t.Fatal(err)
	}
	if n := c.Warm(); n != 1 { // the other one
		t.Errorf("%d environments are warm, want the one that needs nothing new", n)
	}
	c.cfg.RestoreTimeout = RestoreTimeout
	if payload, cold := c.settled(v); !strings.Contains(payload, `"count":1}`) || !cold {
		t.Errorf("the next invocation answers %s, cold %v", payload, cold)
	}
}

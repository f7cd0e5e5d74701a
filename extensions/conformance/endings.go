package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
)

// cleanExit is how a process ends that has nothing to complain of.
const cleanExit = "exit status 0"

// fault is what an extension that registered for SHUTDOWN did wrong at the end,
// or "".
func (e ending) fault(reason string) string {
	switch {
	case !e.asked:
		return "" // it is killed, and may be
	case e.reason == "" && e.status == cleanExit:
		return e.name + " had ended before SHUTDOWN"
	case e.reason == "":
		return e.name + " did not take SHUTDOWN: " + e.status
	case e.reason != reason:
		return fmt.Sprintf("%s was told %q", e.name, e.reason)
	case e.killed:
		return e.name + " was still running at the end of the budget, and was killed"
	case e.status != cleanExit:
		return fmt.Sprintf("%s ended with %s", e.name, e.status)
	}
	return ""
}

// faults of all.
func faults(endings []ending, reason string) string {
	var all []string
	for _, e := range endings {
		if fault := e.fault(reason); fault != "" {
			all = append(all, fault)
		}
	}
	return strings.Join(all, "; ")
}

// slowest is how long the last one took to end.
func slowest(endings []ending) time.Duration {
	var longest time.Duration
	for _, e := range endings {
		if e.asked {
			longest = max(longest, e.took)
		}
	}
	return longest
}

// howEnded tells what became of each.
func howEnded(endings []ending) string {
	var all []string
	for _, e := range endings {
		switch {
		case e.asked && !e.killed:
			all = append(all, fmt.Sprintf("%s took SHUTDOWN (%s) and ended after %d ms with %s", e.name, e.reason, e.took.Milliseconds(), e.status))
		case e.killed:
			all = append(all, e.name+" was killed")
		default:
			all = append(all, e.name+": "+e.status)
		}
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// endsWell ends the environment and tells who crashed before SHUTDOWN, or "". How
// an extension takes SHUTDOWN is for other scenarios to judge.
func (s *subject) endsWell(ctx context.Context) string {
	if err := s.shutdown(ctx, extapi.ReasonSpindown); err != nil {
		return err.Error()
	}
	var all []string
	for _, e := range s.endings {
		if !e.killed && e.reason == "" {
			all = append(all, e.name+" ended too early, with "+e.status)
		}
	}
	return strings.Join(all, "; ")
}

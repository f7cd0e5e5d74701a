package extensions

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
)

// flushShare is the part of a shutdown budget that the last telemetry may take
// before SHUTDOWN is sent: one in flushShare.
const flushShare = 4

// Shutdown ends all extensions: the telemetry published so far is delivered
// first, then SHUTDOWN goes to those that registered for it, with the end of the
// budget as deadline. Those that did not are killed at once, the others when the
// budget or ctx is over, each with its children. When Shutdown returns, no
// process, connection or goroutine of the set is left.
//
// reason is spindown, timeout or failure. A budget of 0 kills at once. Having to
// kill is no error: on Lambda, too, some extensions never end by themselves. A
// second call does nothing.
func (s *Set) Shutdown(ctx context.Context, reason string, budget time.Duration) error {
	s.down.Lock()
	defer s.down.Unlock()
	if s.downDone {
		return nil
	}
	s.downDone = true
	deadline := time.Now().Add(budget)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()

	s.stop()
	s.flush(ctx, budget/flushShare)
	s.sendShutdown(reason, deadline)
	s.awaitProcesses(ctx)
	err := s.close()
	if err != nil {
		return fmt.Errorf("shut down extensions: %w", err)
	}
	return nil
}

// stop refuses what is new and drops events that were not handed out.
func (s *Set) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping, s.registration, s.telemetry = true, false, false
	for _, x := range s.all {
		x.queue = nil
	}
	s.broadcast()
}

// flush has every delivery send what was published so far, for at most limit.
func (s *Set) flush(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var flushes sync.WaitGroup
	for _, x := range s.extensions() {
		for _, d := range x.deliveries {
			flushes.Go(func() { d.flush(ctx) })
		}
	}
	flushes.Wait()
}

func (s *Set) sendShutdown(reason string, deadline time.Time) {
	event := extapi.Event{EventType: extapi.Shutdown, DeadlineMs: deadline.UnixMilli(), ShutdownReason: reason}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.all {
		switch {
		case x.state.failed():
		case x.wants(extapi.Shutdown):
			x.queue = []extapi.Event{event}
		case x.proc != nil:
			s.kill(x, "not registered for SHUTDOWN")
		}
	}
	s.broadcast()
}

// awaitProcesses waits until all processes have ended, and kills those that have
// not when ctx is done.
func (s *Set) awaitProcesses(ctx context.Context) {
	all := s.extensions()
	for _, x := range all {
		if x.proc == nil {
			continue
		}
		select {
		case <-x.proc.done:
			continue
		default:
		}
		select {
		case <-x.proc.done:
		case <-ctx.Done():
			s.mu.Lock()
			if !x.gone {
				s.kill(x, "still running at the end of the budget")
			}
			s.mu.Unlock()
		}
	}
	for _, x := range all {
		if x.proc != nil {
			<-x.proc.done
		}
	}
}

// kill is called with the lock: what the process does then comes after it for
// whoever observes.
func (s *Set) kill(x *extension, why string) {
	s.observe(x, "killed", why)
	x.proc.Kill()
}

// close ends the API and the deliveries and waits for their goroutines.
func (s *Set) close() error {
	s.cancel()
	if s.server == nil {
		return nil
	}
	err := s.server.Close()
	s.tasks.Wait()
	s.conns.Wait()
	s.client.CloseIdleConnections()
	return errors.Join(err, s.room.Close())
}

// extensions returns the list as it is now; what is read of its members must
// not change any more, or be the process.
func (s *Set) extensions() []*extension {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*extension(nil), s.all...)
}

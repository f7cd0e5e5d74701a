package snapshots

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lambent-host/lambent/sandbox"
)

// bell is a standard output that tells when the handler is entered.
type bell chan time.Time

// Write is the handler's standard output.
func (b bell) Write(p []byte) (int, error) {
	b <- time.Now() // there is room for one
	return len(p), nil
}

// burst restores more instances than there are seats, one after the other, and
// keeps all of them asleep inside their handlers.
func (s *subject) burst(ctx context.Context, cfg Config, h *Handler) (err error) {
	if err := s.module.Prepare(ctx, sandbox.MaxPrepared); err != nil {
		return err
	}
	with, without := &timing{Kind: KindBurstSeat}, &timing{Kind: KindBurst}
	held, wake := context.WithCancel(ctx)
	ended := make(chan error)
	running := 0
	defer func() {
		wake()
		for range running {
			err = errors.Join(err, <-ended)
		}
	}()
	for n := range sandbox.MaxPrepared + cfg.Burst {
		entered := make(bell, 1)
		began := time.Now()
		running++
		go func() { ended <- s.hold(held, entered) }()
		select {
		case at := <-entered:
			t := with
			if n >= sandbox.MaxPrepared {
				t = without
			}
			t.noteDone(at.Sub(began))
		case err := <-ended:
			running--
			return errors.Join(errors.New("a handler was not entered"), err)
		}
	}
	h.Rows = append(h.Rows, with.row(), without.row())
	return nil
}

// hold has an instance stay in its handler until ctx is canceled.
func (s *subject) hold(ctx context.Context, entered bell) (err error) {
	i, err := s.module.Restore(ctx, s.snapshot, sandbox.InstanceConfig{Stdout: entered})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, i.Close(context.WithoutCancel(ctx))) }()
	if _, err = i.Invoke(ctx, sandbox.Invocation{Event: []byte("true")}); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("a handler that should stay inside ended: %w", err)
	}
	return nil
}

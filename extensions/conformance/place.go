package conformance

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/extensions/place/egress"
)

// where is a place, and how its processes reach the sink.
type where struct {
	place    place.Place
	sinkHost string
}

// loopback is the machine itself.
var loopback = where{place.Loopback{}, "127.0.0.1"}

// isolate makes a place where each environment has a network of its own, with a
// way out to the sink and to the internet.
func isolate(ctx context.Context, isolation place.Isolation, s *sink) (where, error) {
	p, err := place.New(ctx, place.Config{
		Isolation: isolation, Egress: egress.Public,
		Allow: []egress.Rule{{Host: true, Port: uint16(s.port)}}, // it is one
		Log:   zerolog.Nop(),
	})
	return where{p, egress.HostName}, err
}

// choose finds the place for a run, and says which it is.
func (b *Bench) choose(ctx context.Context) (description string, err error) {
	switch b.cfg.Isolation {
	case place.None:
		b.where = loopback
		return "on the machine itself", nil
	case place.Full, place.Network:
		if b.where, err = b.cfg.own(ctx, b.cfg.Isolation, b.sink); err != nil {
			return "", fmt.Errorf("%w: %w", ErrConfig, err)
		}
		return "isolated (" + string(b.cfg.Isolation) + ")", nil
	case place.Auto, "":
		if b.where, err = b.cfg.own(ctx, place.Full, b.sink); err != nil {
			b.where = loopback
			return fmt.Sprintf("on the machine itself, not isolated: %v", err), nil
		}
		return "isolated (full)", nil
	}
	return "", fmt.Errorf("%w: there is no isolation %q", ErrConfig, b.cfg.Isolation)
}

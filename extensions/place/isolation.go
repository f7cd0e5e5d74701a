package place

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions/place/egress"
	"github.com/lambent-host/lambent/extensions/place/keeper"
)

// Isolation is how far the extensions of an environment are kept apart from the host
// and from those of others.
type Isolation string

// Isolations.
const (
	// Auto is the furthest that the host may: Full, or else None.
	Auto Isolation = "auto"
	// Full is a network, files, processes and, where the host is root, a user of their
	// own; no way to gain rights; limits.
	Full Isolation = "full"
	// Network is a network and processes of their own, with the host's files and user.
	Network Isolation = "network"
	// None is the machine itself: see [Loopback].
	None Isolation = "none"
)

// ParseIsolation reads an isolation.
func ParseIsolation(text string) (Isolation, error) {
	switch i := Isolation(text); i {
	case Auto, Full, Network, None:
		return i, nil
	}
	return "", fmt.Errorf("%q is not one of auto, full, network, none", text)
}

// Config says what place is wanted.
type Config struct {
	Isolation Isolation
	// Egress is what isolated extensions reach of the outside, Allow what they reach
	// beside it. Resolvers and IPv6 of it are found out.
	Egress egress.Mode
	Allow  []egress.Rule
	// Limits of isolated extensions; zero fields are those of [DefaultLimits].
	Limits keeper.Limits
	// Log is for the operator.
	Log zerolog.Logger
}

// DefaultLimits are what an environment's extensions may take unless something else
// is said: files and processes as on Lambda.
func DefaultLimits() keeper.Limits {
	return keeper.Limits{OpenFiles: 1024, Processes: 1024, MemoryBytes: 4 << 30, FileBytes: 10 << 30}
}

func withDefaults(l keeper.Limits) keeper.Limits {
	d := DefaultLimits()
	for _, field := range []struct{ value, standard *uint64 }{
		{&l.OpenFiles, &d.OpenFiles}, {&l.Processes, &d.Processes}, {&l.MemoryBytes, &d.MemoryBytes}, {&l.FileBytes, &d.FileBytes},
	} {
		if *field.value == 0 {
			*field.value = *field.standard
		}
	}
	return l
}

// ExitIfChild does the work of a process that keeps extensions apart, and ends it, if
// this is one. Main calls it before anything else, and so does the TestMain of a
// package whose tests isolate.
func ExitIfChild() { keeper.ExitIfChild() }

// New returns the place that is wanted. An isolation that cannot be had is an error;
// Auto is tried out when the first room is opened, and where it comes to nothing the
// log says why.
func New(ctx context.Context, cfg Config) (Place, error) {
	if cfg.Isolation == None {
		return Loopback{}, nil
	}
	cfg.Limits = withDefaults(cfg.Limits)
	if cfg.Isolation == Auto {
		return &furthest{cfg: cfg}, nil
	}
	place, err := newNamespaces(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("isolate extensions (%s): %w", cfg.Isolation, err)
	}
	return place, nil
}

// furthest is the place with the furthest isolation that can be had.
type furthest struct {
	cfg Config

	mu    sync.Mutex
	place Place // nil until it is known
}

// tryTimeout bounds finding out what the host may.
const tryTimeout = 10 * time.Second

// Open finds out first which one that is.
func (f *furthest) Open(ctx context.Context, env Environment) (Room, net.Listener, error) {
	place, err := f.find(ctx)
	if err != nil {
		return nil, nil, err
	}
	return place.Open(ctx, env)
}

// find settles for less only where more is refused: what a machine has no room for just
// now is no reason to give up isolation for good.
func (f *furthest) find(ctx context.Context) (Place, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.place != nil {
		return f.place, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tryTimeout)
	defer cancel()
	place, err := newNamespaces(ctx, f.cfg)
	switch {
	case err == nil:
	case passing(err):
		return nil, err
	default:
		f.cfg.Log.Warn().Err(err).Msg("extensions are not isolated: this host may not make namespaces. " + sharedAdvice)
		place = Loopback{}
	}
	f.place = place
	return place, nil
}

// passing tells an error that may not come again.
func passing(err error) bool {
	for _, cause := range []error{context.DeadlineExceeded, syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.EINTR} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}

// wayOut is what the host knows of its own way out.
func wayOut(cfg Config) egress.Config {
	out := egress.Config{Mode: cfg.Egress, Allow: cfg.Allow, IPv6: hasIPv6()}
	if out.Mode == "" {
		out.Mode = egress.Public
	}
	text, err := os.ReadFile("/etc/resolv.conf")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		cfg.Log.Warn().Err(err).Msg("isolated extensions resolve no names")
	}
	out.Resolvers, out.Search = egress.ParseResolvConf(string(text))
	return out
}

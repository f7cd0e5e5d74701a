package conformance

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/extensions/internal/actors"
	"github.com/lambent-host/lambent/extensions/place"
)

func TestMain(m *testing.M) {
	place.ExitIfChild()
	actors.Play()
	goleak.VerifyTestMain(m)
}

// limit bounds every wait of a test.
const limit = 60 * time.Second

// actor is a configuration that tries one out, with everything told to it.
func actor(t *testing.T, name string) Config {
	t.Helper()
	return Config{
		Target: Target{
			Executables: []string{filepath.Join(actors.Folder(t, name), name)},
			Env:         []string{actors.Env, actors.EnvFile + "=" + filepath.Join(t.TempDir(), "file")},
			SinkEnv:     []string{actors.EnvSink},
		},
		Invocations: 20, Isolation: place.None,
	}
}

func try(t *testing.T, cfg Config) *Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	report, err := Run(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

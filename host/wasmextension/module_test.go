package wasmextension

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/telemetry"
)

// taker is a module that takes every batch: a memory, and an lambent_invoke that
// returns 0.
const taker = "\x00asm\x01\x00\x00\x00" + "\x01\x06\x01\x60\x01\x7f\x01\x7f" + "\x03\x02\x01\x00" + "\x05\x03\x01\x00\x01" +
	"\x07\x1b\x02\x06memory\x02\x00\x0elambent_invoke\x00\x00" + "\x0a\x06\x01\x04\x00\x41\x00\x0b"

// logged tells of every line of a log.
type logged chan string

func (l logged) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

// A module takes longer to compile than a batch is tried for; what is published
// meanwhile is not lost by that.
func TestEventsWaitForTheModule(t *testing.T) {
	release, log := make(chan struct{}), make(logged, 10)
	engine, err := sandbox.New(t.Context(), sandbox.Config{CacheDir: t.TempDir(), Prepare: func(ctx context.Context, wasm []byte, dir string) (sandbox.Prepared, error) {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return sandbox.PrepareHere(ctx, wasm, dir)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close(context.Background()) })
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "taker.wasm"), []byte(taker), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "taker.json"), []byte(`{"buffering":{"timeoutMs":25}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	settled := make(chan extensions.Account, 1)
	s := &stage{t: t, bus: telemetry.NewBus()}
	t.Cleanup(s.bus.Close)
	s.all, err = New(Config{Dir: dir, Engine: engine, Bus: s.bus, Log: zerolog.New(log), Settled: func(a extensions.Account) { settled <- a }})
	if err != nil {
		t.Fatal(err)
	}
	s.all.patience = 50 * time.Millisecond
	s.all.Start()
	s.publish("f", telemetry.TypeReport, report(1))
	select {
	case line := <-log:
		t.Error(line)
	case <-time.After(10 * s.all.patience):
	}
	s.all.patience = 0
	close(release)
	<-s.all.all[0].runner.ready
	s.end()
	if a := <-settled; a.Delivered != 1 || a.Dropped != 0 || !a.Balanced() {
		t.Errorf("account %+v", a)
	}
}

func TestABatchIsTriedForAsLongAsItMayTake(t *testing.T) {
	for timeout, want := range map[int]time.Duration{1: 10 * time.Second, 10: 10 * time.Second, 60: time.Minute} {
		if got := (&Manifest{Timeout: timeout}).patience(); got != want {
			t.Errorf("with a timeout of %d s it is tried for %s", timeout, got)
		}
	}
}

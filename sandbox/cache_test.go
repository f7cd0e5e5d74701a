package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/sandbox"
)

// preparing is an engine whose Prepare counts and whose damage is noted.
type preparing struct {
	*sandbox.Engine
	prepared int
	damage   []error
}

func newPreparing(t *testing.T, dir string, key string, bytes int64) *preparing {
	t.Helper()
	p := &preparing{}
	cfg := sandbox.Config{CacheDir: dir, CacheKey: []byte(key), CacheBytes: bytes, Damaged: func(err error) { p.damage = append(p.damage, err) }}
	cfg.Prepare = func(ctx context.Context, wasm []byte, dir string) (sandbox.Prepared, error) {
		p.prepared++
		return sandbox.PrepareHere(ctx, wasm, dir)
	}
	var err error
	if p.Engine, err = sandbox.New(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// publish publishes and invokes.
func (p *preparing) publish(t *testing.T, wasm []byte, memory uint64) *sandbox.Module {
	t.Helper()
	m, err := p.Publish(context.Background(), wasm, sandbox.Limits{MemoryBytes: memory})
	if err != nil {
		t.Fatal(err)
	}
	i := instantiate(t, m, sandbox.InstanceConfig{})
	if err := i.Init(within(t, 30*time.Second)); err != nil {
		t.Fatal(err)
	}
	if res, err := invoke(t, i, "x"); err != nil || string(res.Payload) != "x" {
		t.Fatalf("%q, %v", res.Payload, err)
	}
	return m
}

func TestPublishPreparesOnce(t *testing.T) {
	dir, wasm := t.TempDir(), newGuest().handler(echo)
	first := newPreparing(t, dir, "key", 0)
	if _, err := first.Cached(context.Background(), wasm, sandbox.Limits{MemoryBytes: defaultMemory}); !errors.Is(err, sandbox.ErrNotCached) {
		t.Errorf("before: %v", err)
	}
	first.publish(t, wasm, defaultMemory)
	first.publish(t, wasm, 2*defaultMemory) // another limit, the same code
	second := newPreparing(t, dir, "key", 0)
	second.publish(t, wasm, defaultMemory)
	if first.prepared != 1 || second.prepared != 0 {
		t.Errorf("prepared %d times and %d after a restart, want 1 and 0", first.prepared, second.prepared)
	}
	other := newPreparing(t, dir, "another key", 0)
	other.publish(t, wasm, defaultMemory)
	if other.prepared != 1 || len(other.damage) != 0 {
		t.Errorf("under another key: prepared %d times, damage %v; want its own entry", other.prepared, other.damage)
	}
	if _, err := second.Cached(context.Background(), wasm, sandbox.Limits{MemoryBytes: 1 << 15}); err == nil || !strings.Contains(err.Error(), "needs 65536 bytes") {
		t.Errorf("with too little memory: %v", err)
	}
}

func TestWithoutAPreparerNothingIsPublished(t *testing.T) {
	for _, cfg := range []sandbox.Config{{}, {CacheDir: t.TempDir()}, {Prepare: sandbox.PrepareHere}} {
		e, err := sandbox.New(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Publish(context.Background(), newGuest().handler(echo), sandbox.Limits{MemoryBytes: defaultMemory}); err == nil {
			t.Errorf("%+v: published", cfg)
		}
		if err := e.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// files lists the files of the only entry by a short name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name := d.Name()
			if len(name) == 64 {
				name = "code"
			}
			found[name] = path
		}
		return err
	})
	if err != nil || len(found) != 3 {
		t.Fatalf("%v, %v: want a manifest, a module and its code", found, err)
	}
	return found
}

// Whatever happens to a file, the module runs: prepared anew, and the host is told.
func TestDamagedEntriesAreRebuilt(t *testing.T) {
	flip := func(data []byte) []byte { data[len(data)/2] ^= 1; return data }
	ways := map[string]func(path string) error{
		"torn":    func(path string) error { return os.Truncate(path, 20) },
		"empty":   func(path string) error { return os.Truncate(path, 0) },
		"missing": os.Remove,
		"changed": func(path string) error {
			data, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path, flip(data), 0o600))
		},
	}
	wasm := newGuest().handler(echo)
	for way, damage := range ways {
		for _, file := range []string{"manifest", "module.wasm", "code"} {
			t.Run(way+" "+file, func(t *testing.T) {
				dir := t.TempDir()
				newPreparing(t, dir, "key", 0).publish(t, wasm, defaultMemory)
				if err := damage(files(t, dir)[file]); err != nil {
					t.Fatal(err)
				}
				p := newPreparing(t, dir, "key", 0)
				p.publish(t, wasm, defaultMemory)
				if p.prepared != 1 || len(p.damage) != 1 {
					t.Errorf("prepared %d times, damage %v; want one each", p.prepared, p.damage)
				}
				again := newPreparing(t, dir, "key", 0)
				again.publish(t, wasm, defaultMemory)
				if again.prepared != 0 {
					t.Error("the rebuilt entry was not used")
				}
			})
		}
	}
}

// An entry that was sealed by somebody who does not know the key is not loaded,
// consistent as it is.
func TestAForgedEntryIsNotLoaded(t *testing.T) {
	mine, theirs, wasm := t.TempDir(), t.TempDir(), newGuest().handler(echo)
	newPreparing(t, mine, "key", 0).publish(t, wasm, defaultMemory)
	if _, err := newPreparing(t, theirs, "guess", 0).Publish(context.Background(), newGuest().handler("unreachable"), sandbox.Limits{MemoryBytes: defaultMemory}); err != nil {
		t.Fatal(err)
	}
	name, forged := mustList(t, mine)[0], filepath.Join(theirs, mustList(t, theirs)[0])
	if err := errors.Join(os.RemoveAll(filepath.Join(mine, name)), os.Rename(forged, filepath.Join(mine, name))); err != nil {
		t.Fatal(err)
	}
	p := newPreparing(t, mine, "key", 0)
	p.publish(t, wasm, defaultMemory)
	if p.prepared != 1 || len(p.damage) != 1 {
		t.Errorf("prepared %d times, damage %v; want one each", p.prepared, p.damage)
	}
}

// What was prepared for another processor has no code under the name wazero looks
// for. It must not be compiled by the host instead.
func TestTheHostDoesNotCompile(t *testing.T) {
	wasm := newGuest().handler(echo)
	dir := t.TempDir()
	e, err := sandbox.New(context.Background(), sandbox.Config{CacheDir: dir, Prepare: func(ctx context.Context, wasm []byte, dir string) (sandbox.Prepared, error) {
		p, err := sandbox.PrepareHere(ctx, wasm, dir)
		found, gerr := filepath.Glob(filepath.Join(dir, "wazero-*", "*"))
		if err = errors.Join(err, gerr); err == nil {
			err = os.Rename(found[0], filepath.Join(filepath.Dir(found[0]), strings.Repeat("0", 64)))
		}
		return p, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close(context.Background()) }()
	if _, err := e.Publish(context.Background(), wasm, sandbox.Limits{MemoryBytes: defaultMemory}); err == nil || !strings.Contains(err.Error(), "could not be loaded") {
		t.Errorf("%v, want a refusal to load", err)
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	limits := sandbox.Limits{MemoryBytes: defaultMemory}
	guest := func(n int) []byte { return newGuest().handler(strings.Repeat("nop ", n) + echo) }
	p := newPreparing(t, dir, "key", 1) // nothing fits that is not in use
	p.publish(t, guest(0), defaultMemory)
	for n := range 3 {
		m, err := p.Publish(ctx, guest(n+1), limits)
		if err != nil {
			t.Fatal(err)
		}
		if entries := mustList(t, dir); len(entries) != 2 {
			t.Errorf("%d entries, want the two in use", len(entries))
		}
		if err := m.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.damage) > 0 {
		t.Error(p.damage)
	}
}

func TestEngineVersionIsTheOneInUse(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil || !bytes.Contains(mod, []byte("github.com/tetratelabs/wazero "+sandbox.EngineVersion+"\n")) {
		t.Errorf("go.mod does not ask for wazero %s (%v): set engineVersion", sandbox.EngineVersion, err)
	}
}

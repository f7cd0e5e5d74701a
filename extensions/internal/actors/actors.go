// Package actors is extensions for tests: one per way to behave or to misbehave.
// A test binary plays them itself: its TestMain calls [Play] first, and a link to
// the binary, named after the actor, is what the test has the host start.
package actors

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/sdk"
	"github.com/lambent-host/lambent/telemetry"
)

// envPlay makes a test binary an actor.
const envPlay = "LAMBENT_TEST_ACTOR"

// Env is what the function's environment must have for the actors to play.
const Env = envPlay + "=1"

// Play runs the actor this process was started as, and does not return then.
func Play() {
	if os.Getenv(envPlay) == "" {
		return
	}
	name := filepath.Base(os.Args[0])
	kind := strings.TrimRight(name, "0123456789")
	act, ok := parts[kind]
	if !ok {
		act, ok = vices[kind]
	}
	if !ok {
		fmt.Fprintln(os.Stderr, "no such actor:", name)
		os.Exit(64)
	}
	if err := act(context.Background(), name); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Folder returns a folder with a link to the test binary for each actor; digits
// at the end of a name make several of one kind.
func Folder(t testing.TB, names ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range names {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Alive tells whether a process runs; one that only waits to be reaped does not.
func Alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

var parts = map[string]func(ctx context.Context, name string) error{
	"good":      good,
	"telling":   telling,
	"watcher":   watcher,
	"observer":  observer,
	"ignorant":  ignorant,
	"crash":     func(context.Context, string) error { os.Exit(3); return nil },
	"mute":      func(context.Context, string) error { select {} },
	"initcrash": initCrash,
	"initerror": initError,
	"neverpoll": neverPoll,
	"midcrash":  midCrash,
	"exiterror": exitError,
	"hang":      hang,
	"undead":    undead,
	"parent":    parent,
	"flood":     flood,
	"hugeline":  hugeLine,
}

// good does everything right.
func good(ctx context.Context, name string) error {
	nothing := func(context.Context, sdk.Event) error { return nil }
	return sdk.Run(ctx, sdk.Config{Name: name, OnInvoke: nothing, OnShutdown: nothing})
}

// watcher prints which environments it is told of, by INVOKE and by telemetry.
func watcher(ctx context.Context, name string) error {
	return sdk.Run(ctx, sdk.Config{
		Name: name,
		OnInvoke: func(_ context.Context, ev sdk.Event) error {
			fmt.Println("INVOKE", ev.EnvironmentID, ev.RequestID)
			return nil
		},
		OnTelemetry: func(_ context.Context, events []telemetry.Event) error {
			for _, ev := range events {
				if ev.Source != nil {
					fmt.Println(ev.Type, ev.Source.EnvironmentID, ev.Source.FunctionARN, ev.Source.FunctionVersion)
				}
			}
			return nil
		},
		Telemetry: sdk.Telemetry{Types: []telemetry.Category{telemetry.CategoryFunction}, Timeout: extapi.MinTimeout},
	})
}

// telling tells its process id, registers, and does not end even if its host is
// gone.
func telling(ctx context.Context, name string) error {
	fmt.Println("pid", os.Getpid())
	if _, err := register(ctx, name); err != nil {
		return err
	}
	select {}
}

// observer registers for SHUTDOWN alone.
func observer(ctx context.Context, name string) error { return sdk.Run(ctx, sdk.Config{Name: name}) }

// ignorant registers for nothing and never ends by itself.
func ignorant(ctx context.Context, name string) error { return loop(ctx, name, nil) }

// loop is an extension that takes events for ever.
func loop(ctx context.Context, name string, each func(c *sdk.Client, ev sdk.Event) error, events ...extapi.EventType) error {
	c, _, err := sdk.Register(ctx, os.Getenv("AWS_LAMBDA_RUNTIME_API"), name, events...)
	if err != nil {
		return err
	}
	for {
		ev, err := c.Next(ctx)
		if err != nil {
			return err
		}
		if each == nil {
			continue
		}
		if err := each(c, ev); err != nil {
			return err
		}
	}
}

func register(ctx context.Context, name string) (*sdk.Client, error) {
	c, _, err := sdk.Register(ctx, os.Getenv("AWS_LAMBDA_RUNTIME_API"), name, extapi.Invoke, extapi.Shutdown)
	return c, err
}

func initCrash(ctx context.Context, name string) error {
	if _, err := register(ctx, name); err != nil {
		return err
	}
	os.Exit(3)
	return nil
}

// initError reports an error and goes on as if nothing had happened, as a public
// sample does.
func initError(ctx context.Context, name string) error {
	c, err := register(ctx, name)
	if err != nil {
		return err
	}
	if err := c.InitError(ctx, "Extension.NoSuchKey", fmt.Errorf("no key")); err != nil {
		return err
	}
	if err := c.InitError(ctx, "Extension.NoSuchKey", fmt.Errorf("no key")); err != nil {
		return fmt.Errorf("a repeat was refused: %w", err)
	}
	_, err = c.Next(ctx)
	fmt.Println("next after init/error:", err)
	select {}
}

func neverPoll(ctx context.Context, name string) error {
	if _, err := register(ctx, name); err != nil {
		return err
	}
	select {}
}

func midCrash(ctx context.Context, name string) error {
	return loop(ctx, name, func(*sdk.Client, sdk.Event) error { os.Exit(2); return nil }, extapi.Invoke)
}

func exitError(ctx context.Context, name string) error {
	return loop(ctx, name, func(c *sdk.Client, _ sdk.Event) error {
		if err := c.ExitError(ctx, "Extension.DiskFull", fmt.Errorf("full")); err != nil {
			return err
		}
		select {}
	}, extapi.Invoke)
}

// hang takes an INVOKE and never calls next again.
func hang(ctx context.Context, name string) error {
	return loop(ctx, name, func(_ *sdk.Client, ev sdk.Event) error { select {} }, extapi.Invoke, extapi.Shutdown)
}

// undead calls next after SHUTDOWN.
func undead(ctx context.Context, name string) error {
	return loop(ctx, name, nil, extapi.Invoke, extapi.Shutdown)
}

// parent leaves a child behind that holds its output.
func parent(ctx context.Context, name string) error {
	cmd := exec.Command("sleep", "1000")
	cmd.Stdout = os.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	fmt.Println("child", cmd.Process.Pid)
	return good(ctx, name)
}

// FloodLines is how many lines flood writes before it registers.
const FloodLines = 100_000

func flood(ctx context.Context, name string) error {
	for i := range FloodLines {
		fmt.Println("flood", i)
	}
	return good(ctx, name)
}

// HugeLineBytes is the length of the line that hugeline writes, without an end.
const HugeLineBytes = 10 << 20

func hugeLine(ctx context.Context, name string) error {
	fmt.Print(strings.Repeat("é", HugeLineBytes/2))
	return good(ctx, name)
}

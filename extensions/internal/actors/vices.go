package actors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/sdk"
	"github.com/lambent-host/lambent/telemetry"
)

// EnvSink names the variable that tells an actor its backend's URL, EnvFile the
// one with the path of a file that actors leave traces in.
const (
	EnvSink = "ACTOR_SINK"
	EnvFile = "ACTOR_FILE"
)

// vices are actors with one fault each, for a kit that has to find it, and one
// without.
var vices = map[string]func(ctx context.Context, name string) error{
	"citizen":      func(ctx context.Context, name string) error { return citizen(ctx, name, 0) },
	"settler":      func(ctx context.Context, name string) error { return citizen(ctx, name, settledPort) },
	"misnamed":     func(ctx context.Context, name string) error { return good(ctx, "not-"+name) },
	"pushy":        pushy,
	"refusing":     listening(func(telemetry.Event) error { return errors.New("not mine") }),
	"tiring":       tiring,
	"prejudiced":   listening(prejudiced),
	"sulky":        sulky,
	"overwhelmed":  listening(overwhelmed()),
	"shortsighted": listening(diesOf(func(text string) bool { return len(text) > 100_000 })),
	"naive":        listening(diesOf(func(text string) bool { return strings.Contains(text, "\uFFFD") })),
	"picky":        listening(diesOf(func(text string) bool { return text == "no end" })),
	"strict":       listening(strict),
	"once":         once,
	"dependent":    dependent,
	"badexit":      badExit,
	"expectant":    expectant,
	"deserter":     deserter,
	"limbo":        limbo,
	"careless":     careless,
	"forking":      forking,
	"stubborn":     stubborn,
	"patient":      patient,
	"literal":      literal,
	"littering":    littering,
	"exclusive":    exclusive,
	"hoarder":      hoarder,
	"leaky":        leaky,
}

// subscription is quick, so that tests are.
var subscription = sdk.Telemetry{
	Timeout: 25 * time.Millisecond,
	Types:   []telemetry.Category{telemetry.CategoryPlatform, telemetry.CategoryFunction},
}

// settledPort is where a settler listens, whoever else does.
const settledPort = 18766

// citizen does everything right: it listens, and tells its backend what it
// heard, without minding whether that is well.
func citizen(ctx context.Context, name string, port int) error {
	at := subscription
	at.Port = port
	client := &http.Client{Timeout: 200 * time.Millisecond}
	tell := func(ctx context.Context, ev sdk.Event) error {
		if url := os.Getenv(EnvSink); url != "" {
			_ = post(ctx, client, url, ev.RequestID)
		}
		return nil
	}
	return sdk.Run(ctx, sdk.Config{
		Name: name, OnInvoke: tell, OnShutdown: tell,
		OnTelemetry: func(context.Context, []telemetry.Event) error { return nil },
		Telemetry:   at,
	})
}

func post(ctx context.Context, client *http.Client, url, body string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, res.Body)
	if res.StatusCode >= http.StatusBadRequest {
		return errors.New(res.Status)
	}
	return nil
}

// listening is an extension that gives each event to hear.
func listening(hear func(telemetry.Event) error) func(context.Context, string) error {
	return func(ctx context.Context, name string) error {
		nothing := func(context.Context, sdk.Event) error { return nil }
		return sdk.Run(ctx, sdk.Config{
			Name: name, OnInvoke: nothing, OnShutdown: nothing, Telemetry: subscription,
			OnTelemetry: func(_ context.Context, events []telemetry.Event) error {
				for _, ev := range events {
					if err := hear(ev); err != nil {
						return err
					}
				}
				return nil
			},
		})
	}
}

// die ends the process as a crash does.
func die(of ...any) {
	fmt.Fprintln(os.Stderr, of...)
	os.Exit(4)
}

// prejudiced dies of a function that gave no answer.
func prejudiced(ev telemetry.Event) error {
	if done, ok := ev.Record.(telemetry.RuntimeDone); ok && done.Metrics != nil && done.Metrics.ProducedBytes == 0 {
		die("no answer")
	}
	return nil
}

func overwhelmed() func(telemetry.Event) error {
	lines := 0
	return func(telemetry.Event) error {
		if lines++; lines > 1000 {
			die("too much")
		}
		return nil
	}
}

func diesOf(lethal func(string) bool) func(telemetry.Event) error {
	return func(ev telemetry.Event) error {
		if text, ok := ev.Record.(string); ok && lethal(text) {
			die("cannot read this")
		}
		return nil
	}
}

func strict(ev telemetry.Event) error {
	if _, unknown := ev.Record.(json.RawMessage); unknown && ev.Type.Category() == telemetry.CategoryPlatform {
		die("no such event:", ev.Type)
	}
	return nil
}

// once dies when an event comes twice.
func once(ctx context.Context, name string) error {
	var mu sync.Mutex
	seen := map[string]bool{}
	return listening(func(ev telemetry.Event) error {
		if ev.Type.Category() == telemetry.CategoryFunction {
			return nil // lines may be equal
		}
		mu.Lock()
		defer mu.Unlock()
		key, err := json.Marshal(ev)
		if err != nil || seen[string(key)] {
			die("twice:", string(key))
		}
		seen[string(key)] = true
		return nil
	})(ctx, name)
}

// each is an extension that does something with every event.
func each(ctx context.Context, name string, do func(c *sdk.Client, ev sdk.Event) error) error {
	return loop(ctx, name, func(c *sdk.Client, ev sdk.Event) error {
		if err := do(c, ev); err != nil {
			return err
		}
		if ev.EventType == extapi.Shutdown {
			os.Exit(0)
		}
		return nil
	}, extapi.Invoke, extapi.Shutdown)
}

// pushy subscribes when it is too late, and does not mind the refusal.
func pushy(ctx context.Context, name string) error {
	return each(ctx, name, func(c *sdk.Client, _ sdk.Event) error {
		_ = c.Subscribe(ctx, extapi.SubscriptionRequest{
			SchemaVersion: telemetry.Schema20221213, Types: []telemetry.Category{telemetry.CategoryPlatform},
			Destination: extapi.DestinationRequest{Protocol: extapi.ProtocolTCP, Port: 1},
		})
		return nil
	})
}

func tiring(ctx context.Context, name string) error {
	events := 0
	return each(ctx, name, func(*sdk.Client, sdk.Event) error {
		if events++; events > 10 {
			die("tired")
		}
		return nil
	})
}

// sulky takes no end but the natural one.
func sulky(ctx context.Context, name string) error {
	return each(ctx, name, func(_ *sdk.Client, ev sdk.Event) error {
		if ev.EventType == extapi.Shutdown && ev.ShutdownReason != extapi.ReasonSpindown {
			select {}
		}
		return nil
	})
}

// dependent needs its backend for everything, as long as it takes.
func dependent(ctx context.Context, name string) error {
	return each(ctx, name, func(_ *sdk.Client, ev sdk.Event) error {
		return post(ctx, http.DefaultClient, os.Getenv(EnvSink), ev.RequestID)
	})
}

func badExit(ctx context.Context, name string) error {
	return each(ctx, name, func(_ *sdk.Client, ev sdk.Event) error {
		if ev.EventType == extapi.Shutdown {
			os.Exit(5)
		}
		return nil
	})
}

// expectant does not end before it has heard of the end of every invocation.
func expectant(ctx context.Context, name string) error {
	invoked, reports := 0, make(chan struct{}, 1000)
	return sdk.Run(ctx, sdk.Config{
		Name: name, Telemetry: subscription,
		OnInvoke: func(context.Context, sdk.Event) error { invoked++; return nil },
		OnTelemetry: func(_ context.Context, events []telemetry.Event) error {
			for _, ev := range events {
				if ev.Type == telemetry.TypeReport {
					reports <- struct{}{}
				}
			}
			return nil
		},
		OnShutdown: func(context.Context, sdk.Event) error {
			for range invoked {
				<-reports
			}
			return nil
		},
	})
}

// deserter does not ask for SHUTDOWN and has a child in a session of its own.
func deserter(ctx context.Context, name string) error {
	if err := strayChild(); err != nil {
		return err
	}
	return loop(ctx, name, nil, extapi.Invoke)
}

func forking(ctx context.Context, name string) error {
	if err := strayChild(); err != nil {
		return err
	}
	return good(ctx, name)
}

func strayChild() error {
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd.Start()
}

// careless does not wait for its children.
func careless(ctx context.Context, name string) error {
	if err := exec.Command("true").Start(); err != nil {
		return err
	}
	return good(ctx, name)
}

// limbo neither ends after SIGTERM nor does it work.
func limbo(ctx context.Context, name string) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	err := good(ctx, name)
	select {
	case <-ctx.Done():
		select {}
	case <-time.After(100 * time.Millisecond): // the SDK may have heard of a signal first
		return err
	}
}

// stubborn does not take a refusal for an end.
func stubborn(ctx context.Context, name string) error {
	if err := good(ctx, name); err != nil {
		select {}
	}
	return nil
}

// patient is stubborn when it is asked to go.
func patient(ctx context.Context, name string) error { return stubborn(ctx, name) }

// literal knows one good answer to a subscription. It speaks to the API without
// the SDK, which knows two.
func literal(ctx context.Context, name string) error {
	_, id, err := call(ctx, http.MethodPost, extapi.PathRegister, `{"events":["INVOKE","SHUTDOWN"]}`, extapi.HeaderName, name)
	if err != nil {
		return err
	}
	answer, _, err := call(ctx, http.MethodPut, extapi.PathTelemetry,
		`{"schemaVersion":"2022-12-13","types":["platform"],"destination":{"protocol":"TCP","port":1}}`, extapi.HeaderIdentifier, id)
	if err != nil || answer != `"OK"` {
		die("not OK:", answer, err)
	}
	for {
		event, _, err := call(ctx, http.MethodGet, extapi.PathNext, "", extapi.HeaderIdentifier, id)
		if err != nil || strings.Contains(event, `"SHUTDOWN"`) {
			return err
		}
	}
}

// call returns the answer and the identifier that came with it.
func call(ctx context.Context, method, path, body, header, value string) (answer, id string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+path, strings.NewReader(body))
	if err != nil {
		return "", "", err
	}
	req.Header.Set(header, value)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = res.Body.Close() }()
	read, err := io.ReadAll(res.Body)
	return string(read), res.Header.Get(extapi.HeaderIdentifier), err
}

// littering leaves a file that it cannot stand when it starts again.
func littering(ctx context.Context, name string) error {
	f, err := os.OpenFile(os.Getenv(EnvFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_ = f.Close()
	return good(ctx, name)
}

// exclusive cannot live beside another of its kind.
func exclusive(ctx context.Context, name string) error {
	f, err := os.OpenFile(os.Getenv(EnvFile), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return err
	}
	return good(ctx, name)
}

// hoarder keeps a megabyte of each event.
func hoarder(ctx context.Context, name string) error {
	var kept [][]byte
	return each(ctx, name, func(*sdk.Client, sdk.Event) error {
		block := make([]byte, 1<<20)
		for i := range block {
			block[i] = byte(i)
		}
		kept = append(kept, block)
		return nil
	})
}

// leaky opens a file with each event and closes none.
func leaky(ctx context.Context, name string) error {
	var kept []*os.File
	return each(ctx, name, func(*sdk.Client, sdk.Event) error {
		f, err := os.Open(os.DevNull)
		kept = append(kept, f)
		return err
	})
}

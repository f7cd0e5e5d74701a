// Command subscriber is an extension that costs as little as one can: it takes
// telemetry and throws it away. The beginning of its name says what it does:
//
//	invoke...    registers for INVOKE and SHUTDOWN: invocations wait for it
//	observe...   registers for SHUTDOWN alone
//	hang...      the same, and never answers a batch
//	refuse...    the same, and refuses every other batch
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/sdk"
	"github.com/lambent-host/lambent/telemetry"
)

func main() {
	if err := run(context.Background(), filepath.Base(os.Args[0])); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, name string) error {
	// All addresses: wherever the environment is, the platform finds it.
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", ":0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: take(name), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }() // ends with the process
	events := []extapi.EventType{extapi.Shutdown}
	if strings.HasPrefix(name, "invoke") {
		events = append(events, extapi.Invoke)
	}
	client, _, err := sdk.Register(ctx, os.Getenv("AWS_LAMBDA_RUNTIME_API"), name, events...)
	if err != nil {
		return err
	}
	if err := client.Subscribe(ctx, extapi.SubscriptionRequest{
		SchemaVersion: telemetry.Schema20221213,
		Types:         []telemetry.Category{telemetry.CategoryPlatform, telemetry.CategoryFunction},
		Destination: extapi.DestinationRequest{
			Protocol: extapi.ProtocolHTTP,
			URI:      fmt.Sprintf("http://sandbox.localdomain:%d/", listener.Addr().(*net.TCPAddr).Port), // the network is tcp
		},
	}); err != nil {
		return err
	}
	for {
		ev, err := client.Next(ctx)
		if err != nil || ev.EventType == extapi.Shutdown {
			return err
		}
	}
}

// take reads a batch to its end and forgets it.
func take(name string) http.Handler {
	hang, refuse := strings.HasPrefix(name, "hang"), strings.HasPrefix(name, "refuse")
	var batches atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // what is broken is sent again
		switch {
		case hang:
			<-r.Context().Done()
		case refuse && batches.Add(1)%2 == 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
}

// Command lambent is a function host and the command line to it. All of it is in
// package cli, so that tests can run it; here is only what belongs to a process.
// Read next: package cli, and package host, which wires everything.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/host/cli"
	"github.com/lambent-host/lambent/sandbox/publish"
)

func main() {
	place.ExitIfChild()
	publish.ExitIfChild()
	if _, chosen := os.LookupEnv("GOMAXPROCS"); !chosen {
		// One more than there are CPUs: guests may have them all, and there is still
		// a processor, in Go's sense, for the host to answer on.
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
	ctx, stop := untilSignal()
	code := cli.Main(ctx, cli.Process{
		Args:   os.Args[1:],
		Env:    os.Environ(),
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
	})
	stop()
	os.Exit(code)
}

// untilSignal returns a context that ends with the first SIGINT or SIGTERM. By then
// a second one has its usual effect again: it ends at once what the first has asked
// to end. (signal.NotifyContext ends the context first, and what is sent before its
// stop is called is lost.)
func untilSignal() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals)
		select {
		case second := <-signals: // came with the first
			if self, err := os.FindProcess(os.Getpid()); err == nil {
				_ = self.Signal(second)
			}
		default:
		}
		cancel()
	}()
	return ctx, func() { signal.Stop(signals); cancel() }
}

// Command lambent is a function host and the command line to it. All of it is in
// package cli, so that tests can run it; here is only what belongs to a process.
// Read next: package cli, and package host, which wires everything.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/lambent-host/lambent/host/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once what the first has asked to end
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

package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/lambent-host/lambent/sandbox"
)

// ExitIfChild does a child's work and ends the process, if it is a child. Main
// calls it before anything else, and so does the TestMain of a package whose tests
// publish.
func ExitIfChild() {
	recognised.Store(true)
	if os.Getenv(marker) == "" {
		return
	}
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "publishing:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve reads one request, limits itself, and answers.
func serve(in io.Reader, out io.Writer) error {
	closeInherited()
	var q request
	if err := readMessage(in, &q); err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	haveThreads(2*runtime.GOMAXPROCS(0) + 4)
	if err := restrict(q.Limits); err != nil {
		return fmt.Errorf("limiting the process: %w", err)
	}
	// The collector works harder before the limit is met.
	debug.SetMemoryLimit(q.Limits.MemoryBytes / 10 * 9)
	if err := writeMessage(out, ready{Ready: true}); err != nil {
		return fmt.Errorf("reporting: %w", err)
	}
	var wasm bytes.Buffer
	if n, err := io.CopyN(&wasm, in, q.WasmBytes); err != nil {
		return fmt.Errorf("reading the module: %d of %d bytes: %w", n, q.WasmBytes, err)
	}
	go func() { // until the process ends
		_, _ = in.Read(make([]byte, 1))
		os.Exit(1) // the host is gone
	}()
	return writeMessage(out, prepare(wasm.Bytes(), q.Limits.Workers))
}

// haveThreads makes threads while there is memory for their stacks. Later the limit
// would be met there, and look like a system that has no threads left.
func haveThreads(n int) {
	var all, ended sync.WaitGroup
	all.Add(n)
	for range n {
		ended.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			all.Done()
			all.Wait()
		})
	}
	ended.Wait()
}

func prepare(wasm []byte, workers int) answer {
	p, err := sandbox.Prepare(context.Background(), wasm, ".", workers)
	a := answer{PeakBytes: peakBytes()}
	var refused *sandbox.ModuleError
	switch {
	case errors.As(err, &refused):
		a.Refused = refused
	case err != nil:
		a.Failed = err.Error()
	default:
		a.Prepared = &p
	}
	return a
}

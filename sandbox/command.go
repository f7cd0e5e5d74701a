package sandbox

import (
	"bytes"
	"errors"

	"github.com/lambent-host/lambent/abi"
	"github.com/lambent-host/lambent/sandbox/meter"
)

// errResponseLimit is what a command's write to its standard output gets past
// the response limit.
var errResponseLimit = errors.New("response limit reached")

// responseWriter is a command's standard output.
type responseWriter struct{ c *call }

// Write appends to the response, or nothing when that would exceed the limit.
func (w responseWriter) Write(p []byte) (int, error) {
	if w.c.tooLarge || len(w.c.response)+len(p) > w.c.limit {
		w.c.tooLarge = true
		return 0, errResponseLimit
	}
	w.c.response = append(w.c.response, p...)
	w.c.answers()
	return len(p), nil
}

// runCommand instantiates the module anew and runs it to its end: the event on
// standard input, the response on standard output.
func (i *Instance) runCommand(c *call) (Result, error) {
	i.space = newSpace(i.module.maxMemory())
	defer i.space.free()
	s := &seat{module: i.module, sitter: i}
	if err := s.instantiate(c.parent, s.moduleConfig().WithStdin(bytes.NewReader(c.inv.Event)).WithStdout(responseWriter{c})); err != nil {
		i.state = stateFaulted
		return Result{}, c.fault(err)
	}
	defer func() { _ = s.close(c.parent) }()
	var fault *Fault
	for _, name := range []string{meter.ExportStart, abi.ExportStart} {
		f := s.mod.ExportedFunction(name)
		if f == nil {
			continue
		}
		if fault = i.run(c, s, f, nil); fault != nil {
			break
		}
	}
	if fault != nil && fault.Kind == FaultExit && fault.ExitCode == 0 {
		i.state = stateReady // the usual end of a command
		fault = nil
	}
	if len(c.response) == 0 {
		c.response = []byte("null")
	}
	return i.result(c, fault)
}

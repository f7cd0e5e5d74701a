package guest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"runtime"
)

// Handler answers one event. An error is reported as a function error whose
// errorType is the name of the error's Go type. A handler that answered through
// [FromContext], to choose another type for one, returns what it likes.
type Handler func(ctx context.Context, event []byte) ([]byte, error)

type invocationKey struct{}

// FromContext returns the invocation that a handler's context belongs to.
func FromContext(ctx context.Context) (*Invocation, bool) {
	inv, ok := ctx.Value(invocationKey{}).(*Invocation)
	return inv, ok
}

// Serve answers invocations with handler, one after the other, and does not
// return. The handler's context ends at the invocation's deadline. A panic is
// reported with its stack and then ends the program with status 1, so that the
// next invocation finds a fresh one; without a host it says so and exits too.
func Serve(handler Handler) {
	for {
		inv, err := Next()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if !inv.serve(handler) {
			os.Exit(1)
		}
	}
}

// serve reports whether the program may go on.
func (i *Invocation) serve(handler Handler) (healthy bool) {
	ctx, cancel := context.WithDeadline(context.Background(), i.Deadline())
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			healthy = false
			i.log(i.FailDocument(panicDocument(v)))
		}
	}()
	response, err := handler(context.WithValue(ctx, invocationKey{}, i), i.event)
	switch {
	case i.answered: // by the handler itself, which may call Fail
	case err != nil:
		i.log(i.Fail(typeName(err), err.Error()))
	default:
		i.log(i.Respond(response))
	}
	return true
}

// log writes what went wrong with an answer where a person can find it; the
// host knows already.
func (i *Invocation) log(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// frame is a line of a stackTrace, in the shape of Lambda's Go runtime.
type frame struct {
	Path  string `json:"path"`
	Line  int    `json:"line"`
	Label string `json:"label"`
}

// panicDocument is the error document of a panic with value v. It must be
// called from the deferred function that recovered it.
func panicDocument(v interface{}) []byte {
	const maxFrames, ownFrames = 32, 3 // Callers, this function, the deferred one
	pcs := make([]uintptr, maxFrames)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(ownFrames, pcs)])
	stack := []frame{}
	for {
		f, more := frames.Next()
		stack = append(stack, frame{Path: f.File, Line: f.Line, Label: f.Function})
		if !more {
			break
		}
	}
	document, err := json.Marshal(map[string]interface{}{
		"errorMessage": fmt.Sprint(v),
		"errorType":    typeName(v),
		"stackTrace":   stack,
	})
	if err != nil { // strings and numbers: cannot happen
		return []byte(`{"errorMessage":"panic","errorType":"Runtime.Unknown"}`)
	}
	return document
}

// typeName names the type of v as Lambda's Go runtime does: without package,
// without pointer.
func typeName(v interface{}) string {
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}

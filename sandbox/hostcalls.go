package sandbox

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/lambent-host/lambent/abi"
)

// A hostcall is one import of abi.Module. It reads its arguments from the stack
// and returns what the guest gets.
type hostcall func(c *call, mem api.Memory, stack []uint64) int64

// abiBuilder defines the imports of abi.Module.
func abiBuilder(rt wazero.Runtime) wazero.HostModuleBuilder {
	b := rt.NewHostModuleBuilder(abi.Module)
	const i32, i64 = api.ValueTypeI32, api.ValueTypeI64
	define := func(name string, params int, result api.ValueType, f hostcall) {
		types := make([]api.ValueType, params)
		for i := range types {
			types[i] = i32
		}
		b = b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(
			func(ctx context.Context, mod api.Module, stack []uint64) {
				c := ctx.(*call)
				c.checkpoint() // what the host does for a guest takes no fuel
				v := f(c, mod.Memory(), stack)
				if result == i32 {
					v = int64(uint32(int32(v)))
				}
				stack[0] = uint64(v)
			}), types, []api.ValueType{result}).Export(name)
	}
	define(abi.ImportEventRead, 3, i32, eventRead)
	define(abi.ImportResponseWrite, 2, i32, responseWrite)
	define(abi.ImportFail, 4, i32, fail)
	define(abi.ImportFailDocument, 2, i32, failDocument)
	define(abi.ImportContextRead, 3, i32, contextRead)
	define(abi.ImportDeadline, 0, i64, deadline)
	define(abi.ImportHTTPSend, 4, i32, httpSend)
	define(abi.ImportHTTPRead, 4, i32, httpRead)
	return b
}

func read(mem api.Memory, ptr, length uint64) ([]byte, bool) {
	if mem == nil {
		return nil, false
	}
	return mem.Read(uint32(ptr), uint32(length))
}

func eventRead(c *call, mem api.Memory, stack []uint64) int64 {
	if c.inv == nil {
		return abi.ErrState
	}
	to, ok := read(mem, stack[0], stack[1])
	if !ok {
		return abi.ErrFault
	}
	offset := int(uint32(stack[2]))
	if offset >= len(c.inv.Event) {
		return 0
	}
	return int64(copy(to, c.inv.Event[offset:]))
}

func responseWrite(c *call, mem api.Memory, stack []uint64) int64 {
	if c.inv == nil || c.failure != nil {
		return abi.ErrState
	}
	from, ok := read(mem, stack[0], stack[1])
	if !ok {
		return abi.ErrFault
	}
	c.answers()
	if c.tooLarge || len(c.response)+len(from) > c.limit {
		c.tooLarge = true
		return abi.ErrTooLarge
	}
	c.response = append(c.response, from...)
	return 0
}

func fail(c *call, mem api.Memory, stack []uint64) int64 {
	if c.failure != nil {
		return abi.ErrState
	}
	typ, ok := read(mem, stack[0], stack[1])
	message, ok2 := read(mem, stack[2], stack[3])
	if !ok || !ok2 {
		return abi.ErrFault
	}
	if len(typ)+len(message) > c.limit {
		c.tooLarge = true
		return abi.ErrTooLarge
	}
	c.failure = newFunctionError(string(typ), string(message))
	c.answers()
	return 0
}

// newFunctionError writes the error document of Lambda's Runtime API.
func newFunctionError(typ, message string) *FunctionError {
	document, _ := json.Marshal(struct { // strings cannot fail
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}{message, typ})
	return &FunctionError{Type: typ, Document: document}
}

func failDocument(c *call, mem api.Memory, stack []uint64) int64 {
	if c.failure != nil {
		return abi.ErrState
	}
	from, ok := read(mem, stack[0], stack[1])
	if !ok {
		return abi.ErrFault
	}
	if len(from) > c.limit {
		c.tooLarge = true
		return abi.ErrTooLarge
	}
	fields := map[string]json.RawMessage{}
	if json.Unmarshal(from, &fields) != nil || fields == nil {
		return abi.ErrInvalid
	}
	var typ string
	_ = json.Unmarshal(fields["errorType"], &typ) // absent or not a string: no type
	c.failure = &FunctionError{Type: typ, Document: append([]byte(nil), from...)}
	c.answers()
	return 0
}

func contextRead(c *call, mem api.Memory, stack []uint64) int64 {
	if c.inv == nil {
		return abi.ErrState
	}
	var value string
	switch uint32(stack[0]) {
	case abi.FieldRequestID:
		value = c.inv.RequestID
	case abi.FieldFunctionARN:
		value = c.inv.FunctionARN
	case abi.FieldTraceID:
		value = c.inv.TraceID
	case abi.FieldClientContext:
		value = c.inv.ClientContext
	case abi.FieldCognitoIdentity:
		value = c.inv.CognitoIdentity
	default:
		return abi.ErrInvalid
	}
	to, ok := read(mem, stack[1], stack[2])
	if !ok {
		return abi.ErrFault
	}
	if len(value) <= len(to) {
		copy(to, value)
	}
	return int64(len(value))
}

func deadline(c *call, _ api.Memory, _ []uint64) int64 {
	if c.inv == nil || c.inv.Deadline.IsZero() {
		return 0
	}
	return c.inv.Deadline.UnixMilli()
}

func exitMessage(code uint32) string { return fmt.Sprintf("exit status %d", code) }

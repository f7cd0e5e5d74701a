package sandbox

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// stringTable is arguments or environment variables as WASI preview 1 hands them
// to a guest: one after the other with a zero byte after each.
type stringTable struct {
	text    []byte
	offsets []uint32
}

func newStringTable(list []string) (t stringTable) {
	for _, s := range list {
		t.offsets = append(t.offsets, uint32(len(t.text)))
		t.text = append(append(t.text, s...), 0)
	}
	return t
}

// The two errors of WASI preview 1 that can occur.
const (
	wasiSuccess = 0
	wasiFault   = 21
)

// sizes is args_sizes_get and environ_sizes_get.
func (t *stringTable) sizes(mem api.Memory, stack []uint64) {
	if mem != nil && mem.WriteUint32Le(uint32(stack[0]), uint32(len(t.offsets))) && mem.WriteUint32Le(uint32(stack[1]), uint32(len(t.text))) {
		stack[0] = wasiSuccess
		return
	}
	stack[0] = wasiFault
}

// get is args_get and environ_get: pointers, then the text.
func (t *stringTable) get(mem api.Memory, stack []uint64) {
	pointers, text := uint32(stack[0]), uint32(stack[1])
	stack[0] = wasiFault
	if mem == nil {
		return
	}
	if _, ok := mem.Read(pointers, 4*uint32(len(t.offsets))); !ok || !mem.Write(text, t.text) {
		return
	}
	for n, offset := range t.offsets {
		mem.WriteUint32Le(pointers+4*uint32(n), text+offset)
	}
	stack[0] = wasiSuccess
}

// exportStrings defines the four functions in place of wazero's, which have the
// strings of the seat and not of the instance.
func exportStrings(b wazero.HostModuleBuilder) {
	type function = func(*stringTable, api.Memory, []uint64)
	for name, f := range map[string]struct {
		of  func(*surroundings) *stringTable
		run function
	}{
		"args_sizes_get":    {func(s *surroundings) *stringTable { return &s.args }, (*stringTable).sizes},
		"args_get":          {func(s *surroundings) *stringTable { return &s.args }, (*stringTable).get},
		"environ_sizes_get": {func(s *surroundings) *stringTable { return &s.env }, (*stringTable).sizes},
		"environ_get":       {func(s *surroundings) *stringTable { return &s.env }, (*stringTable).get},
	} {
		i32 := api.ValueTypeI32
		b = b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(ctx context.Context, mod api.Module, stack []uint64) {
			f.run(f.of(&ctx.(*call).instance.files), mod.Memory(), stack)
		}), []api.ValueType{i32, i32}, []api.ValueType{i32}).Export(name)
	}
}

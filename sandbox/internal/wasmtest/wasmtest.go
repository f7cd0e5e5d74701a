// Package wasmtest assembles small WebAssembly modules for tests from a text of
// one instruction after the other, so that what a test runs can be read in it.
// It knows only what the tests of package sandbox need and panics on anything
// else.
package wasmtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Module is a module in the making. Functions are numbered in the order of the
// calls of Import and Func; imports come first.
type Module struct {
	types   []string
	imports []string // encoded
	funcs   []int    // type of each
	bodies  [][]byte
	exports []string
	tables  []string
	globals []string
	memory  string
	start   []byte
	elems   []string
	data    []string
	names   []string
}

// kinds maps the letters of a signature to value types.
var kinds = map[byte]byte{'i': 0x7f, 'l': 0x7e, 'f': 0x7d, 'd': 0x7c, 'v': 0x7b, 'F': 0x70, 'E': 0x6f}

// Type returns the index of a function type, written "il>d": parameters and
// results by letter: i32 i, i64 l, f32 f, f64 d, v128 v, funcref F, externref E.
func (m *Module) Type(sig string) int {
	params, results, ok := bytes.Cut([]byte(sig), []byte(">"))
	if !ok {
		panic("signature without >: " + sig)
	}
	t := []byte{0x60}
	for _, side := range [][]byte{params, results} {
		t = append(t, byte(len(side)))
		for _, c := range side {
			t = append(t, kinds[c])
		}
	}
	for i, have := range m.types {
		if have == string(t) {
			return i
		}
	}
	m.types = append(m.types, string(t))
	return len(m.types) - 1
}

// Import imports a function and returns its index.
func (m *Module) Import(module, name, sig string) int {
	if len(m.bodies) > 0 {
		panic("import behind a function")
	}
	m.imports = append(m.imports, str(module)+str(name)+"\x00"+u(m.Type(sig)))
	m.names = append(m.names, module+"."+name)
	return len(m.imports) - 1
}

// Func adds a function with locals by letter, and returns its index. A name
// that is not empty is exported. The closing end is added.
func (m *Module) Func(export, sig, locals, code string) int {
	index := len(m.imports) + len(m.bodies)
	body := u(len(locals))
	for i := range locals {
		body += "\x01" + string(kinds[locals[i]])
	}
	m.funcs = append(m.funcs, m.Type(sig))
	m.bodies = append(m.bodies, nil)
	m.bodies[len(m.bodies)-1] = append([]byte(body), append(m.Assemble(code), 0x0b)...)
	m.names = append(m.names, fmt.Sprintf("f%d_%s", index, export))
	if export != "" {
		m.Export(export, 0, index)
	}
	return index
}

// Raw adds a function whose body is given as bytes, the locals included.
func (m *Module) Raw(export, sig string, body []byte) int {
	index := len(m.imports) + len(m.bodies)
	m.funcs = append(m.funcs, m.Type(sig))
	m.bodies = append(m.bodies, body)
	m.Export(export, 0, index)
	return index
}

// Export exports an index of kind 0 function, 1 table, 2 memory, 3 global.
func (m *Module) Export(name string, kind, index int) {
	m.exports = append(m.exports, str(name)+string(byte(kind))+u(index))
}

// Memory defines the memory, in pages, and exports it; maximum -1: none.
func (m *Module) Memory(minimum, maximum int) *Module {
	m.memory = limits(minimum, maximum)
	m.Export("memory", 2, 0)
	return m
}

// Table adds a table of funcref (F) or externref (E).
func (m *Module) Table(kind byte, minimum, maximum int) int {
	m.tables = append(m.tables, string(kinds[kind])+limits(minimum, maximum))
	return len(m.tables) - 1
}

// Global adds a mutable global with a constant expression for its value.
func (m *Module) Global(kind byte, value string) int {
	m.globals = append(m.globals, string(kinds[kind])+"\x01"+string(m.Assemble(value))+"\x0b")
	return len(m.globals) - 1
}

// Start makes a function the start function.
func (m *Module) Start(index int) { m.start = []byte(u(index)) }

// Elem adds an active segment of table 0 at an offset.
func (m *Module) Elem(offset int, functions ...int) {
	s := "\x00" + string(m.Assemble(fmt.Sprintf("i32.const %d", offset))) + "\x0b" + u(len(functions))
	for _, f := range functions {
		s += u(f)
	}
	m.elems = append(m.elems, s)
}

// RawElem adds an element segment as bytes.
func (m *Module) RawElem(segment string) { m.elems = append(m.elems, segment) }

// Data adds an active segment at an offset; a negative offset: a passive one.
func (m *Module) Data(offset int, content []byte) {
	head := "\x01"
	if offset >= 0 {
		head = "\x00" + string(m.Assemble(fmt.Sprintf("i32.const %d", offset))) + "\x0b"
	}
	m.data = append(m.data, head+str(string(content)))
}

// Bytes is the module in the binary format.
func (m *Module) Bytes() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	section := func(id byte, items []string) {
		if len(items) == 0 {
			return
		}
		content := u(len(items))
		for _, s := range items {
			content += s
		}
		out = append(append(out, id), str(content)...)
	}
	section(1, m.types)
	section(2, m.imports)
	var funcs, bodies []string
	for i, t := range m.funcs {
		funcs = append(funcs, u(t))
		bodies = append(bodies, str(string(m.bodies[i])))
	}
	section(3, funcs)
	section(4, m.tables)
	if m.memory != "" {
		section(5, []string{m.memory})
	}
	section(6, m.globals)
	section(7, m.exports)
	if m.start != nil {
		out = append(append(out, 8), str(string(m.start))...)
	}
	section(9, m.elems)
	if len(m.data) > 0 {
		out = append(append(out, 12), str(u(len(m.data)))...)
	}
	section(10, bodies)
	section(11, m.data)
	return append(append(out, 0), str(m.nameSection())...)
}

func (m *Module) nameSection() string {
	list := u(len(m.names))
	for i, n := range m.names {
		list += u(i) + str(n)
	}
	return str("name") + "\x01" + str(list)
}

func limits(minimum, maximum int) string {
	if maximum < 0 {
		return "\x00" + u(minimum)
	}
	return "\x01" + u(minimum) + u(maximum)
}

func u(n int) string      { return string(binary.AppendUvarint(nil, uint64(n))) }
func str(s string) string { return u(len(s)) + s }

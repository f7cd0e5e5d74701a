package meter

import (
	"bytes"
	"fmt"
)

// Section ids of the binary format (WebAssembly Core Specification 2.0, 5.5).
const (
	secCustom = iota
	secType
	secImport
	secFunction
	secTable
	secMemory
	secGlobal
	secExport
	secStart
	secElement
	secCode
	secData
	secDataCount
)

var sectionNames = [...]string{"custom", "type", "import", "function", "table", "memory",
	"global", "export", "start", "element", "code", "data", "data count"}

// Kinds of an import or export.
const (
	kindFunc = iota
	kindTable
	kindMemory
	kindGlobal
)

var kindNames = [...]string{"function", "table", "memory", "global"}

// Value types that occur on the border of a module.
const (
	typeI32 = 0x7f
	typeI64 = 0x7e
	typeF64 = 0x7c
)

var magic = []byte("\x00asm\x01\x00\x00\x00")

// module is a parsed binary. Its slices point into the input.
type module struct {
	limits  Limits
	raw     [secDataCount + 1][]byte // content by section id; nil: absent
	present [secDataCount + 1]bool

	types     []funcType
	imports   []importEntry
	imported  [4]uint32 // imports by kind
	functions []uint32  // type of each defined function
	tables    []tableType
	memory    *memoryType // imported or defined
	globals   uint32      // defined ones
	mutable   []global    // of those, the ones that can change
	exports   []exportEntry
	start     uint32
	bodies    []body
	segments  []uint32 // length of each data segment
	names     []byte   // content of the name section, after its name
}

type funcType struct{ params, results []byte }

type importEntry struct {
	module, name string
	kind         byte
	typ          uint32 // of a function
	raw          []byte // as it stands in the section
}

// global is a mutable one: its index, imports included, and its type.
type global struct {
	index uint32
	typ   byte
}

type exportEntry struct {
	name  string
	kind  byte
	index uint32
}

type tableType struct {
	elem     byte
	min, max uint32
	hasMax   bool
}

type memoryType struct{ min uint32 }

// body is a function's code: the groups of locals as they stand, and the
// instructions with the closing end.
type body struct {
	groups     uint32
	groupBytes []byte
	locals     uint32
	code       []byte
}

// parse reads everything but the instructions, in order, and holds the limits
// before it allocates for what they bound.
func parse(wasm []byte, limits Limits) (*module, error) {
	m := &module{limits: limits.withDefaults()}
	if !bytes.HasPrefix(wasm, magic[:4]) {
		return nil, refuse("header", "this is not a WebAssembly module (it does not begin with \\0asm)")
	}
	if !bytes.HasPrefix(wasm, magic) {
		return nil, refuse("header", "the version is not 1; components and other layers are not modules")
	}
	if err := m.split(wasm[len(magic):]); err != nil {
		return nil, err
	}
	steps := []struct {
		id   int
		read func(*reader) error
	}{
		{secType, m.readTypes}, {secImport, m.readImports}, {secFunction, m.readFunctions},
		{secTable, m.readTables}, {secMemory, m.readMemory}, {secGlobal, m.readGlobals},
		{secExport, m.readExports}, {secStart, m.readStart}, {secElement, m.readElements},
		{secCode, m.readCode}, {secData, m.readData},
	}
	for _, s := range steps {
		if !m.present[s.id] {
			continue
		}
		r := &reader{b: m.raw[s.id]}
		err := s.read(r)
		switch {
		case r.err != nil:
			return nil, refuse(sectionNames[s.id], "%s", r.err)
		case err != nil:
			return nil, err
		case r.left() != 0:
			return nil, refuse(sectionNames[s.id], "%d bytes follow its last entry", r.left())
		}
	}
	if len(m.bodies) != len(m.functions) {
		return nil, refuse("code", "%d bodies for %d functions", len(m.bodies), len(m.functions))
	}
	return m, nil
}

// split finds the sections. Their order is left to the validator.
func (m *module) split(b []byte) error {
	r := &reader{b: b}
	for r.left() > 0 {
		id := r.byte()
		content := r.take(r.u32())
		if r.err != nil {
			return refuse(sectionName(id), "%s", r.err)
		}
		if int(id) >= len(sectionNames) {
			return refuse(sectionName(id), "unknown, or of a proposal that is not enabled")
		}
		if id == secCustom {
			c := &reader{b: content}
			if name := c.name(); name == "name" && c.err == nil {
				m.names = content[c.p:]
			}
			continue
		}
		if m.present[id] {
			return refuse(sectionNames[id], "occurs twice")
		}
		m.present[id], m.raw[id] = true, content
	}
	return nil
}

func sectionName(id byte) string {
	if int(id) < len(sectionNames) {
		return sectionNames[id]
	}
	return fmt.Sprintf("number %d", id)
}

// count reads a vector's length and holds it against the limit and against the
// bytes that are left, of which each item takes at least one.
func (m *module) count(r *reader, section string, limit uint32) (int, error) {
	n := r.u32()
	if n > limit {
		return 0, refuse(section, "%d entries, the limit is %d", n, limit)
	}
	if uint64(n) > uint64(r.left()) && r.err == nil {
		return 0, refuse(section, "%d entries in %d bytes", n, r.left())
	}
	return int(n), nil
}

package meter

import "strconv"

// What a guest is between two calls is its memory and its mutable globals, if
// nothing else of it has changed. So that whoever copies a guest can read and
// write the globals, they are exported; and what else can change sets a flag in
// front of the instruction that changes it.

// ExportTouched is the export of an i32 global that is not zero when there is more
// to the guest than its memory and the globals under [ExportGlobal]: an
// instruction has changed a table or dropped a segment, or the module has mutable
// globals that are not exported.
const ExportTouched = ImportModule + ".touched"

// ExportGlobal is the export of the mutable global number i. The numbers are
// without gaps.
func ExportGlobal(i int) string { return ImportModule + ".global." + strconv.Itoa(i) }

// maxKept is how many mutable globals are exported at most. Compilers make a
// handful.
const maxKept = 256

// kept tells whether all mutable globals are exported: they are few, and of
// types that fit into 64 bits and are not references.
func (m *module) kept() bool {
	for _, g := range m.mutable {
		if g.typ < typeF64 || g.typ > typeI32 {
			return false
		}
	}
	return len(m.mutable) <= maxKept
}

func (m *module) keptGlobals() []global {
	if !m.kept() {
		return nil
	}
	return m.mutable
}

// touches notes that the instruction at an offset changes what is not kept.
func (f *function) touches(at int) {
	f.edits = append(f.edits, edit{from: at, to: at, kind: editTouch})
}

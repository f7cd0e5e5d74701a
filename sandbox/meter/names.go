package meter

import "unicode/utf8"

// Subsections of the name section.
const (
	namesModule    = 0
	namesFunctions = 1
)

// nameSection keeps the function names, which stack traces show, under their
// new indices, and names what was added. A malformed name section loses its
// names; it is no reason to refuse a module.
func (rw *rewriter) nameSection() []byte {
	names := readFunctionNames(rw.m.names)
	var list []byte
	n := uint32(0)
	add := func(index uint32, name []byte) {
		list = appendBytes(appendU32(list, index), name)
		n++
	}
	imported := rw.m.imported[kindFunc]
	i := 0
	for ; i < len(names) && names[i].index < imported; i++ {
		add(names[i].index, names[i].name)
	}
	add(rw.yield, []byte(ImportModule+"."+ImportYield))
	add(rw.refused, []byte(ImportModule+"."+ImportRefused))
	for ; i < len(names) && names[i].index < imported+uint32(len(rw.m.functions)); i++ {
		add(names[i].index+addedImports, names[i].name)
	}
	for k, key := range rw.routines {
		add(rw.firstRoutine+uint32(k), []byte(ImportModule+"."+routineNames[key.kind]))
	}
	return appendBytes([]byte{namesFunctions}, append(appendU32(nil, n), list...))
}

type functionName struct {
	index uint32
	name  []byte
}

// readFunctionNames returns the names in ascending order of their index, or nil
// if they are not well formed.
func readFunctionNames(section []byte) []functionName {
	r := &reader{b: section}
	for r.left() > 0 {
		id := r.byte()
		sub := r.take(r.u32())
		if r.err != nil {
			return nil
		}
		if id == namesFunctions {
			return readNameMap(sub)
		}
	}
	return nil
}

func readNameMap(b []byte) []functionName {
	r := &reader{b: b}
	n := r.u32()
	if uint64(n)*2 > uint64(r.left()) {
		return nil
	}
	names := make([]functionName, 0, n)
	last := int64(-1)
	for range n {
		e := functionName{index: r.u32()}
		e.name = r.take(r.u32())
		if r.err != nil || int64(e.index) <= last || !utf8.Valid(e.name) {
			return nil
		}
		last = int64(e.index)
		names = append(names, e)
	}
	return names
}

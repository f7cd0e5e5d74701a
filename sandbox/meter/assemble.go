package meter

// assemble writes the new module section by section in the order of the binary
// format.
func (rw *rewriter) assemble(sizeHint int) ([]byte, error) {
	m := rw.m
	elements, err := rw.elementSection()
	if err != nil {
		return nil, err
	}
	globals, err := rw.globalSection()
	if err != nil {
		return nil, err
	}
	data := rw.dataSegments()
	out := make([]byte, 0, sizeHint+len(rw.code)/4)
	out = append(out, magic...)
	section := func(id byte, content []byte) {
		out = appendBytes(append(out, id), content)
	}
	section(secType, rw.typeSection())
	section(secImport, rw.importSection())
	if n := len(m.functions) + len(rw.routines); n > 0 {
		section(secFunction, rw.functionSection())
	}
	if n := m.tables[m.imported[kindTable]:]; len(n) > 0 {
		section(secTable, tableSection(n))
	}
	if m.present[secMemory] {
		section(secMemory, m.raw[secMemory])
	}
	section(secGlobal, globals)
	section(secExport, rw.exportSection())
	if m.present[secElement] {
		section(secElement, elements)
	}
	if m.present[secDataCount] {
		section(secDataCount, data.count)
	}
	if n := len(m.functions) + len(rw.routines); n > 0 {
		section(secCode, rw.codeSection(n))
	}
	if m.present[secData] {
		section(secData, data.content)
	}
	section(secCustom, append(appendName(nil, "name"), rw.nameSection()...))
	return out, nil
}

// Types that are added behind the module's own.
const (
	addedYield = iota
	addedRefused
	addedRange
	addedUnary
	addedTypes
)

func (rw *rewriter) addedType(i int) uint32 { return uint32(len(rw.m.types) + i) }

func (rw *rewriter) typeSection() []byte {
	r := &reader{b: rw.m.raw[secType]}
	r.u32()
	out := appendU32(nil, uint32(len(rw.m.types)+addedTypes))
	out = append(out, r.b[r.p:]...)
	out = append(out, 0x60, 0, 1, typeI64)
	out = append(out, 0x60, 1, typeI32, 0)
	out = append(out, 0x60, 3, typeI32, typeI32, typeI32, 0)
	return append(out, 0x60, 1, typeI32, 1, typeI32)
}

func (rw *rewriter) importSection() []byte {
	out := appendU32(nil, uint32(len(rw.m.imports)+addedImports))
	for i := range rw.m.imports {
		out = append(out, rw.m.imports[i].raw...)
	}
	for i, name := range []string{ImportYield, ImportRefused} {
		out = appendName(appendName(out, ImportModule), name)
		out = appendU32(append(out, kindFunc), rw.addedType(addedYield+i))
	}
	return out
}

func (rw *rewriter) functionSection() []byte {
	out := appendU32(nil, uint32(len(rw.m.functions)+len(rw.routines)))
	for _, t := range rw.m.functions {
		out = appendU32(out, t)
	}
	for _, key := range rw.routines {
		out = appendU32(out, rw.addedType(addedRange+key.kind.signature()))
	}
	return out
}

func tableSection(tables []tableType) []byte {
	out := appendU32(nil, uint32(len(tables)))
	for _, t := range tables {
		out = appendU32(append(out, t.elem, 1), t.min)
		out = appendU32(out, t.max)
	}
	return out
}

// globalSection copies the globals, whose initial values may name functions,
// and adds two. The fuel starts at zero: the first charge asks the host. Touched
// starts at one where the exported globals are not all there is to keep.
func (rw *rewriter) globalSection() ([]byte, error) {
	out := appendU32(nil, rw.m.globals+2)
	r := &reader{b: rw.m.raw[secGlobal]}
	r.u32()
	var err error
	for range rw.m.globals {
		out = append(out, r.take(2)...)
		if out, err = copyConstExpr(r, out, rw.m.imported[kindFunc], addedImports, "global"); err != nil {
			return nil, err
		}
	}
	out = append(out, typeI64, 1, opI64Const, 0, opEnd)
	var touched byte
	if !rw.m.kept() {
		touched = 1
	}
	return append(out, typeI32, 1, opI32Const, touched, opEnd), nil
}

func (rw *rewriter) shift(index uint32) uint32 {
	if index >= rw.m.imported[kindFunc] {
		index += addedImports
	}
	return index
}

func (rw *rewriter) exportSection() []byte {
	m := rw.m
	kept := m.keptGlobals()
	n := uint32(len(m.exports) + 1 + len(kept))
	if m.present[secStart] {
		n++
	}
	out := appendU32(nil, n)
	for _, e := range m.exports {
		if e.kind == kindFunc {
			e.index = rw.shift(e.index)
		}
		out = appendU32(append(appendName(out, e.name), e.kind), e.index)
	}
	if m.present[secStart] {
		out = appendU32(append(appendName(out, ExportStart), kindFunc), rw.shift(m.start))
	}
	out = appendU32(append(appendName(out, ExportTouched), kindGlobal), rw.touched)
	for i, g := range kept {
		out = appendU32(append(appendName(out, ExportGlobal(i)), kindGlobal), g.index)
	}
	return out
}

func (rw *rewriter) elementSection() ([]byte, error) {
	if !rw.m.present[secElement] {
		return nil, nil
	}
	return rw.m.copyElements(&reader{b: rw.m.raw[secElement]}, nil, addedImports)
}

func (rw *rewriter) codeSection(n int) []byte {
	out := make([]byte, 0, len(rw.code)+1024)
	out = append(appendU32(out, uint32(n)), rw.code...)
	for _, key := range rw.routines {
		out = appendBytes(out, rw.routineBody(key))
	}
	return out
}

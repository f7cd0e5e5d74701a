package meter

func isValueType(c byte) bool {
	switch c {
	case 0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f: // i32 i64 f32 f64 v128 funcref externref
		return true
	}
	return false
}

func (m *module) readTypes(r *reader) error {
	n, err := m.count(r, "type", m.limits.Types)
	if err != nil {
		return err
	}
	m.types = make([]funcType, n)
	for i := range m.types {
		if form := r.byte(); form != 0x60 && r.err == nil {
			return refuse("type", "type %d is not a function type (0x%02x)", i, form)
		}
		for _, side := range []*[]byte{&m.types[i].params, &m.types[i].results} {
			k := r.u32()
			if k > m.limits.Params {
				return refuse("type", "type %d has %d parameters or results, the limit is %d", i, k, m.limits.Params)
			}
			*side = r.take(k)
			for _, c := range *side {
				if !isValueType(c) {
					return refuse("type", "type %d uses the value type 0x%02x, which is not enabled", i, c)
				}
			}
		}
	}
	return nil
}

func (m *module) readImports(r *reader) error {
	n, err := m.count(r, "import", m.limits.Imports)
	if err != nil {
		return err
	}
	m.imports = make([]importEntry, n)
	for i := range m.imports {
		e := &m.imports[i]
		from := r.p
		e.module, e.name, e.kind = r.name(), r.name(), r.byte()
		switch e.kind {
		case kindFunc:
			if e.typ = r.u32(); r.err == nil && int(e.typ) >= len(m.types) {
				return refuse("import", "%q.%q has type %d of %d", e.module, e.name, e.typ, len(m.types))
			}
		case kindTable:
			t, err := readTable(r, "import")
			if err != nil {
				return err
			}
			m.tables = append(m.tables, t)
		case kindMemory:
			if m.memory, err = readMemoryType(r, "import"); err != nil {
				return err
			}
		case kindGlobal:
			r.skip(2)
		default:
			return refuse("import", "%q.%q is of kind %d, which is not enabled", e.module, e.name, e.kind)
		}
		if r.err != nil {
			return nil //nolint:nilerr // the reader keeps its error for the caller
		}
		if e.module == ImportModule {
			return refuse("import", "module imports %q.%q, a name that the host keeps for itself", e.module, e.name)
		}
		m.imported[e.kind]++
		e.raw = r.b[from:r.p]
	}
	return nil
}

func (m *module) readFunctions(r *reader) error {
	n, err := m.count(r, "function", m.limits.Functions)
	if err != nil {
		return err
	}
	m.functions = make([]uint32, n)
	for i := range m.functions {
		if m.functions[i] = r.u32(); int(m.functions[i]) >= len(m.types) && r.err == nil {
			return refuse("function", "function %d has type %d of %d", i, m.functions[i], len(m.types))
		}
	}
	return nil
}

func readLimits(r *reader, section string) (minimum, maximum uint32, hasMax bool, err error) {
	flag := r.byte()
	if flag > 1 && r.err == nil {
		return 0, 0, false, refuse(section, "limits of kind 0x%02x (shared or 64-bit memory), which is not enabled", flag)
	}
	minimum = r.u32()
	if flag == 1 {
		maximum, hasMax = r.u32(), true
	}
	return minimum, maximum, hasMax, nil
}

func readTable(r *reader, section string) (tableType, error) {
	t := tableType{elem: r.byte()}
	if t.elem != 0x70 && t.elem != 0x6f && r.err == nil {
		return t, refuse(section, "a table of 0x%02x, which is not enabled", t.elem)
	}
	var err error
	t.min, t.max, t.hasMax, err = readLimits(r, section)
	return t, err
}

func (m *module) readTables(r *reader) error {
	n, err := m.count(r, "table", m.limits.Tables)
	if err != nil {
		return err
	}
	for range n {
		t, err := readTable(r, "table")
		if err != nil {
			return err
		}
		m.tables = append(m.tables, t)
	}
	return m.clampTables()
}

// clampTables gives each table a maximum such that all together stay within
// the limit of slots.
func (m *module) clampTables() error {
	var sum uint64
	for _, t := range m.tables {
		sum += uint64(t.min)
	}
	if sum > uint64(m.limits.TableSlots) {
		return refuse("table", "%d slots at least, the limit is %d", sum, m.limits.TableSlots)
	}
	defined := m.tables[m.imported[kindTable]:]
	if len(defined) == 0 {
		return nil
	}
	share := (m.limits.TableSlots - uint32(sum)) / uint32(len(defined))
	for i := range defined {
		t := &defined[i]
		if top := t.min + share; !t.hasMax || t.max > top {
			t.max, t.hasMax = top, true
		}
	}
	return nil
}

func readMemoryType(r *reader, section string) (*memoryType, error) {
	minimum, _, _, err := readLimits(r, section)
	return &memoryType{min: minimum}, err
}

func (m *module) readMemory(r *reader) error {
	n := r.u32()
	if n > 1 || (n == 1 && m.memory != nil) {
		return refuse("memory", "more than one memory, which is not enabled")
	}
	if n == 0 {
		return nil
	}
	var err error
	m.memory, err = readMemoryType(r, "memory")
	return err
}

func (m *module) readGlobals(r *reader) error {
	n, err := m.count(r, "global", m.limits.Globals)
	if err != nil {
		return err
	}
	m.globals = uint32(n)
	for i := range m.globals {
		if typ, mutable := r.byte(), r.byte(); mutable != 0 {
			m.mutable = append(m.mutable, global{m.imported[kindGlobal] + i, typ})
		}
		if err := skipConstExpr(r, "global"); err != nil {
			return err
		}
	}
	return nil
}

func (m *module) readExports(r *reader) error {
	n, err := m.count(r, "export", m.limits.Exports)
	if err != nil {
		return err
	}
	m.exports = make([]exportEntry, n)
	for i := range m.exports {
		e := exportEntry{name: r.name(), kind: r.byte(), index: r.u32()}
		if e.kind > kindGlobal && r.err == nil {
			return refuse("export", "%q is of kind %d, which is not enabled", e.name, e.kind)
		}
		if isReserved(e.name) {
			return refuse("export", "module exports %q, a name that the host keeps for itself", e.name)
		}
		m.exports[i] = e
	}
	return nil
}

func (m *module) readStart(r *reader) error {
	m.start = r.u32()
	return nil
}

func (m *module) readElements(r *reader) error {
	_, err := m.copyElements(r, nil, 0)
	return err
}

func (m *module) readData(r *reader) error {
	n, err := m.count(r, "data", m.limits.Data)
	if err != nil {
		return err
	}
	m.segments = make([]uint32, n)
	for i := range m.segments {
		flag := r.u32()
		if flag > 2 && r.err == nil {
			return refuse("data", "segment %d is of kind %d", i, flag)
		}
		if flag == 2 {
			r.u32()
		}
		if flag != 1 {
			if err := skipConstExpr(r, "data"); err != nil {
				return err
			}
		}
		m.segments[i] = r.u32()
		r.take(m.segments[i])
		if r.err != nil {
			return nil //nolint:nilerr // the reader keeps its error for the caller
		}
	}
	return nil
}

func (m *module) readCode(r *reader) error {
	n, err := m.count(r, "code", m.limits.Functions)
	if err != nil {
		return err
	}
	m.bodies = make([]body, n)
	var total uint64
	for i := range m.bodies {
		size := r.u32()
		if size > m.limits.FunctionBytes {
			return refuse("code", "function %d has %d bytes of code, the limit is %d", i, size, m.limits.FunctionBytes)
		}
		f := &reader{b: r.take(size)}
		if r.err != nil {
			return nil //nolint:nilerr // the reader keeps its error for the caller
		}
		if err := m.readLocals(f, i, &m.bodies[i]); err != nil {
			return err
		}
		if total += uint64(m.bodies[i].locals); total > uint64(m.limits.TotalLocals) {
			return refuse("code", "more than %d locals in all functions", m.limits.TotalLocals)
		}
	}
	return nil
}

func (m *module) readLocals(f *reader, index int, b *body) error {
	b.groups = f.u32()
	from := f.p
	var sum uint64
	for range b.groups {
		sum += uint64(f.u32())
		if c := f.byte(); f.err == nil && !isValueType(c) {
			return refuse("code", "function %d has a local of type 0x%02x, which is not enabled", index, c)
		}
		if f.err != nil {
			return refuse("code", "the locals of function %d %s", index, "end in the middle of a value")
		}
		if sum > uint64(m.limits.Locals) {
			return refuse("code", "function %d has more than %d locals", index, m.limits.Locals)
		}
	}
	if f.err != nil {
		return refuse("code", "function %d %s", index, f.err)
	}
	b.groupBytes, b.locals, b.code = f.b[from:f.p], uint32(sum), f.b[f.p:]
	return nil
}

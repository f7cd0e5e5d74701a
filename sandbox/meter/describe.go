package meter

// Description is what a module says about itself on its border.
type Description struct {
	// Imports are all imports in the order they stand in.
	Imports []Import
	// Exports are the functions, tables, memories and globals by name.
	Exports map[string]Export
	// HasMemory tells that a memory is defined (not imported), MinPages how
	// large it is at first, in pages of 64 KiB.
	HasMemory bool
	MinPages  uint32
	// HasStart tells that there is a start function.
	HasStart bool
}

// Import is one import. Signature is set for functions.
type Import struct {
	Module, Name string
	Kind         string // function, table, memory, global
	Signature    Signature
}

// Export is one export. Signature is set for functions.
type Export struct {
	Kind      string
	Signature Signature
}

// Signature is a function's type as text, for example "(i32 i32) -> i32".
type Signature string

var typeNames = map[byte]string{0x7f: "i32", 0x7e: "i64", 0x7d: "f32", 0x7c: "f64",
	0x7b: "v128", 0x70: "funcref", 0x6f: "externref"}

// MakeSignature writes a signature from value types of the binary format.
func MakeSignature(params, results []byte) Signature {
	list := func(types []byte) string {
		s := ""
		for i, t := range types {
			if i > 0 {
				s += " "
			}
			s += typeNames[t]
		}
		return s
	}
	if len(results) == 1 {
		return Signature("(" + list(params) + ") -> " + list(results))
	}
	return Signature("(" + list(params) + ") -> (" + list(results) + ")")
}

// Describe reads a module's sections, but not its instructions, within the
// limits (zero fields are defaults). Errors are *Error.
func Describe(wasm []byte, limits Limits) (Description, error) {
	m, err := parse(wasm, limits)
	if err != nil {
		return Description{}, err
	}
	d := Description{Exports: make(map[string]Export, len(m.exports)), HasStart: m.present[secStart]}
	if m.memory != nil && m.imported[kindMemory] == 0 {
		d.HasMemory, d.MinPages = true, m.memory.min
	}
	signature := func(typ uint32) Signature {
		return MakeSignature(m.types[typ].params, m.types[typ].results)
	}
	var functions []uint32 // types of the imported ones
	for _, e := range m.imports {
		i := Import{Module: e.module, Name: e.name, Kind: kindNames[e.kind]}
		if e.kind == kindFunc {
			functions = append(functions, e.typ)
			i.Signature = signature(e.typ)
		}
		d.Imports = append(d.Imports, i)
	}
	functions = append(functions, m.functions...)
	for _, e := range m.exports {
		x := Export{Kind: kindNames[e.kind]}
		if e.kind == kindFunc {
			if int(e.index) >= len(functions) {
				return Description{}, refuse("export", "%q names function %d of %d", e.name, e.index, len(functions))
			}
			x.Signature = signature(functions[e.index])
		}
		if _, twice := d.Exports[e.name]; twice {
			return Description{}, refuse("export", "%q is exported twice", e.name)
		}
		d.Exports[e.name] = x
	}
	return d, nil
}

package meter

// Limits bound what a module may declare, so that neither this package nor the
// compiler behind it allocates or works without measure. A field that is zero
// takes its value from [DefaultLimits].
type Limits struct {
	// Types, Imports, Functions, Globals, Exports, Tables, Elements and Data
	// bound the number of entries of those sections.
	Types, Imports, Functions, Globals, Exports, Tables, Elements, Data uint32
	// Params bounds the parameters of one function type, and its results.
	Params uint32
	// Locals bounds the locals of one function, TotalLocals those of all.
	Locals, TotalLocals uint32
	// FunctionBytes bounds the code of one function in bytes.
	FunctionBytes uint32
	// Nesting bounds how deep blocks may nest in a function, with those that the
	// rewriter puts around loops.
	Nesting uint32
	// LocalsTimesBlocks bounds the product of a function's locals and blocks, with
	// those: the compiler's time grows with it.
	LocalsTimesBlocks uint32
	// BranchTargets bounds the targets of one br_table.
	BranchTargets uint32
	// ElementItems bounds the items of all element segments together.
	ElementItems uint32
	// TableSlots bounds the slots of all tables together, at 8 bytes each. A
	// table that may grow is clamped to its share of what is left, so that
	// table.grow fails beyond it as it does at a declared maximum.
	TableSlots uint32
}

// DefaultLimits are far above what Go, C, CPython and Ruby modules of 3 to
// 44 MB declare, and low enough that reading a module costs memory in
// proportion to its size.
func DefaultLimits() Limits {
	return Limits{
		Types: 100_000, Imports: 10_000, Functions: 500_000, Globals: 100_000,
		Exports: 100_000, Tables: 100, Elements: 100_000, Data: 1_000_000,
		Params: 1_000, Locals: 50_000, TotalLocals: 5_000_000,
		FunctionBytes: 7_654_321, Nesting: 5_000, LocalsTimesBlocks: 3_000_000, BranchTargets: 65_520,
		ElementItems: 10_000_000, TableSlots: 1 << 20,
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	for _, f := range []struct {
		field *uint32
		value uint32
	}{
		{&l.Types, d.Types}, {&l.Imports, d.Imports}, {&l.Functions, d.Functions},
		{&l.Globals, d.Globals}, {&l.Exports, d.Exports}, {&l.Tables, d.Tables},
		{&l.Elements, d.Elements}, {&l.Data, d.Data}, {&l.Params, d.Params},
		{&l.Locals, d.Locals}, {&l.TotalLocals, d.TotalLocals},
		{&l.FunctionBytes, d.FunctionBytes}, {&l.Nesting, d.Nesting},
		{&l.LocalsTimesBlocks, d.LocalsTimesBlocks},
		{&l.BranchTargets, d.BranchTargets}, {&l.ElementItems, d.ElementItems},
		{&l.TableSlots, d.TableSlots},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return l
}

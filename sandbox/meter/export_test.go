package meter

// Bounds of the proof, for its tests.
const (
	Stretch = stretch
	Leaving = leaving
	Handed  = handed
	Silent  = silentCost
)

// ExportExecuted is the export of what [Counted] adds.
const ExportExecuted = "executed"

// Counted makes a metered module count what it executes, in units of static cost:
// each instruction, those of the meter too, adds its own to a global of i64. It
// knows nothing of charges.
func Counted(original, metered []byte) []byte {
	m, err := parse(original, Limits{})
	if err != nil {
		panic(err)
	}
	counter := m.imported[kindGlobal] + m.globals + 2 // behind fuel and flag
	out := append([]byte(nil), magic...)
	r := &reader{b: metered, p: len(magic)}
	for r.left() > 0 {
		id := r.byte()
		content := r.take(r.u32())
		section := &reader{b: content}
		switch id {
		case secGlobal, secExport:
			entries := appendU32(nil, section.u32()+1)
			entries = append(entries, content[section.p:]...)
			if id == secGlobal {
				entries = append(entries, typeI64, 1, opI64Const, 0, opEnd)
				content = entries
			} else {
				content = appendU32(append(appendName(entries, ExportExecuted), kindGlobal), counter)
			}
		case secCode:
			n := section.u32()
			content = appendU32(nil, n)
			for range n {
				content = appendBytes(content, countedBody(section.take(section.u32()), counter))
			}
		}
		out = appendBytes(append(out, id), content)
	}
	return out
}

func countedBody(code []byte, counter uint32) (out []byte) {
	r := &reader{b: code}
	for range r.u32() {
		r.u32()
		r.byte()
	}
	out = append(out, code[:r.p]...)
	for r.left() > 0 {
		at := r.p
		op := r.byte()
		if op == opMiscPrefix {
			s := &sketcher{r: *r}
			s.misc()
			r.p = s.r.p
		} else {
			skipImmediates(r, immediates[op], 1<<20)
		}
		if cost := costOf(op); cost > 0 {
			out = appendU32(append(out, opGlobalGet), counter)
			out = append(appendS64(append(out, opI64Const), cost), opI64Add)
			out = appendU32(append(out, opGlobalSet), counter)
		}
		out = append(out, code[at:r.p]...)
	}
	return out
}

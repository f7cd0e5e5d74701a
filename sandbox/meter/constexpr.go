package meter

// copyConstExpr copies a constant expression with its closing end to out,
// adding shift to the function indices of ref.func from first on. The
// operators are those of extended-const.
func copyConstExpr(r *reader, out []byte, first, shift uint32, section string) ([]byte, error) {
	for {
		from := r.p
		op := r.byte()
		switch op {
		case opEnd:
			return append(out, r.b[from:r.p]...), nil
		case opI32Const:
			r.skipSigned(5)
		case opI64Const:
			r.skipSigned(10)
		case opF32Const:
			r.skip(4)
		case opF64Const:
			r.skip(8)
		case opGlobalGet:
			r.u32()
		case opRefNull:
			if t := r.byte(); t != 0x70 && t != 0x6f && r.err == nil {
				return nil, refuse(section, "ref.null of 0x%02x, which is not enabled", t)
			}
		case opRefFunc:
			f := r.u32()
			if f >= first {
				f += shift
			}
			out = appendU32(append(out, op), f)
			from = r.p
		case opVecPrefix:
			if r.byte() != 0x0c && r.err == nil {
				return nil, refuse(section, "a constant expression uses a vector instruction other than v128.const")
			}
			r.skip(16)
		case 0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e: // add, sub, mul of i32 and i64
		default:
			if r.err == nil {
				return nil, refuse(section, "a constant expression uses the instruction 0x%02x", op)
			}
		}
		if r.err != nil {
			return nil, refuse(section, "a constant expression %s", r.err)
		}
		out = append(out, r.b[from:r.p]...)
	}
}

func skipConstExpr(r *reader, section string) error {
	_, err := copyConstExpr(r, nil, 0, 0, section)
	return err
}

// copyElements copies the element section to out with shifted function
// indices. The eight forms of a segment are bits: passive or declarative,
// explicit table index (or declarative), expressions instead of indices.
func (m *module) copyElements(r *reader, out []byte, shift uint32) ([]byte, error) {
	n, err := m.count(r, "element", m.limits.Elements)
	if err != nil {
		return nil, err
	}
	out = appendU32(out, uint32(n))
	var total uint64
	for i := range n {
		form := r.u32()
		if form > 7 && r.err == nil {
			return nil, refuse("element", "segment %d is of kind %d", i, form)
		}
		out = appendU32(out, form)
		if form&1 == 0 { // active
			if form&2 != 0 {
				out = appendU32(out, r.u32())
			}
			if out, err = copyConstExpr(r, out, m.imported[kindFunc], shift, "element"); err != nil {
				return nil, err
			}
		}
		if form&3 != 0 { // element kind or reference type
			t := r.byte()
			known := t == 0
			if form&4 != 0 {
				known = t == 0x70 || t == 0x6f
			}
			if !known && r.err == nil {
				return nil, refuse("element", "segment %d holds 0x%02x, which is not enabled", i, t)
			}
			out = append(out, t)
		}
		k := r.u32()
		if total += uint64(k); total > uint64(m.limits.ElementItems) {
			return nil, refuse("element", "more than %d items", m.limits.ElementItems)
		}
		out = appendU32(out, k)
		if out, err = m.copyItems(r, out, k, form&4 != 0, shift); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (m *module) copyItems(r *reader, out []byte, k uint32, exprs bool, shift uint32) ([]byte, error) {
	var err error
	for range k {
		if exprs {
			if out, err = copyConstExpr(r, out, m.imported[kindFunc], shift, "element"); err != nil {
				return nil, err
			}
			continue
		}
		f := r.u32()
		if f >= m.imported[kindFunc] {
			f += shift
		}
		out = appendU32(out, f)
		if r.err != nil {
			return nil, refuse("element", "%s", r.err)
		}
	}
	return out, nil
}

package meter

import (
	"cmp"
	"slices"
)

// mergeGap is how many bytes between two data segments are written as zeros to
// make one of them: Go's linker leaves out every run of zeros that is longer
// than a segment's head, which makes forty thousand segments of one program.
const mergeGap = 64

var zeros [mergeGap]byte

// segment is an active data segment at a constant offset.
type segment struct {
	offset  uint64
	content []byte
}

func (s segment) end() uint64 { return s.offset + uint64(len(s.content)) }

// dataSections are the contents of the data section and the data count section.
type dataSections struct{ content, count []byte }

// dataSegments returns few segments instead of many where that cannot be
// noticed, and the sections as they stand otherwise.
//
// It cannot be noticed when the memory is the module's own and thus zero before;
// when all segments are active, at constant offsets, within the memory's initial
// size and disjoint, so that their order and the zeros between them do not matter
// and none fails; and when no instruction names a segment by its index.
func (rw *rewriter) dataSegments() dataSections {
	m := rw.m
	raw := dataSections{m.raw[secData], m.raw[secDataCount]}
	if len(m.segments) < 2 || rw.namesData || m.memory == nil || m.imported[kindMemory] != 0 {
		return raw
	}
	list := m.constantSegments()
	if list == nil || list[len(list)-1].end() > uint64(m.memory.min)<<16 {
		return raw
	}
	merged, n := mergeSegments(list)
	if n == len(list) || len(merged) > 2*len(raw.content) { // more zeros than the heads are worth
		return raw
	}
	rw.report.Merged = len(list) - n
	count := appendU32(nil, uint32(n))
	return dataSections{append(slices.Clip(count), merged...), count}
}

// constantSegments returns all segments in ascending order, or nil if one is
// passive or at an offset that is not a constant, or if two overlap.
func (m *module) constantSegments() []segment {
	r := &reader{b: m.raw[secData]}
	list := make([]segment, r.u32())
	for i := range list {
		flag := r.u32()
		if flag == 1 || (flag == 2 && r.u32() != 0) {
			return nil
		}
		if r.byte() != opI32Const {
			return nil
		}
		list[i].offset = uint64(uint32(r.s32()))
		if r.byte() != opEnd {
			return nil
		}
		list[i].content = r.take(r.u32())
	}
	if r.err != nil {
		return nil
	}
	slices.SortStableFunc(list, func(a, b segment) int { return cmp.Compare(a.offset, b.offset) })
	for i := 1; i < len(list); i++ {
		if list[i-1].end() > list[i].offset {
			return nil
		}
	}
	return list
}

// mergeSegments writes runs of segments with small gaps as one each.
func mergeSegments(list []segment) (out []byte, n int) {
	var content []byte
	for from := 0; from < len(list); n++ {
		end := list[from].offset
		to := from
		content = content[:0]
		for ; to < len(list) && list[to].offset-end <= mergeGap; to++ {
			content = append(content, zeros[:list[to].offset-end]...)
			content = append(content, list[to].content...)
			end = list[to].end()
		}
		out = appendS64(append(out, 0, opI32Const), int64(int32(list[from].offset)))
		out = appendBytes(append(out, opEnd), content)
		from = to
	}
	return out, n
}

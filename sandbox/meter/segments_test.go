package meter_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/sandbox/internal/wasmtest"
	"github.com/lambent-host/lambent/sandbox/meter"
)

// at is an active segment at a constant offset.
func at(offset int32, content string) string {
	return "\x00\x41" + string(sleb(int64(offset))) + "\x0b" + leb(uint64(len(content))) + content
}

func sleb(v int64) []byte {
	var b []byte
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && c&0x40 == 0) || (v == -1 && c&0x40 != 0) {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// withData adds a data section (and no data count) to a module.
func withData(wasm []byte, segments ...string) []byte {
	content := leb(uint64(len(segments)))
	for _, s := range segments {
		content += s
	}
	return append(slices.Clip(wasm), "\x0b"+leb(uint64(len(content)))+content...)
}

// sameMemory holds that plain and metered, a module fails to instantiate in the
// same way or begins with the same memory.
func sameMemory(t *testing.T, wasm, metered []byte) {
	t.Helper()
	var memory [2][]byte
	var errs [2]string
	for i, w := range [][]byte{wasm, metered} {
		h := newHost(t, wazero.NewRuntimeConfigInterpreter())
		wasi_snapshot_preview1.MustInstantiate(t.Context(), h.rt)
		// 70,000 bytes, all ones: what an imported memory may hold before.
		other := &wasmtest.Module{}
		other.Memory(2, 2)
		other.Data(0, bytes.Repeat([]byte{1}, 70_000))
		own, err := h.instantiate(other.Bytes(), "other")
		if err != nil {
			t.Fatal(err)
		}
		mod, err := h.instantiate(w, "")
		errs[i] = trapOf(err)
		from := own.Memory()
		if err == nil && mod.Memory() != nil {
			from = mod.Memory()
		}
		memory[i], _ = from.Read(0, from.Size())
	}
	if errs[0] != errs[1] || !bytes.Equal(memory[0], memory[1]) {
		t.Errorf("plain: %s, metered: %s; same memory: %t", errs[0], errs[1], bytes.Equal(memory[0], memory[1]))
	}
}

// oneFunction is a module with a memory of two pages and a function.
func oneFunction(code string) []byte {
	m := &wasmtest.Module{}
	m.Memory(2, 3)
	m.Func("run", ">", "", code)
	return m.Bytes()
}

func TestSegmentsAreMergedWhereNothingChanges(t *testing.T) {
	plain := oneFunction("nop")
	counted := &wasmtest.Module{}
	counted.Memory(1, 1)
	counted.Func("run", ">", "", "nop")
	names := &wasmtest.Module{}
	names.Memory(1, 1)
	names.Func("run", ">", "", "i32.const 0 i32.const 0 i32.const 0 memory.init 1 data.drop 0")
	drops := &wasmtest.Module{}
	drops.Memory(1, 1)
	drops.Func("run", ">", "", "data.drop 1")
	passive := &wasmtest.Module{}
	passive.Memory(1, 1)
	passive.Func("run", ">", "", "nop")
	for _, m := range []*wasmtest.Module{counted, names, drops, passive} {
		m.Data(8, []byte("abc"))
		m.Data(11, []byte("def"))
	}
	passive.Data(-1, []byte("\x0e\x0b\x3e"+strings.Repeat("g", 62))) // as an active one: 62 bytes at 14
	offset := &wasmtest.Module{}
	offset.Memory(2, 2)
	offset.Global('i', "i32.const 9")
	imported := []byte(header + "\x02\x11\x01\x05other\x06memory\x02\x00\x01")

	for _, c := range []struct {
		name   string
		wasm   []byte
		merged int
	}{
		{"adjacent", withData(plain, at(8, "abc"), at(11, "def"), at(14, "g")), 2},
		{"small gaps", withData(plain, at(8, "abc"), at(75, "def"), at(142, strings.Repeat("g", 100))), 2},
		{"a large gap", withData(plain, at(8, "abc"), at(10, "x"), at(11, "yz"), at(76, "def")), 0},
		{"two runs", withData(plain, at(8, "abc"), at(11, "def"), at(70000, "g"), at(70001, "h")), 2},
		{"one byte more than a small gap", withData(plain, at(8, "abc"), at(76, "def")), 0},
		{"descending", withData(plain, at(1100, "c"), at(1008, "abc"), at(1011, "def")), 1},
		{"two memory bytes in other words", withData(plain, "\x02\x00\x41\x08\x0b\x03abc", at(11, "def")), 1},
		{"overlapping", withData(plain, at(8, "abc"), at(10, "def")), 0},
		{"written twice", withData(plain, at(8, "abcdefgh"), at(16, "i"), at(8, "12345678")), 0},
		{"empty ones", withData(plain, at(8, ""), at(8, "abc"), at(11, ""), at(11, "")), 3},
		{"an empty one within another", withData(plain, at(8, "abc"), at(9, ""), at(11, "d")), 0},
		{"mostly zeros", withData(plain, at(0, ""), at(64, ""), at(128, ""), at(192, "")), 0},
		{"up to the end", withData(plain, at(131064, "abcd"), at(131068, "efgh"), at(131072, "")), 2},
		{"one byte beyond the end", withData(plain, at(131064, "abcd"), at(131068, "efghi")), 0},
		{"an empty one beyond the end", withData(plain, at(8, "abc"), at(11, "d"), at(131073, "")), 0},
		{"beyond two gigabytes", withData(plain, at(8, "abc"), at(11, "d"), at(-4, "abc")), 0},
		{"with a data count", counted.Bytes(), 1},
		{"memory.init", names.Bytes(), 0},
		{"data.drop", drops.Bytes(), 0},
		{"a passive one", passive.Bytes(), 0},
		{"an offset that is a sum", withData(plain, at(8, "abc"), at(11, "de"), "\x00\x41\x0d\x41\x03\x6a\x0b\x00"), 0},
		{"an imported memory", withData(imported, at(8, "abc"), at(20, "def")), 0},
		{"an imported memory and a failure", withData(imported, at(8, "abc"), at(20, "def"), at(131071, "gh")), 0},
		{"no segments", withData(plain), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := valid(c.wasm); err != nil {
				t.Fatalf("the test's module is not valid: %v", err)
			}
			out, report, err := meter.Rewrite(c.wasm, meter.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if report.Merged != c.merged {
				t.Errorf("%d segments less, want %d", report.Merged, c.merged)
			}
			sameMemory(t, c.wasm, out)
		})
	}
}

// Random segments, disjoint or not, in bounds or not.
func TestMergingSegmentsAtRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	merged := 0
	for range 300 {
		var segments []string
		offset := rnd.IntN(130_000)
		for range 1 + rnd.IntN(12) {
			content := make([]byte, rnd.IntN(40))
			for i := range content {
				content[i] = byte(rnd.Uint32())
			}
			segments = append(segments, at(int32(offset), string(content)))
			offset = max(0, offset+len(content)+rnd.IntN(90)-rnd.IntN(8))
		}
		if rnd.IntN(3) == 0 {
			rnd.Shuffle(len(segments), func(i, j int) { segments[i], segments[j] = segments[j], segments[i] })
		}
		wasm := withData(oneFunction("nop"), segments...)
		out, report, err := meter.Rewrite(wasm, meter.Options{})
		if err != nil {
			t.Fatal(err)
		}
		merged += report.Merged
		sameMemory(t, wasm, out)
	}
	if merged < 100 {
		t.Errorf("only %d segments were merged", merged)
	}
}

func TestGoGuestsBeginWithTheSameMemory(t *testing.T) {
	guests := map[string][]byte{"stdio": gobuildtest.Function(t, "stdio")}
	var err error
	if guests["kernels"], err = kernels(); err != nil {
		t.Fatal(err)
	}
	for name, wasm := range guests {
		t.Run(name, func(t *testing.T) {
			out, report, err := meter.Rewrite(wasm, meter.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if report.Merged < 10_000 {
				t.Errorf("%d segments less", report.Merged)
			}
			sameMemory(t, wasm, out)
		})
	}
}

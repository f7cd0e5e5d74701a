package meter_test

import (
	"fmt"
	"strings"

	"github.com/lambent-host/lambent/sandbox/internal/wasmtest"
)

// generator makes valid programs out of bytes: nested blocks and loops, branches
// and tables, direct, indirect and tail calls, recursion, and loops around a jump
// table as Go's compiler makes them. All end: each loop header and each entry takes
// from a global count of steps and returns when there is none left, and recursion is
// depth frames deep.
type generator struct {
	seed   []byte
	at     int
	labels []byte // of the open blocks: 'b' can be branched to, 'p' takes values
	room   int    // statements that are left
	out    strings.Builder
}

const (
	generated = 5 // functions
	depth     = 6
	steps     = 400
	// Globals: the steps that are left, and what has been computed.
	enter = "global.get 0 i32.const 1 i32.sub global.set 0 global.get 0 i32.const 1 i32.lt_s if > i64.const 1 return end "
)

// next is a number below n; without bytes it is 0.
func (g *generator) next(n int) int {
	if g.at >= len(g.seed) {
		return 0
	}
	g.at++
	return int(g.seed[g.at-1]) % n
}

// program makes a module with "run" of type i>l, where the parameter is the depth.
func generate(seed []byte) []byte {
	m := &wasmtest.Module{}
	g := &generator{seed: seed}
	sig := m.Type("i>l")
	m.Memory(1, 1)
	m.Table('F', generated, generated)
	m.Global('i', fmt.Sprintf("i32.const %d", steps))
	m.Global('l', "i64.const 1")
	var table []int
	for i := range generated {
		g.out.Reset()
		g.labels, g.room = g.labels[:0], 40
		leaf := i >= generated-2 && g.next(2) == 0 // may be short, without calls and loops
		if leaf {
			for range 1 + g.next(4) {
				g.compute()
			}
		} else {
			g.out.WriteString("local.get 0 i32.eqz if > i64.const 3 return end " + enter)
			if g.next(3) == 0 {
				g.jumps(sig)
			} else {
				g.statements(sig, 0)
			}
		}
		g.out.WriteString("global.get 1")
		name := ""
		if i == 0 {
			name = "run"
		}
		table = append(table, m.Func(name, "i>l", "iil", g.out.String()))
	}
	m.Elem(0, table...)
	return m.Bytes()
}

func (g *generator) write(format string, args ...any) { fmt.Fprintf(&g.out, format+" ", args...) }

func (g *generator) compute() {
	g.write("global.get 1 i64.const %d %s global.set 1", g.next(250)+3, []string{"i64.mul", "i64.add", "i64.xor"}[g.next(3)])
}

// condition leaves an i32 on the stack.
func (g *generator) condition() {
	g.write("global.get 1 i32.wrap_i64 i32.const %d i32.and", 1<<g.next(6))
}

func (g *generator) statements(sig, nesting int) {
	for range 1 + g.next(5) {
		if g.room--; g.room < 0 {
			return
		}
		g.statement(sig, nesting)
	}
}

func (g *generator) inside(label byte, sig, nesting int) {
	g.labels = append(g.labels, label)
	g.statements(sig, nesting+1)
	g.labels = g.labels[:len(g.labels)-1]
}

// label is the depth of a block that takes no values, or -1.
func (g *generator) label() int {
	for try := range 4 {
		if n := len(g.labels); n > 0 {
			if d := (g.next(n) + try) % n; g.labels[n-1-d] == 'b' {
				return d
			}
		}
	}
	return -1
}

func (g *generator) statement(sig, nesting int) {
	kind := g.next(16)
	if nesting > 5 && kind >= 4 && kind <= 8 {
		kind = 0
	}
	switch kind {
	case 4:
		g.write("block >")
		g.inside('b', sig, nesting)
		g.write("end")
	case 5, 6:
		g.write("loop > " + enter)
		g.inside('b', sig, nesting)
		g.condition()
		g.write("br_if 0 end")
	case 7:
		g.write("i64.const 7 loop l>l " + enter + "global.get 1 i64.add global.set 1 global.get 1")
		g.inside('p', sig, nesting)
		g.condition()
		g.write("br_if 0 end drop")
	case 8:
		g.condition()
		g.write("if >")
		g.inside('b', sig, nesting)
		if g.next(2) == 0 {
			g.write("else")
			g.inside('b', sig, nesting)
		}
		g.write("end")
	default:
		g.leave(kind, sig)
	}
}

// leave makes statements without others inside.
func (g *generator) leave(kind, sig int) {
	arg := "local.get 0 i32.const 1 i32.sub"
	result := "global.get 1 i64.add global.set 1"
	switch kind {
	case 9:
		g.write("%s call %d %s", arg, g.next(generated), result)
	case 10:
		g.write("%s i32.const %d call_indirect %d 0 %s", arg, g.next(generated), sig, result)
	case 11:
		if d := g.label(); d >= 0 {
			g.condition()
			g.write("br_if %d", d)
		}
	case 12:
		if a, b := g.label(), g.label(); a >= 0 && b >= 0 {
			g.condition()
			g.write("br_table %d,%d,%d", a, b, a)
		}
	case 13:
		for range 300 {
			g.write("global.get 1 i64.const 5 i64.add global.set 1")
		}
	case 14:
		switch d := g.label(); {
		case g.next(2) == 0 && d >= 0:
			g.write("br %d", d)
		case g.next(2) == 0:
			g.write("%s return_call %d", arg, g.next(generated))
		default:
			g.write("global.get 1 return")
		}
	case 15:
		g.write("i32.const 8 i32.const 1 i32.const %d memory.fill", g.next(200))
	default:
		g.compute()
	}
}

// jumps makes a loop around a jump table, with jumps ahead and back.
func (g *generator) jumps(sig int) {
	n := 2 + g.next(7)
	g.write("loop >" + strings.Repeat(" block >", n))
	targets := make([]string, n)
	for i := range targets {
		targets[i] = fmt.Sprint(g.next(n))
	}
	g.write("local.get 1 br_table %s", strings.Join(targets, ","))
	for section := n; section > 0; section-- {
		g.write("end " + enter)
		g.labels = g.labels[:0]
		g.statements(sig, 3)
		open := section - 1
		if g.next(2) == 0 {
			g.condition()
			g.write("if > i32.const %d local.set 1 br %d end", g.next(n+1), open+1)
		}
		if g.next(2) == 0 {
			g.write("i32.const %d local.set 1 br %d", g.next(n+1), open)
		}
	}
	g.write("end")
}

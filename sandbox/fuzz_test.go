package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/sandbox/internal/wasmtest"
)

// program turns bytes into a text of valid instructions over four i32 locals, which
// leaves the stack as it was. Each byte chooses what comes next.
type program struct {
	seed  []byte
	depth int
	out   strings.Builder
}

func (p *program) next() int {
	if len(p.seed) == 0 {
		return 0
	}
	b := p.seed[0]
	p.seed = p.seed[1:]
	return int(b)
}

func (p *program) emit(format string, args ...any) { fmt.Fprintf(&p.out, format+" ", args...) }

// value pushes an i32.
func (p *program) value() {
	switch n := p.next(); n % 5 {
	case 0:
		p.emit("i32.const %d", n)
	case 1:
		p.emit("i32.const %d", int32(n*n*n*2654435))
	case 2:
		p.emit("memory.size")
	default:
		p.emit("local.get %d", n%4)
	}
}

func (p *program) values(n int) {
	for range n {
		p.value()
	}
}

// statements ends with the seed, or with a byte that says so.
func (p *program) statements(self int) {
	for len(p.seed) > 0 {
		n := p.next()
		if n >= 250 {
			return
		}
		p.statement(n%16, self)
	}
}

func (p *program) statement(kind, self int) {
	set := func() { p.emit("local.set %d", p.next()%4) }
	switch kind {
	case 0, 1:
		p.values(2)
		p.emit([]string{"i32.add", "i32.mul", "i32.xor", "i32.div_s", "i32.rem_u"}[p.next()%5])
		set()
	case 2:
		p.value()
		p.emit("i32.load %d", p.next())
		set()
	case 3:
		p.values(2)
		p.emit("i32.store %d", p.next())
	case 4, 5, 6:
		p.block(kind, self)
	case 7:
		p.value()
		p.emit("memory.grow")
		set()
	case 8:
		p.values(3)
		p.emit([]string{"memory.fill", "memory.copy", "table.copy 0 0"}[p.next()%3])
	case 9:
		p.emit("ref.null F")
		p.value()
		p.emit("table.grow 0")
		set()
	case 10:
		p.value()
		p.emit("call %d", self)
		set()
	case 11:
		p.values(2)
		p.emit("call_indirect 0 0")
		set()
	case 12:
		p.values(3)
		p.emit("call 0")
		set()
	case 13:
		p.values(2)
		p.emit("call 1")
		set()
	case 14:
		p.value()
		p.emit("return")
	case 15:
		if p.next() > 200 {
			p.emit("unreachable")
		}
	}
}

func (p *program) block(kind, self int) {
	if p.depth == 20 {
		return
	}
	p.depth++
	switch kind {
	case 4:
		p.emit("loop >")
		p.statements(self)
		p.value()
		p.emit("br_if 0 end")
	case 5:
		p.value()
		p.emit("if >")
		p.statements(self)
		p.emit("else")
		p.statements(self)
		p.emit("end")
	default:
		p.emit("block >")
		p.statements(self)
		p.value()
		p.emit("br_if 0 end")
	}
	p.depth--
}

// generated is a guest whose init and whose invocations run what the bytes say.
func generated(seed []byte) []byte {
	m := &wasmtest.Module{}
	m.Type("i>i")
	m.Import("lambent_v1", "event_read", "iii>i")
	m.Import("lambent_v1", "response_write", "ii>i")
	m.Memory(1, -1)
	m.Table('F', 4, -1)
	self := 2
	m.Elem(0, self)
	p := &program{seed: seed}
	p.statements(self)
	m.Func("lambent_invoke", "i>i", "iii", p.out.String()+"local.get 0")
	m.Func("lambent_init", ">i", "", fmt.Sprintf("i32.const %d call %d i32.const 0 i32.mul", len(seed), self))
	return m.Bytes()
}

// overrun is far more than a guest may stay after its deadline, and on a busy
// machine still enough.
const overrun = 20 * time.Second

// FuzzGuest holds that whatever a valid guest does, it can be instantiated, its calls
// end with their deadline, and end in an answer or in a fault.
func FuzzGuest(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{4, 0, 1, 2, 3, 255, 1})                                // a loop
	f.Add([]byte{10, 1, 2, 10, 3, 4, 0, 7, 8, 9})                       // recursion
	f.Add([]byte{7, 200, 1, 8, 1, 6, 250, 0, 9, 1, 3, 9, 251, 1})       // growing, filling
	f.Add([]byte{4, 4, 8, 101, 101, 101, 0, 255, 8, 11, 0, 5, 1, 255})  // bulk memory in loops
	f.Add([]byte{2, 99, 255, 3, 9, 9, 9, 15, 201, 14, 1, 5, 3, 250, 1}) // traps
	e, err := sandbox.New(context.Background(), sandbox.Config{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = e.Close(context.Background()) })
	f.Fuzz(func(t *testing.T, seed []byte) {
		if len(seed) > 2000 {
			t.Skip("too slow to compile by the thousands")
		}
		ctx := context.Background()
		m, err := e.Compile(ctx, generated(seed), sandbox.Limits{MemoryBytes: 4 << 20})
		if err != nil {
			t.Fatalf("a valid module was refused: %v", err)
		}
		defer func() {
			if err := m.Close(ctx); err != nil {
				t.Error(err)
			}
		}()
		i, err := m.Instantiate(ctx, sandbox.InstanceConfig{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := i.Close(ctx); err != nil {
				t.Error(err)
			}
		}()
		began := time.Now()
		err = i.Init(within(t, 20*time.Millisecond))
		if err == nil {
			_, err = i.Invoke(within(t, 20*time.Millisecond), sandbox.Invocation{Event: seed})
		}
		if took := time.Since(began); took > overrun {
			t.Errorf("it took %v", took)
		}
		var fault *sandbox.Fault
		if err != nil && !errors.As(err, &fault) {
			t.Errorf("%v is not a fault", err)
		}
		if i.MemoryBytes() > 4<<20 {
			t.Errorf("%d bytes of memory", i.MemoryBytes())
		}
	})
}

package wasmtest

import "strings"

// SlowBomb is a module of 15 KB within the caps whose compilation takes far longer than reading it:
// 950 nested loops, each of which changes another of 1000 locals. Its function
// _start is harmless.
func SlowBomb() []byte {
	const loops, locals = 950, 1000
	var b strings.Builder
	b.WriteString("\x01" + u(locals) + "\x7f")
	for i := range loops {
		b.WriteString("\x03\x40\x20" + u(i%locals) + "\x41\x01\x6a\x21" + u((i*7+1)%locals))
	}
	b.WriteString(strings.Repeat("\x41\x01\x0d\x00\x0b", loops) + "\x0b")
	return withStart(b.String())
}

// HungryBomb is a module of 2 MB within the caps whose compilation takes more than
// a gigabyte of memory: a function of a million calls.
func HungryBomb() []byte {
	return withStart("\x00" + strings.Repeat("\x10\x00", 1_000_000) + "\x0b")
}

func withStart(body string) []byte {
	m := &Module{}
	m.Func("_start", ">", "", "")
	m.Raw("bomb", ">", []byte(body))
	return m.Bytes()
}

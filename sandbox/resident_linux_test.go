package sandbox_test

import (
	"bytes"
	"context"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/sandbox"
)

// resident is the process's resident memory in MiB.
func resident(t *testing.T) int {
	t.Helper()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(string(bytes.Fields(text)[1]))
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize() >> 20
}

// The memory of instances goes back to the system when they are closed, and what
// they have written since they were restored when they are reset.
func TestMemoryGoesBackToTheSystem(t *testing.T) {
	const instances, mib = 8, 32
	hoard := newGuest().handler(`i32.const 512 memory.grow drop
		i32.const 65536 i32.const 1 i32.const 33554432 memory.fill i32.const 0 i32.const 1 call response_write`)
	m := compile(t, hoard, defaultMemory)
	s := capture(t, m)
	for name, give := range map[string]func(*sandbox.Instance) error{
		"closing":   func(i *sandbox.Instance) error { return i.Close(context.Background()) },
		"resetting": func(i *sandbox.Instance) error { return i.Reset(t.Context()) },
	} {
		before := resident(t)
		var all []*sandbox.Instance
		for range instances {
			all = append(all, restore(t, m, s))
			answer(t, all[len(all)-1], strings.Repeat(".", 1))
		}
		if grown := resident(t) - before; grown < instances*mib*9/10 {
			t.Errorf("%s: %d MiB more with the instances, want about %d", name, grown, instances*mib)
		}
		for _, i := range all {
			if err := give(i); err != nil {
				t.Fatal(err)
			}
		}
		if left := resident(t) - before; left > instances*mib/8 {
			t.Errorf("%s: %d MiB are left of %d", name, left, instances*mib)
		}
	}
}

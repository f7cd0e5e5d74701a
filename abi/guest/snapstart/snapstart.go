// Package snapstart lets a Go function take part in its own snapshot: what it
// registers with [BeforeSnapshot] runs once, before the host captures the
// function after init, and with [AfterRestore] in each copy that is made of it,
// before the copy's first event.
//
// All copies begin with the same memory. What was drawn at random in init is the
// same in all of them, what was read from outside is as old as the snapshot, and
// connections lead nowhere. An after-restore hook is where that is put right:
//
//	var id string
//
//	func main() {
//		snapstart.AfterRestore(func() error { id = rand.Text(); return nil })
//		lambda.Start(handle)
//	}
//
// crypto/rand and the clocks need no hook: they ask the host each time. The
// functions of math/rand and math/rand/v2 that take no generator do: their state is
// in the memory of the Go runtime, which offers no way to change it, and so every
// copy draws the same numbers. So are the order in which maps are walked and the
// hashes of package maphash. Use crypto/rand, or a generator of one's own that a
// hook seeds anew.
//
// Hooks are registered while the program starts: in init functions, or in main
// before lambda.Start. As with the runtime hooks of AWS, those of before the
// snapshot run in the reverse order of their registration, and those of after the
// restore in the order of it. The first error ends it: the version is not
// published, or the invocation that the copy was made for is refused. So does a
// panic, which ends the program.
//
// Importing the package is what makes the module export lambent_before_snapshot
// and lambent_after_restore. It works beside aws-lambda-go as well as beside
// package guest; where no snapshots are made, and on any platform but wasip1,
// hooks are never called. Read next: abi.md, "Snapshots".
package snapstart

import (
	"reflect"
	"sync"
)

var (
	mu            sync.Mutex
	before, after []func() error
)

// BeforeSnapshot has hook called once before the function is captured: the last
// registered is the first to be called. Its time counts as init. It is safe for
// concurrent use.
func BeforeSnapshot(hook func() error) { register(&before, hook) }

// AfterRestore has hook called in each copy that is restored, in the order of
// registration. All hooks together have ten seconds. It is safe for concurrent
// use.
func AfterRestore(hook func() error) { register(&after, hook) }

func register(list *[]func() error, hook func() error) {
	mu.Lock()
	defer mu.Unlock()
	*list = append(*list, hook)
}

// runBefore runs what was registered before, in reverse.
func runBefore() error {
	hooks := registered(&before)
	for i := len(hooks) - 1; i >= 0; i-- {
		if err := hooks[i](); err != nil {
			return err
		}
	}
	return nil
}

// runAfter runs what was registered for after, in order.
func runAfter() error {
	for _, hook := range registered(&after) {
		if err := hook(); err != nil {
			return err
		}
	}
	return nil
}

// registered copies a list: a hook may register another, which is for the next
// time.
func registered(list *[]func() error) []func() error {
	mu.Lock()
	defer mu.Unlock()
	return append([]func() error(nil), *list...)
}

// typeName names the type of an error as Lambda's Go runtime does: without
// package, without pointer.
func typeName(err error) string {
	t := reflect.TypeOf(err)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}

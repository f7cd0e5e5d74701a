package sandbox

import (
	"fmt"
	"reflect"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental/sys"
)

// A view is what the sandbox sees and sets of a wazero instance beside its public
// interface: which bytes are its memory, and whether the descriptors it was
// started with are still there. The types are internal to wazero, their fields and
// methods are exported; reflection finds them once per seat. A test holds that
// they are where they are looked for, so that another version of wazero cannot
// change it unnoticed.
type view struct {
	memory *[]byte // nil: the module has none
	grown  func()  // tells the compiled code that memory has changed
	lookup reflect.Value
}

func viewOf(mod api.Module) (v *view, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("this version of wazero is built otherwise: %v", r)
		}
	}()
	instance := reflect.ValueOf(mod).Elem()
	v = &view{}
	if memory := instance.FieldByName("MemoryInstance"); !memory.IsNil() {
		v.memory = memory.Elem().FieldByName("Buffer").Addr().Interface().(*[]byte)
		v.grown = instance.FieldByName("Engine").Interface().(interface{ MemoryGrown() }).MemoryGrown
	}
	files := instance.FieldByName("Sys").MethodByName("FS").Call(nil)[0]
	v.lookup = files.MethodByName("LookupFile")
	for fd := range int32(descriptors) {
		_, _ = v.entry(fd).FieldByName("File").Interface().(sys.File).IsDir() // opens what is opened late
	}
	if !v.preopened() {
		return nil, fmt.Errorf("this version of wazero is built otherwise: %d descriptors are not there at the start", descriptors)
	}
	return v, nil
}

func (v *view) size() uint64 {
	if v.memory == nil {
		return 0
	}
	return uint64(len(*v.memory))
}

// set makes memory the instance's; nothing may run on it.
func (v *view) set(memory []byte) {
	if v.memory == nil {
		return
	}
	*v.memory = memory
	v.grown()
}

// descriptors are those a guest is started with: input, output, log, and the three
// folders.
const descriptors = 6

// preopened tells whether they are all as they were.
func (v *view) preopened() bool {
	for fd := range int32(descriptors) {
		if entry := v.entry(fd); !entry.IsValid() || !entry.FieldByName("IsPreopen").Bool() {
			return false
		}
	}
	return true
}

// entry is what wazero has about a descriptor; not valid if it is not open.
func (v *view) entry(fd int32) reflect.Value {
	found := v.lookup.Call([]reflect.Value{reflect.ValueOf(fd)})
	return found[0].Elem()
}

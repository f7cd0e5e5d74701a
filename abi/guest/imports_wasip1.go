package guest

import "unsafe"

// The imports of abi/abi.go, version 1. Pointers and lengths are u32 on the
// host's side; Go passes an unsafe.Pointer as such.

//go:wasmimport lambent_v1 event_read
//go:noescape
func importEventRead(ptr unsafe.Pointer, capacity, offset uint32) int32

//go:wasmimport lambent_v1 response_write
//go:noescape
func importResponseWrite(ptr unsafe.Pointer, length uint32) int32

//go:wasmimport lambent_v1 fail
//go:noescape
func importFail(typ unsafe.Pointer, typLen uint32, message unsafe.Pointer, messageLen uint32) int32

//go:wasmimport lambent_v1 fail_document
//go:noescape
func importFailDocument(ptr unsafe.Pointer, length uint32) int32

//go:wasmimport lambent_v1 context_read
//go:noescape
func importContextRead(field uint32, ptr unsafe.Pointer, capacity uint32) int32

//go:wasmimport lambent_v1 deadline_ms
func importDeadline() int64

// pointer is where b begins; an empty slice has nowhere to point to, and the
// host looks at no byte of it.
func pointer(b []byte) unsafe.Pointer {
	if len(b) == 0 {
		return nil
	}
	return unsafe.Pointer(&b[0])
}

func eventRead(into []byte, offset int) int32 {
	return importEventRead(pointer(into), uint32(len(into)), uint32(offset))
}

func responseWrite(b []byte) int32 { return importResponseWrite(pointer(b), uint32(len(b))) }

func fail(typ, message []byte) int32 {
	return importFail(pointer(typ), uint32(len(typ)), pointer(message), uint32(len(message)))
}

func failDocument(b []byte) int32 { return importFailDocument(pointer(b), uint32(len(b))) }

func contextRead(field uint32, into []byte) int32 {
	return importContextRead(field, pointer(into), uint32(len(into)))
}

func deadlineMS() int64 { return importDeadline() }

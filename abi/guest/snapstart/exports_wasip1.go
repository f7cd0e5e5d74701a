package snapstart

import "unsafe"

//go:wasmimport lambent_v1 fail
//go:noescape
func importFail(typ unsafe.Pointer, typLen uint32, message unsafe.Pointer, messageLen uint32) int32

// beforeExport is lambent_before_snapshot.
//
//go:wasmexport lambent_before_snapshot
func beforeExport() int32 { return report(runBefore()) }

// afterExport is lambent_after_restore.
//
//go:wasmexport lambent_after_restore
func afterExport() int32 { return report(runAfter()) }

// report tells the host of an error; what it returns is the export's result.
func report(err error) int32 {
	if err == nil {
		return 0
	}
	typ, message := typeName(err), err.Error()
	importFail(unsafe.Pointer(unsafe.StringData(typ)), uint32(len(typ)), unsafe.Pointer(unsafe.StringData(message)), uint32(len(message)))
	return 1
}

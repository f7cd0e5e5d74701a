package guest

import (
	"os"
	_ "unsafe" // for linkname
)

// mainMain is the program's main. A reactor's _initialize runs package
// initialisation only; calling main is left to lambent_init.
//
//go:linkname mainMain main.main
func mainMain()

// initExport is lambent_init: it runs main until that asks for an event. A main
// that returns before it did has ended the program, as it would anywhere else.
//
//go:wasmexport lambent_init
func initExport() int32 {
	if hosted {
		return errState
	}
	hosted = true
	go func() {
		mainMain()
		os.Exit(0)
	}()
	<-idle
	return 0
}

// invokeExport is lambent_invoke: it hands the event to the goroutine that waits
// in Next and returns when one waits there again.
//
//go:wasmexport lambent_invoke
func invokeExport(eventLen uint32) int32 {
	if !hosted {
		return errState
	}
	events <- readInvocation(int(eventLen))
	<-idle
	return 0
}

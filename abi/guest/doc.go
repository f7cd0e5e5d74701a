// Package guest is the guest side of the Lambent ABI for Go: it runs inside
// the WebAssembly module and turns the host's calls into invocations that a Go
// program can take one by one.
//
// A program written against it directly needs two lines:
//
//	func main() {
//		guest.Serve(func(ctx context.Context, event []byte) ([]byte, error) { return event, nil })
//	}
//
// It is built with "lambent build", or by hand as a WASI reactor:
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o function.wasm .
//
// A reactor leaves no frame on the stack between two invocations. The package
// exports lambent_init, which runs the program's own main on a goroutine and
// returns when it asks for its first event, and lambent_invoke, which hands one
// event to that goroutine and returns when it asks for the next. In between
// the goroutine is parked, all others stand still, and the memory holds the
// whole state of the program.
//
// The standard library is all it imports, and it keeps to an old dialect of
// the language: its source is also built into modules of other people, which
// name the Go version they are written for (package gobuild does that; Sources
// are for it). On any other platform than wasip1 the package compiles, so that
// editors and vet are content, but there is no host: [Next] reports [ErrNoHost].
//
// Read next: next.go, then package runtimeapi, which serves Lambda's Runtime
// API on top of this package, and functions/hello for a function.
package guest

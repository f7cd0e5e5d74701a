//go:build !wasip1

package outbound

// Outside of WebAssembly there is no host to ask: every call is denied.

func httpSend(_, _ []byte) int32         { return errDenied }
func httpRead(uint32, []byte, int) int32 { return errDenied }

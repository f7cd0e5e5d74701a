//go:build !wasip1

package guest

// Outside of WebAssembly there is nobody to call: every call reports errState,
// as the host does when no invocation is running.

func eventRead([]byte, int) int32      { return errState }
func responseWrite([]byte) int32       { return errState }
func fail(_, _ []byte) int32           { return errState }
func failDocument([]byte) int32        { return errState }
func contextRead(uint32, []byte) int32 { return errState }
func deadlineMS() int64                { return 0 }

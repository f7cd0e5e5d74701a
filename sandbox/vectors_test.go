package sandbox_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/sandbox"
	"github.com/lambent-host/lambent/sandbox/internal/wasmtest"
)

// A call that names more buffers or subscriptions than the limit traps; one that
// names as many as that does not.
func TestVectorsAreLimited(t *testing.T) {
	for name, args := range map[string]string{
		"fd_read": "iiii>i", "fd_pread": "iiili>i", "poll_oneoff": "iiii>i",
	} {
		t.Run(name, func(t *testing.T) {
			call := func(count string) error {
				m := &wasmtest.Module{}
				m.Import("wasi_snapshot_preview1", name, args)
				m.Memory(16, -1)
				first, rest := "i32.const 0 i32.const 0 ", " i32.const 8"
				if name == "poll_oneoff" {
					first = "i32.const 0 i32.const 500000 "
				}
				if strings.Contains(args, "l") {
					rest = " i64.const 0 i32.const 8"
				}
				m.Func("lambent_invoke", "i>i", "", first+"i32.const "+count+rest+" call 0 drop i32.const 0")
				i := start(t, m.Bytes(), sandbox.InstanceConfig{})
				_, err := invoke(t, i, "")
				return err
			}
			if err := call("1024"); err != nil {
				t.Errorf("1024 vectors: %v", err)
			}
			err := call("1025")
			mustFault(t, err, sandbox.FaultTrap)
			var f *sandbox.Fault
			if errors.As(err, &f) && !strings.Contains(f.Message, "1025 vectors: the limit is 1024") {
				t.Errorf("the message is %q", f.Message)
			}
		})
	}
}

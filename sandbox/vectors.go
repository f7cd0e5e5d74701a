package sandbox

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// maxVectors is how many buffers or subscriptions one WASI call may name, as
// IOV_MAX of Linux. A guest's memory has room for a hundred million.
const maxVectors = 1024

// vectors are the WASI functions whose third parameter counts them, and which
// pass over some without a call of ours: empty buffers, and subscriptions. Those
// that write come by for each piece, and the clock is looked at there.
var vectors = map[string]bool{"fd_read": true, "fd_pread": true, "poll_oneoff": true}

// withVectorLimit returns a context for compiling WASI: guests that name more
// than maxVectors trap. Wazero's functions cannot be called from ones of ours,
// which would have returned an error, but they can be listened to.
func withVectorLimit(ctx context.Context) context.Context {
	return experimental.WithFunctionListenerFactory(ctx, experimental.FunctionListenerFactoryFunc(
		func(def api.FunctionDefinition) experimental.FunctionListener {
			for _, name := range def.ExportNames() {
				if vectors[name] {
					return experimental.FunctionListenerFunc(limitVectors)
				}
			}
			return nil
		}))
}

func limitVectors(_ context.Context, _ api.Module, def api.FunctionDefinition, params []uint64, _ experimental.StackIterator) {
	if n := uint32(params[2]); n > maxVectors {
		panic(fmt.Errorf("%s of %d vectors: the limit is %d", def.Name(), n, maxVectors))
	}
}

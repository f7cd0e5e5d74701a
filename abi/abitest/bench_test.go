package abitest

import (
	"testing"

	"github.com/lambent-host/lambent/abi/gobuild"
)

// BenchmarkInvoke is a warm invocation inside the guest, without a host around
// it: what the two seams of aws-lambda-go cost, and the floor below them.
func BenchmarkInvoke(b *testing.B) {
	const event = `{"do":"echo","value":{"key1":"value1","key2":[1,2,3]}}`
	for name, guest := range map[string]func(testing.TB) []byte{
		"direct":     func(t testing.TB) []byte { return AWSGuest(t, gobuild.SeamDirect) },
		"runtimeapi": func(t testing.TB) []byte { return AWSGuest(t, gobuild.SeamRuntimeAPI) },
	} {
		b.Run(name, func(b *testing.B) { measure(b, guest(b), event) })
	}
	b.Run("guest.Serve", func(b *testing.B) { measure(b, GoGuest(b), "echo "+event) })
	b.Run("C", func(b *testing.B) { measure(b, CGuest(b, "conformance"), "echo "+event) })
}

func measure(b *testing.B, module []byte, event string) {
	s := begin(b, newRunner(b), module)
	inv := invocation(event)
	s.succeeds(inv)
	for b.Loop() {
		if out := s.inst.Invoke(s.ctx, inv); out.Payload == nil {
			b.Fatalf("%+v", out)
		}
	}
}

package meter_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/lambent-host/lambent/sandbox/meter"
)

// TestVersion: whoever changes what the rewriter emits changes Version, or a host
// would load what the rewriter before it has made.
func TestVersion(t *testing.T) {
	h := sha256.New()
	for _, p := range append(programs(), endless()...) {
		out, _, err := meter.Rewrite(p.bytes(), meter.Options{})
		fmt.Fprintf(h, "%s %d %v\n", p.name, len(out), err)
		h.Write(out)
	}
	if got := hex.EncodeToString(h.Sum(nil))[:16]; got != meter.Version {
		t.Errorf("the rewriter emits something else than it did: set Version to %q", got)
	}
}

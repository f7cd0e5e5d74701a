package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/client"
	"github.com/lambent-host/lambent/host/lambdaapi"
	"github.com/lambent-host/lambent/host/store"
)

// A version that is deleted while its snapshot is made leaves none behind: it is
// captured against a catalogue that does not have it.
func TestAVersionThatIsDeletedWhileItIsCapturedLeavesNothing(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Listen, cfg.DataDir = "127.0.0.1:0", t.TempDir()
	if dir, err := os.UserCacheDir(); err == nil {
		cfg.CompileCacheDir = filepath.Join(dir, "lambent-test", "compiled")
	}
	h, err := New(t.Context(), cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	h.Start()
	t.Cleanup(func() {
		if err := h.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	c := client.New("http://" + h.Addr())
	defer c.CloseIdle()
	name, role, wasm := "f", "arn:aws:iam::000000000000:role/test", gobuildtest.Function(t, "counter")
	if _, _, err := c.Deploy(t.Context(), &lambdaapi.CreateFunctionRequest{FunctionName: &name, Role: &role, Code: &lambdaapi.FunctionCode{ZipFile: wasm}}); err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(filepath.Join(t.TempDir(), "empty.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	empty, err := catalogue.Open(st, t.TempDir(), catalogue.Config{})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(wasm)
	v := catalogue.Version{
		FunctionName: name, Version: "1", CodeDigest: hex.EncodeToString(sum[:]),
		Settings: catalogue.Settings{MemorySize: 128, Timeout: 3, EphemeralStorage: 512, SnapStartApplyOn: catalogue.SnapStartPublished},
	}
	state, failure := h.capture(t.Context(), empty, v)
	if !state.Ready || failure != nil {
		t.Fatalf("state %+v, failure %+v", state, failure)
	}
	files, err := filepath.Glob(filepath.Join(cfg.DataDir, "snapshots", "*"))
	if err != nil || len(files) != 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

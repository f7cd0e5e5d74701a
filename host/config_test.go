package host

import (
	"strings"
	"testing"
	"time"
)

func TestTheDefaultsAreValidOnceAFolderIsGiven(t *testing.T) {
	cfg := DefaultConfig()
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "DataDir") {
		t.Fatalf("without a folder: %v, want a fault that names DataDir", err)
	}
	cfg.DataDir = t.TempDir()
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestValidateListsEveryFaultAndNamesTheField(t *testing.T) {
	err := Config{
		Listen: "nowhere", Region: "moon", AccountID: "1", ConcurrencyLimit: 0, ExtensionEgress: "some", ExtensionAllow: []string{"host:4318", "host"},
		RetryDelays: []time.Duration{time.Second, 0},
	}.Validate()
	if err == nil {
		t.Fatal("a wholly wrong configuration was accepted")
	}
	for _, field := range []string{"Listen", "DataDir", "Region", "AccountID", "ConcurrencyLimit", "EnvironmentIdle", "SnapStart", "SnapshotSpace", "Isolation", "ExtensionIsolation", "ExtensionEgress", "ExtensionAllow", "ShutdownTimeout", "RetryDelays: number 2"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%q does not name %s", err, field)
		}
	}
}

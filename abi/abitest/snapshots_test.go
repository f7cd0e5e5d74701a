package abitest

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/abi"
)

// heldInstance is a snapshot that is nothing but the instance, held still: of it
// there can be one copy, itself. The hooks are all that this host has to show.
type heldInstance struct{ *testInstance }

func (i *testInstance) Snapshot(ctx context.Context, _ testing.TB) (Snapshot, error) {
	return heldInstance{i}, i.hook(ctx, abi.ExportBeforeSnapshot)
}

func (h heldInstance) Restore(ctx context.Context, _ testing.TB) (Instance, error) {
	return h.testInstance, h.hook(ctx, abi.ExportAfterRestore)
}

// hook calls an optional export.
func (i *testInstance) hook(ctx context.Context, name string) error {
	f := i.mod.ExportedFunction(name)
	if f == nil {
		return nil
	}
	i.document = nil
	result, err := f.Call(context.WithValue(ctx, instanceKey{}, i))
	switch {
	case err != nil:
		return err
	case i.document != nil:
		return errors.New(string(i.document))
	case int32(result[0]) != 0:
		return errors.New(name + " reports a failure")
	}
	return nil
}

func TestSnapshotsOfC(t *testing.T) { Snapshots(t, newRunner(t), CGuest(t, "conformance")) }

func TestSnapshotsOfGo(t *testing.T) { Snapshots(t, newRunner(t), GoGuest(t)) }

// What a hook says of its failure reaches the host, in either language.
func TestAHookTellsWhy(t *testing.T) {
	runner := newRunner(t)
	for name, module := range map[string][]byte{"C": CGuest(t, "conformance"), "Go": GoGuest(t)} {
		s := begin(t, runner, module, "FAIL_HOOK=after")
		_, err := s.capture().Restore(s.ctx, t)
		if err == nil || !strings.Contains(err.Error(), "asked to fail") || !strings.Contains(err.Error(), `"errorType":"`) {
			t.Errorf("%s: %v, want the hook's own document", name, err)
		}
	}
}

// A guest that does not take part exports no hooks: the host need not call it.
func TestHooksAreExportedOnlyWhereTheyAreLinked(t *testing.T) {
	runner := newRunner(t)
	for name, want := range map[string]bool{"conformance": true, "plain": false} {
		module := GoGuest(t)
		if !want {
			module = AWSGuest(t, 0)
		}
		exports := runner.compile(t, module).ExportedFunctions()
		for _, hook := range []string{abi.ExportBeforeSnapshot, abi.ExportAfterRestore} {
			if _, found := exports[hook]; found != want {
				t.Errorf("%s exports %s: %v, want %v", name, hook, found, want)
			}
		}
	}
}

func TestTheSampleInCDrawsAnewInEachCopy(t *testing.T) {
	s := begin(t, newRunner(t), CGuest(t, "snapstart"))
	var first, second [2]string
	read := func(into *[2]string) {
		t.Helper()
		if err := json.Unmarshal([]byte(s.succeeds(invocation("{}"))), into); err != nil {
			t.Fatal(err)
		}
	}
	read(&first)
	if first[0] != first[1] || first[0] == "0000000000000000" {
		t.Errorf("without a snapshot %q, want the same random number twice", first)
	}
	copied, err := s.capture().Restore(s.ctx, t)
	if err != nil {
		t.Fatal(err)
	}
	s.inst = copied
	if read(&second); second[0] != first[0] || second[1] == first[1] {
		t.Errorf("after the restore %q, before it %q: want the first number kept and the second drawn anew", second, first)
	}
}

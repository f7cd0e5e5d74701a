package catalogue

import (
	"errors"
	"testing"
)

const busy = "The operation cannot be performed at this time. An update is in progress for resource: " + fnARN

// state is what clients' waiters look at, with the reasons.
func state(v Version) [6]string {
	return [6]string{
		v.State, v.StateReason, v.StateReasonCode,
		v.LastUpdateStatus, v.LastUpdateStatusReason, v.LastUpdateStatusReasonCode,
	}
}

func expect(t *testing.T, what string, v Version, want ...string) {
	t.Helper()
	var w [6]string
	copy(w[:], want)
	if state(v) != w {
		t.Errorf("%s: state is %q, want %q", what, state(v), w)
	}
}

func (fx *fixture) resolve(qualifier string) Version {
	fx.t.Helper()
	v, err := fx.Resolve("fn", qualifier, 0.5)
	if err != nil {
		fx.t.Fatal(err)
	}
	return v
}

func TestStatesOfASuccess(t *testing.T) {
	fx := open(t)
	v1 := fx.create("fn", CreateInput{})
	expect(t, "created", v1, "Pending", reasonCreating, "Creating")
	_, err := fx.Resolve("fn", "", 0)
	var notReady *NotReadyError
	if !errors.As(err, &notReady) || notReady.State != "Pending" || !notReady.NotReady() {
		t.Errorf("resolve while pending: %v", err)
	}
	v2 := fx.settle("fn", nil)
	expect(t, "settled", v2, "Active", "", "", "Successful")
	if v1.RevisionID == v2.RevisionID {
		t.Error("revision is the same after settling")
	}
	v3 := fx.update("fn", "two")
	expect(t, "updated", v3, "Active", "", "", "InProgress", reasonCreating, "Creating")
	if v3.RevisionID == v2.RevisionID {
		t.Error("revision is the same after an update")
	}
	if r := fx.resolve(""); r.CodeDigest != v1.CodeDigest {
		t.Error("the new code runs before it is settled")
	}
	expect(t, "settled again", fx.settle("fn", nil), "Active", "", "", "Successful")
	if r := fx.resolve("$LATEST"); r.CodeDigest != v3.CodeDigest {
		t.Error("the new code does not run after it was settled")
	}
	if files := fx.codeFiles(); len(files) != 1 || files[0] != v3.CodeDigest {
		t.Errorf("code files are %v, want only the new one", files)
	}
}

func TestSettingsServeOnlyWhenSettled(t *testing.T) {
	fx := open(t)
	fx.active("fn")
	v, err := fx.UpdateSettings(ctx, "fn", SettingsPatch{MemorySize: ptr(256), Environment: &map[string]string{"KEY": "v"}})
	if err != nil || v.MemorySize != 256 || v.Environment["KEY"] != "v" || v.Timeout != 3 {
		t.Fatalf("patched: %+v, %v", v.Settings, err)
	}
	expect(t, "updated", v, "Active", "", "", "InProgress", reasonCreating, "Creating")
	if r := fx.resolve(""); r.MemorySize != 128 || r.Environment != nil {
		t.Errorf("new settings serve before they are settled: %+v", r.Settings)
	}
	fx.settle("fn", nil)
	if r := fx.resolve(""); r.MemorySize != 256 || r.Environment["KEY"] != "v" {
		t.Errorf("new settings do not serve: %+v", r.Settings)
	}
	if v, err = fx.UpdateSettings(ctx, "fn", SettingsPatch{Environment: &map[string]string{}}); err != nil || v.Environment != nil || v.MemorySize != 256 {
		t.Errorf("clearing the environment: %+v, %v", v.Settings, err)
	}
}

func TestAFailedUpdateKeepsTheOldCodeRunning(t *testing.T) {
	fx := open(t)
	old := fx.active("fn")
	bad := fx.update("fn", "bad")
	v := fx.settle("fn", &Failure{Code: "InvalidConfiguration", Reason: "does not compile"})
	expect(t, "failed", v, "Active", "", "", "Failed", "does not compile", "InvalidConfiguration")
	for range 2 {
		if r := fx.resolve(""); r.CodeDigest != old.CodeDigest {
			t.Error("the failed code runs")
		}
		if len(fx.codeFiles()) != 2 {
			t.Errorf("code files are %v", fx.codeFiles())
		}
		fx.reopen()
	}
	if _, err := fx.PublishVersion(ctx, "fn", PublishInput{}); err == nil {
		t.Error("code that failed was published")
	}
	// A failure after a failure still serves what once was successful.
	if _, err := fx.UpdateSettings(ctx, "fn", SettingsPatch{Timeout: ptr(9)}); err != nil {
		t.Fatal(err)
	}
	fx.settle("fn", &Failure{})
	if r := fx.resolve(""); r.CodeDigest != old.CodeDigest || r.Timeout != 3 {
		t.Errorf("serving %+v", r)
	}
	good := fx.update("fn", "good")
	fx.settle("fn", nil)
	if r := fx.resolve(""); r.CodeDigest != good.CodeDigest || r.Timeout != 9 {
		t.Errorf("serving %+v", r)
	}
	for _, f := range fx.codeFiles() {
		if f == bad.CodeDigest || f == old.CodeDigest {
			t.Errorf("code %s is still there", f)
		}
	}
}

func TestAFailedCreationCanBeRepaired(t *testing.T) {
	fx := open(t)
	fx.create("fn", CreateInput{})
	v := fx.settle("fn", &Failure{Code: "InvalidConfiguration", Reason: "does not compile"})
	expect(t, "failed", v, "Failed", "does not compile", "InvalidConfiguration", "Failed", "does not compile", "InvalidConfiguration")
	_, err := fx.Resolve("fn", "", 0)
	refused[*NotReadyError](t, err, "The operation cannot be performed at this time. The function is currently in the following state: Failed")
	_, err = fx.PublishVersion(ctx, "fn", PublishInput{})
	refused[*ConflictError](t, err, "The operation cannot be performed at this time. The function is currently in the following state: Failed")
	expect(t, "repaired", fx.update("fn", "good"), "Pending", reasonCreating, "Creating", "InProgress", reasonCreating, "Creating")
	expect(t, "settled", fx.settle("fn", nil), "Active", "", "", "Successful")
}

func TestBusyFunctionsRefuseUpdates(t *testing.T) {
	fx := open(t)
	fx.create("fn", CreateInput{})
	for range 2 { // once Pending, once InProgress
		_, err := fx.UpdateCode(ctx, "fn", UpdateCodeInput{Code: code("x")})
		refused[*ConflictError](t, err, busy)
		_, err = fx.UpdateCode(ctx, "fn", UpdateCodeInput{Code: code("x"), DryRun: true})
		refused[*ConflictError](t, err, busy)
		_, err = fx.UpdateSettings(ctx, "fn", SettingsPatch{Timeout: ptr(5)})
		refused[*ConflictError](t, err, busy)
		_, err = fx.PublishVersion(ctx, "fn", PublishInput{})
		refused[*ConflictError](t, err, busy)
		fx.settle("fn", nil)
		fx.update("fn", "two")
	}
	if err := fx.Delete(ctx, "fn", ""); err != nil {
		t.Errorf("delete during an update: %v", err)
	}
	if len(fx.Unsettled()) != 0 || len(fx.codeFiles()) != 0 {
		t.Errorf("left: %v, %v", fx.Unsettled(), fx.codeFiles())
	}
}

func TestStaleSettlesAreIgnored(t *testing.T) {
	fx := open(t)
	first := fx.create("fn", CreateInput{})
	if err := fx.Delete(ctx, "fn", ""); err != nil {
		t.Fatal(err)
	}
	if err := fx.Settle(ctx, first, nil); err != nil {
		t.Errorf("settle of a deleted function: %v", err)
	}
	second := fx.create("fn", CreateInput{Code: code("other")})
	if err := fx.Settle(ctx, first, &Failure{}); err != nil {
		t.Fatal(err)
	}
	if now := fx.get("fn", ""); state(now) != state(second) {
		t.Errorf("after a stale settle: %q", state(now))
	}
	if err := fx.Settle(ctx, second, nil); err != nil {
		t.Fatal(err)
	}
	now := fx.get("fn", "")
	if err := fx.Settle(ctx, now, &Failure{}); err != nil { // current, but waits for nothing
		t.Fatal(err)
	}
	expect(t, "after settling twice", fx.get("fn", ""), "Active", "", "", "Successful")
}

func TestRevisionsGuardUpdates(t *testing.T) {
	const message = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
	fx := open(t)
	fx.active("fn")
	_, err := fx.UpdateCode(ctx, "fn", UpdateCodeInput{Code: code("x"), RevisionID: "wrong"})
	refused[*PreconditionError](t, err, message)
	_, err = fx.UpdateSettings(ctx, "fn", SettingsPatch{RevisionID: "wrong"})
	refused[*PreconditionError](t, err, message)
	_, err = fx.PublishVersion(ctx, "fn", PublishInput{RevisionID: "wrong"})
	refused[*PreconditionError](t, err, message)
	rev := func() string { return fx.get("fn", "").RevisionID }
	if _, err := fx.UpdateCode(ctx, "fn", UpdateCodeInput{Code: code("x"), RevisionID: rev()}); err != nil {
		t.Error(err)
	}
	fx.settle("fn", nil)
	if _, err := fx.UpdateSettings(ctx, "fn", SettingsPatch{RevisionID: rev()}); err != nil {
		t.Error(err)
	}
	fx.settle("fn", nil)
	if _, err := fx.PublishVersion(ctx, "fn", PublishInput{RevisionID: rev()}); err != nil {
		t.Error(err)
	}
}

func TestDryRunChangesNothing(t *testing.T) {
	fx := open(t)
	before := fx.active("fn")
	v, err := fx.UpdateCode(ctx, "fn", UpdateCodeInput{Code: code("other"), Architectures: []string{"arm64"}, DryRun: true})
	if err != nil || v.CodeDigest != digestOf(code("other")).digest || v.Architectures[0] != "arm64" || state(v) != state(before) || v.RevisionID != before.RevisionID {
		t.Errorf("dry run answers %+v, %v", v, err)
	}
	if now := fx.get("fn", ""); now.CodeDigest != before.CodeDigest || now.RevisionID != before.RevisionID || now.Architectures[0] != "x86_64" {
		t.Errorf("dry run changed the function to %+v", now)
	}
	if len(fx.Unsettled()) != 0 || len(fx.codeFiles()) != 1 {
		t.Errorf("dry run left %v, %v", fx.Unsettled(), fx.codeFiles())
	}
	_, err = fx.UpdateCode(ctx, "fn", UpdateCodeInput{Code: code("unfit"), DryRun: true})
	refused[*InvalidError](t, err, `The WebAssembly module cannot be run: module imports "env"."foo", which does not exist`)
}

func TestRefusedUpdatesChangeNothing(t *testing.T) {
	fx := open(t)
	before := fx.active("fn")
	if _, err := fx.UpdateSettings(ctx, "fn", SettingsPatch{Timeout: ptr(901)}); err == nil {
		t.Error("timeout 901 was accepted")
	}
	if _, err := fx.UpdateCode(ctx, "fn", UpdateCodeInput{Code: []byte("PK")}); err == nil {
		t.Error("a broken zip was accepted")
	}
	if now := fx.get("fn", ""); state(now) != state(before) || now.RevisionID != before.RevisionID || now.Timeout != 3 {
		t.Errorf("function is %+v, was %+v", now, before)
	}
	fx.resolve("")
}

func TestMissingFunctions(t *testing.T) {
	fx := open(t)
	const missing = "Function not found: " + fnARN
	_, err := fx.Get("fn", "")
	refused[*NotFoundError](t, err, missing)
	_, err = fx.Get("fn", "7")
	refused[*NotFoundError](t, err, missing+":7")
	_, err = fx.Resolve("fn", "", 0)
	refused[*NotFoundError](t, err, missing+":$LATEST")
	_, err = fx.UpdateCode(ctx, "fn", UpdateCodeInput{Code: code("x")})
	refused[*NotFoundError](t, err, missing)
	_, err = fx.UpdateSettings(ctx, "fn", SettingsPatch{})
	refused[*NotFoundError](t, err, missing)
	_, err = fx.PublishVersion(ctx, "fn", PublishInput{})
	refused[*NotFoundError](t, err, missing)
	refused[*NotFoundError](t, fx.Delete(ctx, "fn", ""), missing)
	_, _, err = fx.Versions("fn", "", 0)
	refused[*NotFoundError](t, err, missing)
	fx.active("fn")
	_, err = fx.Resolve("fn", "7", 0)
	refused[*NotFoundError](t, err, missing+":7")
	_, err = fx.Get("fn", "live")
	refused[*NotFoundError](t, err, missing+":live")
	if !err.(*NotFoundError).NotFound() {
		t.Error("a NotFoundError says that it is none")
	}
}

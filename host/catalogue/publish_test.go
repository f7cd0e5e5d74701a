package catalogue

import (
	"slices"
	"testing"
)

func TestPublishNumbersVersions(t *testing.T) {
	fx := open(t)
	fx.active("fn")
	v1 := fx.publish("fn")
	if v1.Version != "1" || v1.QualifiedARN() != fnARN+":1" || v1.State != "Active" || v1.LastUpdateStatus != "Successful" {
		t.Errorf("first version is %+v", v1)
	}
	if again := fx.publish("fn"); again.Version != "1" || again.RevisionID != v1.RevisionID {
		t.Errorf("publishing the same again made %+v", again)
	}
	fx.update("fn", "two")
	fx.settle("fn", nil)
	if v := fx.publish("fn"); v.Version != "2" {
		t.Errorf("second version is %s", v.Version)
	}
	if err := fx.Delete(ctx, "fn", "2"); err != nil {
		t.Fatal(err)
	}
	fx.reopen()
	if v := fx.publish("fn"); v.Version != "3" {
		t.Errorf("a number was used again: %s", v.Version)
	}
	if v, err := fx.UpdateSettings(ctx, "fn", SettingsPatch{Description: ptr("new")}); err != nil || v.Description != "new" {
		t.Fatal(v, err)
	}
	fx.settle("fn", nil)
	_, err := fx.PublishVersion(ctx, "fn", PublishInput{CodeSHA256: v1.CodeSHA256})
	refused[*InvalidError](t, err, "CodeSHA256 ("+v1.CodeSHA256+") is different from current CodeSHA256 in $LATEST ("+fx.get("fn", "").CodeSHA256+"). Please try again with the CodeSHA256 in $LATEST.")
	v4, err := fx.PublishVersion(ctx, "fn", PublishInput{Description: "of the version", CodeSHA256: fx.get("fn", "").CodeSHA256})
	if err != nil || v4.Version != "4" || v4.Description != "of the version" || fx.get("fn", "").Description != "new" {
		t.Errorf("fourth version is %+v, %v", v4, err)
	}
	if v := fx.publish("fn"); v.Version != "4" {
		t.Errorf("a version's own description made another one: %s", v.Version)
	}
	if err := fx.Delete(ctx, "fn", ""); err != nil {
		t.Fatal(err)
	}
	fx.active("fn")
	if v := fx.publish("fn"); v.Version != "1" {
		t.Errorf("a new function of the name begins at %s", v.Version)
	}
	if versions, _, err := fx.Versions("fn", "", 0); err != nil || len(versions) != 2 {
		t.Errorf("the new function has %d versions, %v", len(versions), err)
	}
}

func TestVersionsAreImmutable(t *testing.T) {
	fx := open(t)
	fx.active("fn")
	v1 := fx.publish("fn")
	fx.update("fn", "two")
	fx.settle("fn", nil)
	if _, err := fx.UpdateSettings(ctx, "fn", SettingsPatch{MemorySize: ptr(1024)}); err != nil {
		t.Fatal(err)
	}
	fx.settle("fn", nil)
	fx.reopen()
	now := fx.resolve("1")
	if now.CodeDigest != v1.CodeDigest || now.MemorySize != 128 || now.RevisionID != v1.RevisionID {
		t.Errorf("version 1 is %+v, was %+v", now, v1)
	}
	if _, err := fx.Code(now.CodeDigest); err != nil {
		t.Error(err)
	}
}

// TestPublishOfPendingCode: a version made together with new code waits for its
// own Settle and fails on its own.
func TestPublishOfPendingCode(t *testing.T) {
	fx := open(t)
	v := fx.create("fn", CreateInput{Publish: true})
	if v.Version != "1" {
		t.Fatalf("create with publish answers %+v", v)
	}
	expect(t, "version 1", v, "Pending", reasonCreating, "Creating")
	expect(t, "$LATEST", fx.get("fn", ""), "Pending", reasonCreating, "Creating")
	_, err := fx.Resolve("fn", "1", 0)
	refused[*NotReadyError](t, err, "The operation cannot be performed at this time. The function is currently in the following state: Pending")
	unsettled := fx.Unsettled()
	if len(unsettled) != 2 || unsettled[0].Version != "$LATEST" || unsettled[1].Version != "1" {
		t.Fatalf("unsettled are %v", unsettled)
	}
	if err := fx.Settle(ctx, unsettled[1], nil); err != nil {
		t.Fatal(err)
	}
	fx.resolve("1")
	expect(t, "$LATEST", fx.get("fn", ""), "Pending", reasonCreating, "Creating")
	fx.settle("fn", nil)

	v, err = fx.UpdateCode(ctx, "fn", UpdateCodeInput{Code: code("two"), Publish: true})
	if err != nil || v.Version != "2" {
		t.Fatalf("update with publish answers %+v, %v", v, err)
	}
	expect(t, "version 2", v, "Pending", reasonCreating, "Creating")
	fx.settle("fn", &Failure{Code: "X", Reason: "bad"})
	fx.reopen()
	expect(t, "version 2", fx.get("fn", "2"), "Failed", "bad", "X", "Failed", "bad", "X")
	expect(t, "$LATEST", fx.get("fn", ""), "Active", "", "", "Failed", "bad", "X")
	fx.resolve("")
}

func TestDeleteOfVersions(t *testing.T) {
	fx := open(t)
	fx.active("fn")
	first := fx.publish("fn")
	fx.update("fn", "two")
	fx.settle("fn", nil)
	fx.publish("fn")
	for _, in := range []AliasInput{{Name: "live", Version: "1"}, {Name: "both", Version: "2", Weights: map[string]float64{"1": 0.5}}} {
		if _, err := fx.CreateAlias(ctx, "fn", in); err != nil {
			t.Fatal(err)
		}
	}
	refused[*InvalidError](t, fx.Delete(ctx, "fn", "$LATEST"), "$LATEST version cannot be deleted without deleting the function.")
	refused[*InvalidError](t, fx.Delete(ctx, "fn", "live"), "Deletion of aliases is not currently supported.")
	refused[*NotFoundError](t, fx.Delete(ctx, "fn", "9"), "Function not found: "+fnARN+":9")
	refused[*ConflictError](t, fx.Delete(ctx, "fn", "1"), "Unable to delete version because the following aliases reference it: [both, live]")
	for _, a := range []string{"live", "both", "never was"} {
		if err := fx.DeleteAlias(ctx, "fn", a); err != nil {
			t.Fatal(err)
		}
	}
	if err := fx.Delete(ctx, "fn", "1"); err != nil {
		t.Error(err)
	}
	if slices.Contains(fx.codeFiles(), first.CodeDigest) {
		t.Error("the deleted version's code is still there")
	}
	if n, _ := fx.Usage(); n != int64(2*len(code("two"))) {
		t.Errorf("usage is %d bytes", n)
	}
}

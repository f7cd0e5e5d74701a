package catalogue

import (
	"slices"
	"strings"
	"testing"
)

// snapStart creates a function with SnapStart whose $LATEST is settled.
func (fx *fixture) snapStart() {
	fx.t.Helper()
	fx.create("fn", CreateInput{Settings: Settings{SnapStartApplyOn: SnapStartPublished}})
	fx.settle("fn", nil)
}

// settleVersion settles one published version.
func (fx *fixture) settleVersion(number string, snapshot SnapshotState, failure *Failure) Version {
	fx.t.Helper()
	v := fx.get("fn", number)
	v.Snapshot = snapshot
	if err := fx.Settle(ctx, v, failure); err != nil {
		fx.t.Fatal(err)
	}
	fx.reopen()
	return fx.get("fn", number)
}

func TestAVersionWithSnapStartWaitsForItsSnapshot(t *testing.T) {
	fx := open(t)
	fx.snapStart()
	if v := fx.get("fn", ""); v.State != StateActive || v.AsksForSnapshot() {
		t.Errorf("$LATEST waits for a snapshot: %+v", v)
	}
	fx.resolve("")
	v := fx.publish("fn")
	expect(t, "published", v, "Pending", reasonCreating, "Creating")
	if unsettled := fx.Unsettled(); len(unsettled) != 1 || unsettled[0].Version != "1" {
		t.Errorf("unsettled are %v, want version 1", unsettled)
	}
	_, err := fx.Resolve("fn", "1", 0)
	refused[*NotReadyError](t, err, "Lambda is initializing your function. It will be ready to invoke once your function state becomes ACTIVE.")
	v = fx.settleVersion("1", SnapshotState{Ready: true}, nil)
	expect(t, "settled", v, "Active", "", "", "Successful")
	if !fx.resolve("1").Snapshot.Ready {
		t.Error("the version that serves has no snapshot")
	}
	// The next one begins without: snapshots are of version 1, and of $LATEST where a
	// host makes them of all.
	latest := fx.update("fn", "two")
	latest.Snapshot.Ready = true
	if err := fx.Settle(ctx, latest, nil); err != nil {
		t.Fatal(err)
	}
	if v := fx.publish("fn"); v.Version != "2" || v.Snapshot.Ready || v.State != StatePending {
		t.Errorf("version 2 is %+v", v)
	}
}

func TestAVersionThatCannotBeCapturedRunsAndSaysWhy(t *testing.T) {
	fx := open(t)
	fx.snapStart()
	fx.publish("fn")
	v := fx.settleVersion("1", SnapshotState{Refused: "its table was changed"}, nil)
	expect(t, "settled", v, "Active", "The version runs without a snapshot: its table was changed", "", "Successful")
	fx.resolve("1")
}

func TestAVersionWhoseInitFailsIsFailedAndCanBePublishedAgain(t *testing.T) {
	fx := open(t)
	fx.snapStart()
	fx.publish("fn")
	v := fx.settleVersion("1", SnapshotState{}, &Failure{Code: "FunctionError.InitTimeout", Reason: "too slow"})
	expect(t, "failed", v, "Failed", "too slow", "FunctionError.InitTimeout", "Failed", "too slow", "FunctionError.InitTimeout")
	_, err := fx.Resolve("fn", "1", 0)
	refused[*NotReadyError](t, err, "The operation cannot be performed at this time. The function is currently in the following state: Failed")
	fx.resolve("")
	if v := fx.publish("fn"); v.Version != "2" {
		t.Errorf("publishing again answers version %s, which failed", v.Version)
	}
}

func TestSettingsThatSnapStartDoesNotGoWith(t *testing.T) {
	fx := open(t)
	const message = "EphemeralStorage of more than 512 MB is not supported for SnapStart enabled functions."
	_, err := fx.Create(ctx, CreateInput{Name: "fn", Code: code("x"), Settings: Settings{SnapStartApplyOn: SnapStartPublished, EphemeralStorage: 513}})
	refused[*InvalidError](t, err, message)
	fx.snapStart()
	_, err = fx.UpdateSettings(ctx, "fn", SettingsPatch{EphemeralStorage: ptr(1024)})
	refused[*InvalidError](t, err, message)
	if _, err := fx.UpdateSettings(ctx, "fn", SettingsPatch{EphemeralStorage: ptr(1024), SnapStartApplyOn: ptr("None")}); err != nil {
		t.Errorf("without SnapStart: %v", err)
	}
}

func TestIsolationIsChosenByAVariable(t *testing.T) {
	fx := open(t)
	for value, want := range map[string]Isolation{"request": IsolationRequest, "environment": IsolationEnvironment} {
		s := Settings{Environment: map[string]string{IsolationVariable: value}}
		for _, other := range []Isolation{IsolationRequest, IsolationEnvironment} {
			if got := s.Isolation(other); got != want {
				t.Errorf("%s with default %s: %s", value, other, got)
			}
		}
	}
	if got := (Settings{}).Isolation(IsolationRequest); got != IsolationRequest {
		t.Errorf("the default is %s", got)
	}
	for _, value := range []string{"", "Request", "process"} {
		_, err := fx.Create(ctx, CreateInput{Name: "fn", Code: code("x"), Settings: Settings{Environment: map[string]string{IsolationVariable: value}}})
		refused[*InvalidError](t, err, `Environment.Variables.LAMBENT_ISOLATION: "`+value+`" is not one of environment, request.`)
	}
}

func TestChangesAreTold(t *testing.T) {
	fx := open(t)
	var told []string
	fx.cfg.Changed = func(name string, versions []Version) {
		line := name
		for _, v := range versions {
			line += " " + v.Version + "/" + v.CodeDigest[:2]
		}
		told = append(told, line)
	}
	fx.active("fn")
	fx.publish("fn")
	old := fx.get("fn", "").CodeDigest[:2]
	next := fx.update("fn", "two").CodeDigest[:2]
	during := "fn $LATEST/" + next + " $LATEST/" + old + " 1/" + old
	if len(told) == 0 || told[len(told)-1] != during {
		t.Errorf("during an update: %q, want %q with what serves", told, during)
	}
	var present []string
	fx.Present(func(_ string, versions []Version) {
		for _, v := range versions {
			present = append(present, v.Version)
		}
	})
	if !slices.Equal(present, []string{"$LATEST", "$LATEST", "1"}) {
		t.Errorf("present are %v", present)
	}
	fx.settle("fn", nil)
	if err := fx.Delete(ctx, "fn", "1"); err != nil {
		t.Fatal(err)
	}
	if err := fx.Delete(ctx, "fn", ""); err != nil {
		t.Fatal(err)
	}
	want := "fn $LATEST/" + next + "|fn"
	if got := strings.Join(told[len(told)-2:], "|"); got != want {
		t.Errorf("after the deletions: %q, want %q", got, want)
	}
}

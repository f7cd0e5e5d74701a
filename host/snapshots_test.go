package host_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/lambent-host/lambent/host"
)

// copied is what functions/snapstart answers. FromInit is drawn at random in init:
// where it is the same, no init ran.
type copied struct {
	FromInit, FromHook string
	Count              int
}

// snapStart deploys functions/snapstart with SnapStart and publishes version 1,
// which it waits for.
func (f *fixture) snapStart(t *testing.T, env map[string]string) {
	t.Helper()
	f.deploy(t, "f", "snapstart", settings{env: env})
	f.configure(t, &lambda.UpdateFunctionConfigurationInput{SnapStart: &types.SnapStart{ApplyOn: types.SnapStartApplyOnPublishedVersions}})
	out, err := f.sdk.PublishVersion(t.Context(), &lambda.PublishVersionInput{FunctionName: aws.String("f")})
	if err != nil {
		t.Fatal(err)
	}
	if out.State != types.StatePending || out.SnapStart.OptimizationStatus != types.SnapStartOptimizationStatusOff {
		t.Errorf("PublishVersion answers State %s, SnapStart %+v", out.State, out.SnapStart)
	}
}

// configure changes "f" and waits until it is done.
func (f *fixture) configure(t *testing.T, in *lambda.UpdateFunctionConfigurationInput) {
	t.Helper()
	in.FunctionName = aws.String("f")
	if _, err := f.sdk.UpdateFunctionConfiguration(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	waiter := lambda.NewFunctionUpdatedV2Waiter(f.sdk, func(o *lambda.FunctionUpdatedV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
	})
	if err := waiter.Wait(t.Context(), &lambda.GetFunctionInput{FunctionName: in.FunctionName}, time.Minute); err != nil {
		t.Fatal(err)
	}
}

// version waits until a version of "f" is no longer Pending.
func (f *fixture) version(t *testing.T, number string) *lambda.GetFunctionConfigurationOutput {
	t.Helper()
	var out *lambda.GetFunctionConfigurationOutput
	waitFor(t, time.Minute, func() bool {
		var err error
		if out, err = f.sdk.GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("f"), Qualifier: &number}); err != nil {
			t.Fatal(err)
		}
		return out.State != types.StatePending
	}, "version "+number+" is Pending")
	return out
}

// copyOf invokes a version.
func (f *fixture) copyOf(t *testing.T, qualifier string) (copied, string) {
	t.Helper()
	out, err := f.sdk.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("f"), Qualifier: &qualifier, Payload: []byte("{}"), LogType: types.LogTypeTail})
	if err != nil {
		t.Fatal(err)
	}
	var c copied
	if err := json.Unmarshal(out.Payload, &c); err != nil || out.FunctionError != nil || c.FromInit == "" {
		t.Fatalf("%s answers %s, %v", qualifier, out.Payload, err)
	}
	return c, decodeTail(t, out.LogResult)
}

// snapshots are the files in the data folder.
func snapshots(t *testing.T, data string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, "snapshots", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestAVersionStartsFromItsSnapshotAlsoAfterARestart(t *testing.T) {
	data := t.TempDir()
	inData := func(c *host.Config) { c.DataDir = data }
	first := start(t, inData)
	first.snapStart(t, nil)
	v := first.version(t, "1")
	if v.State != types.StateActive || v.SnapStart.ApplyOn != types.SnapStartApplyOnPublishedVersions || v.SnapStart.OptimizationStatus != types.SnapStartOptimizationStatusOn {
		t.Fatalf("version 1 is %s (%s), SnapStart %+v", v.State, aws.ToString(v.StateReason), v.SnapStart)
	}
	before, log := first.copyOf(t, "1")
	if !strings.Contains(log, "\tRestore Duration: ") || !strings.Contains(log, "\tBilled Restore Duration: ") || strings.Contains(log, "Init Duration") {
		t.Errorf("log of the first invocation:\n%s", log)
	}
	latest, log := first.copyOf(t, "$LATEST")
	if strings.Contains(log, "Restore Duration") || !strings.Contains(log, "Init Duration") || latest.FromInit == before.FromInit || latest.FromHook != "" {
		t.Errorf("$LATEST was restored: %+v\n%s", latest, log)
	}
	if files := snapshots(t, data); len(files) != 1 {
		t.Errorf("snapshots on disk: %v", files)
	}
	first.stop(t)

	second := start(t, inData)
	after, log := second.copyOf(t, "1")
	if after.FromInit != before.FromInit || after.FromHook == before.FromHook || after.Count != 1 || !strings.Contains(log, "Restore Duration") {
		t.Errorf("after a restart %+v, before %+v: want no init, and a copy of its own\n%s", after, before, log)
	}
	if _, err := second.sdk.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: aws.String("f"), Qualifier: aws.String("1")}); err != nil {
		t.Fatal(err)
	}
	if files := snapshots(t, data); len(files) != 0 {
		t.Errorf("after the version was deleted there are %v", files)
	}
}

func TestADamagedSnapshotIsMadeAnew(t *testing.T) {
	data := t.TempDir()
	inData := func(c *host.Config) { c.DataDir = data }
	first := start(t, inData)
	first.snapStart(t, nil)
	first.version(t, "1")
	before, _ := first.copyOf(t, "1")
	first.stop(t)
	files := snapshots(t, data)
	if len(files) != 1 {
		t.Fatalf("snapshots on disk: %v", files)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	orphan := filepath.Join(data, "snapshots", strings.Repeat("0", 16)+"-"+strings.Repeat("0", 32)+".snapshot")
	if err := os.WriteFile(orphan, whole, 0o600); err != nil { // of a version that is gone
		t.Fatal(err)
	}
	whole[len(whole)/2] ^= 0x40
	if err := os.WriteFile(files[0], whole, 0o600); err != nil {
		t.Fatal(err)
	}
	second := start(t, inData)
	after, log := second.copyOf(t, "1")
	if after.FromInit == before.FromInit || !strings.Contains(log, "Restore Duration") {
		t.Errorf("with a damaged file %+v, before %+v: want an init, and a restore from what it made\n%s", after, before, log)
	}
	second.stop(t)
	third := start(t, inData)
	if again, _ := third.copyOf(t, "1"); again.FromInit != after.FromInit {
		t.Error("what was made anew was not kept")
	}
	if files := snapshots(t, data); len(files) != 1 || files[0] == orphan {
		t.Errorf("snapshots on disk: %v", files)
	}
	third.stop(t)
	// What is there is not used where none are to be, and is kept for later.
	off := start(t, inData, func(c *host.Config) { c.SnapStart = "off" })
	if v := off.version(t, "1"); v.SnapStart.OptimizationStatus != types.SnapStartOptimizationStatusOff {
		t.Errorf("off: the version tells SnapStart %+v", v.SnapStart)
	}
	if _, log := off.copyOf(t, "1"); strings.Contains(log, "Restore Duration") {
		t.Errorf("off: it was restored\n%s", log)
	}
	if files := snapshots(t, data); len(files) != 1 {
		t.Errorf("off: snapshots on disk: %v", files)
	}
}

func TestAVersionWhoseInitFailsIsFailed(t *testing.T) {
	f := start(t)
	f.snapStart(t, map[string]string{"HOOK": "before"})
	v := f.version(t, "1")
	if v.State != types.StateFailed || v.StateReasonCode != "FunctionError.RuntimeInitError" || !strings.Contains(aws.ToString(v.StateReason), "the hook failed as asked") {
		t.Errorf("version 1 is %s, %s: %s", v.State, v.StateReasonCode, aws.ToString(v.StateReason))
	}
	if files := snapshots(t, f.dir); len(files) != 0 {
		t.Errorf("snapshots on disk: %v", files)
	}
}

// The errors of a restore are those of the API model, as its clients know them.
func TestARestoreThatFailsIsLambdasError(t *testing.T) {
	f := start(t)
	f.snapStart(t, map[string]string{"HOOK": "after"})
	f.version(t, "1")
	_, err := f.sdk.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("f"), Qualifier: aws.String("1"), Payload: []byte("{}")})
	var failed *types.SnapStartException
	if !errors.As(err, &failed) || !strings.Contains(failed.ErrorMessage(), "the hook failed as asked") {
		t.Errorf("%v, want SnapStartException", err)
	}
	if testing.Short() {
		t.Skip("-short: a restore has ten seconds")
	}
	f.configure(t, &lambda.UpdateFunctionConfigurationInput{Environment: &types.Environment{Variables: map[string]string{"HOOK": "hang"}}})
	if _, err := f.sdk.PublishVersion(t.Context(), &lambda.PublishVersionInput{FunctionName: aws.String("f")}); err != nil {
		t.Fatal(err)
	}
	f.version(t, "2")
	_, err = f.sdk.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("f"), Qualifier: aws.String("2"), Payload: []byte("{}")})
	var timeout *types.SnapStartTimeoutException
	if !errors.As(err, &timeout) {
		t.Errorf("%v, want SnapStartTimeoutException", err)
	}
}

func TestTheHostMakesSnapshotsOfAllVersionsOrOfNone(t *testing.T) {
	all := start(t, func(c *host.Config) { c.SnapStart = "all" })
	all.deploy(t, "f", "snapstart", settings{})
	before, log := all.copyOf(t, "$LATEST")
	if !strings.Contains(log, "Restore Duration") || before.FromHook == "" {
		t.Errorf("all: $LATEST was not restored: %+v\n%s", before, log)
	}
	if out := all.version(t, "$LATEST"); out.SnapStart.OptimizationStatus != types.SnapStartOptimizationStatusOff {
		t.Errorf("all: $LATEST tells SnapStart %+v", out.SnapStart)
	}
	all.configure(t, &lambda.UpdateFunctionConfigurationInput{Environment: &types.Environment{Variables: map[string]string{"A_B": "c"}}})
	if after, _ := all.copyOf(t, "$LATEST"); after.FromInit == before.FromInit {
		t.Error("all: a snapshot outlived the settings it was made with")
	}
	if files := snapshots(t, all.dir); len(files) != 1 {
		t.Errorf("all: after an update there are %v", files)
	}

	none := start(t, func(c *host.Config) { c.SnapStart = "off" })
	none.snapStart(t, nil)
	v := none.version(t, "1")
	if v.State != types.StateActive || v.SnapStart.ApplyOn != types.SnapStartApplyOnPublishedVersions || v.SnapStart.OptimizationStatus != types.SnapStartOptimizationStatusOff {
		t.Errorf("off: version 1 is %s, SnapStart %+v", v.State, v.SnapStart)
	}
	if _, log := none.copyOf(t, "1"); !strings.Contains(log, "Init Duration") || strings.Contains(log, "Restore Duration") {
		t.Errorf("off: it was restored\n%s", log)
	}
	if _, err := os.Stat(filepath.Join(none.dir, "snapshots")); err == nil {
		t.Error("off: there is a folder of snapshots")
	}
}

func TestIsolationByRequestIsAskedForByAVariable(t *testing.T) {
	f := start(t)
	f.deploy(t, "counter", "counter", settings{env: map[string]string{"LAMBENT_ISOLATION": "request"}})
	f.deploy(t, "f", "counter", settings{})
	for n := range 3 {
		if got := string(f.invoke(t, "counter", "{}").Payload); got != `{"count":1}` {
			t.Errorf("invocation %d answers %s: it found something of the one before", n+1, got)
		}
	}
	f.invoke(t, "f", "{}")
	if got := string(f.invoke(t, "f", "{}").Payload); got != `{"count":2}` {
		t.Errorf("a function that did not ask answers %s", got)
	}
	_, err := f.sdk.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: aws.String("f"), Environment: &types.Environment{Variables: map[string]string{"LAMBENT_ISOLATION": "process"}},
	})
	var refused interface {
		ErrorCode() string
		ErrorMessage() string
	}
	if !errors.As(err, &refused) || refused.ErrorCode() != "InvalidParameterValueException" || !strings.Contains(refused.ErrorMessage(), "Environment.Variables.LAMBENT_ISOLATION") {
		t.Errorf("%v, want InvalidParameterValueException that names the variable", err)
	}
	byDefault := start(t, func(c *host.Config) { c.Isolation = "request" })
	byDefault.deploy(t, "counter", "counter", settings{})
	for range 2 {
		if got := string(byDefault.invoke(t, "counter", "{}").Payload); got != `{"count":1}` {
			t.Errorf("with the host's default it answers %s", got)
		}
	}
}

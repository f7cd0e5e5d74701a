package environment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/abi/gobuild"
	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/extensions/extensionstest"
	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/snapshot"
	"github.com/lambent-host/lambent/telemetry"
)

// hostLog is the host's log, which goroutines write.
type hostLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *hostLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *hostLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// copying is a pool whose environments are restored from snapshots, with all that
// it tells.
type copying struct {
	*Pool
	t      *testing.T
	events *telemetry.Subscription
	log    *hostLog
	tmp    string
}

func newCopying(t *testing.T, wasm []byte, change func(cfg *Config)) *copying {
	t.Helper()
	store, err := snapshot.Open(snapshot.Config{Dir: t.TempDir(), MaxBytes: 1 << 30, Idle: time.Hour, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	c := &copying{t: t, log: new(hostLog)}
	t.Cleanup(func() { // after the pool was shut down
		if n := store.Leases(); n != 0 {
			t.Errorf("%d snapshots are still leased", n)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	c.Pool, _ = newPoolOf(t, wasm, func(cfg *Config) {
		cfg.SnapStart, cfg.Snapshots, cfg.Isolation = SnapStartAPI, store, catalogue.IsolationEnvironment
		cfg.SnapshotInitTimeout, cfg.RestoreTimeout = SnapshotInitTimeout, RestoreTimeout
		cfg.Log = zerolog.New(c.log)
		c.events, c.tmp = cfg.Bus.Subscribe(telemetry.SubscriptionConfig{}), cfg.TmpRoot
		if change != nil {
			change(cfg)
		}
	})
	return c
}

func keeper(t *testing.T) []byte {
	t.Helper()
	return gobuildtest.Package(t, "host/environment/testdata/keeper", gobuild.SeamAuto)
}

// asking is a published version that asks for a snapshot.
func asking(environment ...string) catalogue.Version {
	v := version("a")
	v.Version, v.SnapStartApplyOn, v.MemorySize = "1", catalogue.SnapStartPublished, 128
	v.Environment = map[string]string{}
	for _, pair := range environment {
		if name, value, given := strings.Cut(pair, "="); given {
			v.Environment[name] = value
		}
	}
	return v
}

// published has the snapshot made, which must go well.
func (c *copying) published(v catalogue.Version) catalogue.Version {
	c.t.Helper()
	state, failure := c.Capture(c.t.Context(), v)
	if failure != nil {
		c.t.Fatalf("publishing failed: %+v\n%s", failure, c.log)
	}
	v.Snapshot = state
	return v
}

// told returns the types of the events since the last call, lines of the function
// as they were written.
func (c *copying) told() (all []string, records map[telemetry.Type]any) {
	records = map[telemetry.Type]any{}
	for {
		ev, ok := c.events.TryNext()
		if !ok {
			return all, records
		}
		if ev.Type == telemetry.TypeFunction {
			all = append(all, fmt.Sprint(ev.Record))
			continue
		}
		all, records[ev.Type] = append(all, strings.TrimPrefix(string(ev.Type), "platform.")), ev.Record
	}
}

func (c *copying) tells(what string, want ...string) map[telemetry.Type]any {
	c.t.Helper()
	got, records := c.told()
	if !slices.Equal(got, want) {
		c.t.Errorf("%s tells\n %q, want\n %q", what, got, want)
	}
	return records
}

// answer is that of functions/snapstart.
type answerOf struct {
	FromInit, FromHook, Now string
	Count                   int
}

func read(t *testing.T, a Answer) (out answerOf) {
	t.Helper()
	if err := json.Unmarshal(a.Payload, &out); err != nil || a.FunctionError != "" {
		t.Fatalf("answer %s %s: %v", a.FunctionError, a.Payload, err)
	}
	return out
}

func TestACopyRunsNoInitAndHasWhatIsItsOwn(t *testing.T) {
	c := newCopying(t, gobuildtest.Function(t, "snapstart"), nil)
	v := c.published(asking())
	if !v.Snapshot.Ready || v.Snapshot.Refused != "" {
		t.Fatalf("snapshot state %+v", v.Snapshot)
	}
	records := c.tells("publishing", "initStart", "init runs", "before the snapshot", "initRuntimeDone", "initReport")
	if r := records[telemetry.TypeInitStart].(telemetry.InitStart); r.InitializationType != telemetry.SnapStart || r.Phase != telemetry.PhaseInit {
		t.Errorf("initStart is %+v", r)
	}
	if r := records[telemetry.TypeInitReport].(telemetry.InitReport); r.Status != telemetry.StatusSuccess || r.Metrics.DurationMs <= 0 {
		t.Errorf("initReport is %+v", r)
	}

	held, err := c.Acquire(t.Context(), v, "") // so that the next is another copy
	if err != nil {
		t.Fatal(err)
	}
	if !held.Cold() || !held.Restored() {
		t.Errorf("cold %v, restored %v", held.Cold(), held.Restored())
	}
	records = c.tells("a restore", "restoreStart", "after the restore", "restoreRuntimeDone", "restoreReport")
	if r := records[telemetry.TypeRestoreStart].(telemetry.RestoreStart); r.FunctionName != "f" || r.FunctionVersion != "1" || r.InstanceID == "" || r.InstanceMaxMemory != 128<<20 {
		t.Errorf("restoreStart is %+v", r)
	}
	if r := records[telemetry.TypeRestoreRuntimeDone].(telemetry.RestoreRuntimeDone); r.Status != telemetry.StatusSuccess {
		t.Errorf("restoreRuntimeDone is %+v", r)
	}
	restored := records[telemetry.TypeRestoreReport].(telemetry.RestoreReport)
	if restored.Status != telemetry.StatusSuccess || restored.Metrics.DurationMs <= 0 {
		t.Errorf("restoreReport is %+v", restored)
	}
	late := held.env.stream.Subscribe(telemetry.SubscriptionConfig{})
	if ev, replayed := late.TryNext(); replayed {
		t.Errorf("who subscribes after the restore is told of %s", ev.Type)
	}
	late.Close()
	first, _ := run(t, c.Pool, v)
	c.told()
	answer, err := held.Invoke(t.Context(), Invocation{RequestID: "r", Payload: []byte("{}"), Deadline: time.Now().Add(5 * time.Second), Tail: true}, func() {})
	if err != nil {
		t.Fatal(err)
	}
	report := c.tells("its first invocation", "start", "runtimeDone", "report")[telemetry.TypeReport].(telemetry.Report).Metrics
	if report.InitDurationMs != nil || *report.RestoreDurationMs != restored.Metrics.DurationMs || *report.BilledRestoreDurationMs < 1 ||
		report.BilledDurationMs <= *report.BilledRestoreDurationMs {
		t.Errorf("the first report is %+v after a restore of %v ms", report, restored.Metrics.DurationMs)
	}
	want := fmt.Sprintf("\tRestore Duration: %.2f ms\tBilled Restore Duration: %d ms\t", *report.RestoreDurationMs, *report.BilledRestoreDurationMs)
	if !strings.Contains(string(answer.LogTail), want) || strings.Contains(string(answer.LogTail), "Init Duration") {
		t.Errorf("log %q, want %q", answer.LogTail, want)
	}
	one, two := read(t, first), read(t, answer)
	if one.FromInit == "" || one.FromInit != two.FromInit || one.Count != 1 || two.Count != 1 {
		t.Errorf("two copies of one init answer %+v and %+v", one, two)
	}
	if one.FromHook == "" || one.FromHook == two.FromHook || one.Now == two.Now {
		t.Errorf("two copies draw the same random text: %+v and %+v", one, two)
	}
	warm, cold := run(t, c.Pool, v)
	if got := read(t, warm); cold || got.Count != 2 {
		t.Errorf("the warm copy answers %+v, cold %v", got, cold)
	}
	if m := c.tells("a warm one", "start", "runtimeDone", "report")[telemetry.TypeReport].(telemetry.Report).Metrics; m.RestoreDurationMs != nil || m.BilledRestoreDurationMs != nil {
		t.Errorf("the second report is %+v", m)
	}
}

func TestTheGuestOfASnapshotSeesThatItIsOne(t *testing.T) {
	p := &Pool{cfg: Config{Region: "r"}}
	v := asking()
	v.Logging.Group = "/aws/lambda/f"
	e := &environment{cfg: &p.cfg, version: v, kind: telemetry.SnapStart, id: "i"}
	for _, pair := range e.variables() {
		if strings.HasPrefix(pair, "AWS_LAMBDA_LOG_") {
			t.Errorf("it has %s, which would be another environment's", pair)
		}
	}
	if !slices.Contains(e.variables(), "AWS_LAMBDA_INITIALIZATION_TYPE=snap-start") {
		t.Errorf("variables are %q", e.variables())
	}
	e.kind = telemetry.OnDemand
	if !slices.Contains(e.variables(), "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand") || !slices.Contains(e.variables(), "AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/f") {
		t.Errorf("variables are %q", e.variables())
	}
}

// A snapshot is not used for what its init did not see.
func TestTheKeyOfASnapshotHoldsWhatInitSees(t *testing.T) {
	p := &Pool{cfg: Config{Region: "r", AccountID: "a"}}
	base := p.SnapshotKey(asking())
	if p.SnapshotKey(asking()) != base {
		t.Error("equal versions have different keys")
	}
	same := asking()
	same.RevisionID, same.Description, same.Timeout, same.Role, same.State = "other", "d", 60, "r", "Active"
	if p.SnapshotKey(same) != base {
		t.Error("what init cannot see makes another key")
	}
	for name, change := range map[string]func(v *catalogue.Version){
		"function": func(v *catalogue.Version) { v.FunctionName = "g" },
		"version":  func(v *catalogue.Version) { v.Version = "2" },
		"code":     func(v *catalogue.Version) { v.CodeDigest = "d" },
		"memory":   func(v *catalogue.Version) { v.MemorySize = 256 },
		"tmp":      func(v *catalogue.Version) { v.EphemeralStorage = 1024 },
		"handler":  func(v *catalogue.Version) { v.Handler = "h" },
		"variable": func(v *catalogue.Version) { v.Environment = map[string]string{"A": "b"} },
		"log":      func(v *catalogue.Version) { v.Logging.Format = "JSON" },
	} {
		v := asking()
		change(&v)
		if p.SnapshotKey(v) == base {
			t.Errorf("another %s has the same key", name)
		}
	}
}

func TestAVersionFailsWithItsInit(t *testing.T) {
	hooks, exit := gobuildtest.Function(t, "snapstart"), gobuildtest.Function(t, "exit")
	for name, tc := range map[string]struct {
		wasm         []byte
		variable     string
		limit        time.Duration
		code, reason string
	}{
		"hook":    {hooks, "HOOK=before", time.Minute, "FunctionError.RuntimeInitError", "the hook failed as asked"},
		"exit":    {exit, "EXIT_AT=init", time.Minute, "FunctionError.RuntimeInitError", "exit status 3"},
		"timeout": {keeper(t), "HANG=1", 200 * time.Millisecond, "FunctionError.InitTimeout", "timed out"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCopying(t, tc.wasm, func(cfg *Config) { cfg.SnapshotInitTimeout = tc.limit })
			v := asking(tc.variable)
			v.Timeout = 0
			state, failure := c.Capture(t.Context(), v)
			if failure == nil || failure.Code != tc.code || !strings.Contains(failure.Reason, tc.reason) || state.Ready {
				t.Errorf("state %+v, failure %+v; want %s with %q", state, failure, tc.code, tc.reason)
			}
			if _, records := c.told(); records[telemetry.TypeInitReport].(telemetry.InitReport).Status == telemetry.StatusSuccess {
				t.Error("telemetry tells of a success")
			}
			// Where nobody asked, invocations meet the failure as without a snapshot.
			c.cfg.SnapStart = SnapStartAll
			v.SnapStartApplyOn = "None"
			if state, failure := c.Capture(t.Context(), v); failure != nil || state.Ready {
				t.Errorf("unasked: state %+v, failure %+v", state, failure)
			}
		})
	}
}

func TestARestoreThatFailsRefusesTheInvocation(t *testing.T) {
	for hook, want := range map[string]RestoreError{
		"after": {Message: "the hook failed as asked"},
		"exit":  {Message: "exit status 7"},
		"hang":  {Timeout: true, Message: "within the timeout limit"},
	} {
		t.Run(hook, func(t *testing.T) {
			c := newCopying(t, gobuildtest.Function(t, "snapstart"), func(cfg *Config) { cfg.RestoreTimeout = 300 * time.Millisecond })
			v := c.published(asking("HOOK=" + hook))
			c.told()
			began := time.Now()
			_, err := c.Acquire(t.Context(), v, "")
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("the restore was given up after %v", took)
			}
			var failed *RestoreError
			if !errors.As(err, &failed) || failed.Timeout != want.Timeout || !strings.Contains(failed.Message, want.Message) {
				t.Errorf("Acquire: %v, want %+v", err, want)
			}
			_, records := c.told()
			status := telemetry.StatusError
			if want.Timeout {
				status = telemetry.StatusTimeout
			}
			done, report := records[telemetry.TypeRestoreRuntimeDone].(telemetry.RestoreRuntimeDone), records[telemetry.TypeRestoreReport].(telemetry.RestoreReport)
			if done.Status != status || report.Status != status || (report.ErrorType == "") != want.Timeout {
				t.Errorf("restoreRuntimeDone %+v, restoreReport %+v; want %s", done, report, status)
			}
			if left, err := os.ReadDir(c.tmp); err != nil || len(left) > 0 || c.Warm() > 0 {
				t.Errorf("left behind: %v, %d warm, %v", left, c.Warm(), err)
			}
		})
	}
}

// Where nobody asked for a snapshot a failing init costs no more than without one:
// it has the time of any init, and environments do not run it twice.
func TestAFailingInitIsNotRunForNothing(t *testing.T) {
	c := newCopying(t, keeper(t), func(cfg *Config) {
		cfg.SnapStart, cfg.InitTimeout, cfg.SnapshotInitTimeout = SnapStartAll, 200*time.Millisecond, time.Hour
	})
	v := asking("HANG=1")
	v.SnapStartApplyOn, v.Timeout = "None", 1
	if state, failure := c.Capture(t.Context(), v); state.Ready || failure != nil {
		t.Errorf("state %+v, failure %+v", state, failure)
	}
	c.told()
	answer, cold := run(t, c.Pool, v)
	if answer.FunctionError == "" || !cold {
		t.Errorf("answer %s", answer.Payload)
	}
	all, records := c.told()
	last := records[telemetry.TypeInitStart].(telemetry.InitStart)
	if n := strings.Count(strings.Join(all, " "), "initStart"); n != 2 || last.InitializationType != telemetry.OnDemand || last.Phase != telemetry.PhaseInvoke {
		t.Errorf("it tells %q, want one init, on demand, and its repetition by the invocation", all)
	}
	c.broken[c.SnapshotKey(v)] = time.Now().Add(-captureRest)
	if c.justBroken(c.SnapshotKey(v)) {
		t.Error("it is not tried again after its rest")
	}
	if c.forgetBroken(); len(c.broken) != 0 {
		t.Error("it is remembered for ever")
	}
}

// What cannot be captured runs without a snapshot, and the version says why.
func TestWhatCannotBeCapturedRunsItsInit(t *testing.T) {
	for name, tc := range map[string]struct {
		wasm             []byte
		variable, reason string
	}{
		"a command":     {gobuildtest.Function(t, "stdio"), "", "command"},
		"files in /tmp": {keeper(t), "KEEP=1", "files in /tmp"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCopying(t, tc.wasm, nil)
			v := c.published(asking(tc.variable))
			if v.Snapshot.Ready || !strings.Contains(v.Snapshot.Refused, tc.reason) || !strings.Contains(c.log.String(), tc.reason) {
				t.Errorf("state %+v, log %s; want %q in both", v.Snapshot, c.log, tc.reason)
			}
			if n := c.cfg.Snapshots.DiskBytes(); n > 0 {
				t.Errorf("a snapshot of %d bytes was kept", n)
			}
			c.told()
			if answer, _ := run(t, c.Pool, v); answer.FunctionError != "" {
				t.Errorf("answer %s", answer.Payload)
			}
			if _, records := c.told(); records[telemetry.TypeInitStart].(telemetry.InitStart).InitializationType != telemetry.OnDemand || records[telemetry.TypeRestoreStart] != nil {
				t.Errorf("it tells %v, want an init on demand", records)
			}
		})
	}
}

func TestTheHostDecidesOfWhichVersionsSnapshotsAreMade(t *testing.T) {
	latest, plain, asks := version("a"), version("a"), asking()
	plain.Version = "1"
	for _, tc := range []struct {
		mode     SnapStart
		version  catalogue.Version
		restored bool
	}{
		{SnapStartAPI, latest, false}, {SnapStartAPI, plain, false}, {SnapStartAPI, asks, true},
		{SnapStartAll, latest, true}, {SnapStartAll, plain, true}, {SnapStartAll, asks, true},
		{SnapStartOff, latest, false}, {SnapStartOff, plain, false}, {SnapStartOff, asks, false},
	} {
		c := newCopying(t, gobuildtest.Function(t, "counter"), func(cfg *Config) { cfg.SnapStart = tc.mode })
		v := c.published(tc.version)
		lease, err := c.Acquire(t.Context(), v, "")
		if err != nil {
			t.Fatal(err)
		}
		if lease.Restored() != tc.restored || v.Snapshot.Ready != tc.restored {
			t.Errorf("%s, version %s that asks %v: restored %v, state %+v", tc.mode, v.Version, v.AsksForSnapshot(), lease.Restored(), v.Snapshot)
		}
		if _, err := lease.Invoke(t.Context(), Invocation{Payload: []byte("{}"), Deadline: time.Now().Add(5 * time.Second)}, func() {}); err != nil {
			t.Fatal(err)
		}
	}
}

// That a version cannot be captured is known from its publishing: it is not tried
// again after a restart.
func TestWhatWasRefusedIsNotTriedAgain(t *testing.T) {
	c := newCopying(t, gobuildtest.Function(t, "snapstart"), func(cfg *Config) { cfg.SnapStart = SnapStartAll })
	v := asking()
	v.Snapshot.Refused = "as was found when it was published"
	run(t, c.Pool, v)
	if all, _ := c.told(); strings.Contains(strings.Join(all, " "), "before the snapshot") {
		t.Errorf("it tells %q", all)
	}
}

// A snapshot that was lost is made again where it is needed.
func TestALostSnapshotIsMadeAgain(t *testing.T) {
	c := newCopying(t, gobuildtest.Function(t, "snapstart"), nil)
	v := c.published(asking())
	first, _ := run(t, c.Pool, v)
	if err := c.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.cfg.Snapshots.Retain(v.FunctionName, nil)
	again := newCopying(t, gobuildtest.Function(t, "snapstart"), func(cfg *Config) { cfg.Snapshots = c.cfg.Snapshots })
	second, _ := run(t, again.Pool, v)
	if one, two := read(t, first), read(t, second); one.FromInit == two.FromInit || two.FromHook == "" {
		t.Errorf("%+v, then %+v: want another init, and a copy of it", one, two)
	}
	if all, _ := again.told(); slices.Index(all, "init runs") < 0 || slices.Index(all, "restoreStart") < slices.Index(all, "init runs") {
		t.Errorf("it tells %q, want an init and then a restore", all)
	}
}

func TestAnExtensionSeesARestore(t *testing.T) {
	c := newCopying(t, gobuildtest.Function(t, "counter"), nil)
	c.cfg.ExtensionsDir = extensionstest.Sample(t)
	file := filepath.Join(t.TempDir(), "timeline.jsonl")
	v := c.published(asking("TIMELINE_FILE=" + file))
	if _, err := os.Stat(file); err == nil {
		t.Error("an extension ran while the snapshot was made")
	}
	for _, want := range []string{`{"count":1}`, `{"count":2}`} {
		if answer, _ := run(t, c.Pool, v); string(answer.Payload) != want {
			t.Errorf("answer %s, want %s", answer.Payload, want)
		}
	}
	if err := c.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"platform.restoreStart", "platform.restoreRuntimeDone", "platform.restoreReport", `"restoreDurationMs"`, `"billedRestoreDurationMs"`} {
		if !bytes.Contains(raw, []byte(want)) {
			t.Errorf("the extension did not receive %s:\n%s", want, raw)
		}
	}
	if bytes.Contains(raw, []byte("platform.initStart")) {
		t.Errorf("the extension heard of an init:\n%s", raw)
	}
}

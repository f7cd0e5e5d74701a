package catalogue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/host/store"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("LAMBENT_TEST_CRASH_DIR"); dir != "" {
		crashChild(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

var ctx = context.Background()

const fnARN = "arn:aws:lambda:us-east-1:123456789012:function:fn"

// fixture is a catalogue on a folder that can be reopened.
type fixture struct {
	*Catalogue
	t   testing.TB
	dir string
	st  *store.Store
}

func open(t testing.TB) *fixture {
	t.Helper()
	fx := &fixture{t: t, dir: t.TempDir()}
	fx.start()
	t.Cleanup(func() {
		if err := fx.st.Close(); err != nil {
			t.Error(err)
		}
	})
	return fx
}

func (fx *fixture) start() {
	fx.t.Helper()
	var err error
	if fx.st, fx.Catalogue, err = openDir(fx.dir); err != nil {
		fx.t.Fatal(err)
	}
}

func openDir(dir string) (*store.Store, *Catalogue, error) {
	st, err := store.Open(filepath.Join(dir, "lambent.db"), store.Options{})
	if err != nil {
		return nil, nil, err
	}
	c, err := Open(st, filepath.Join(dir, "code"), Config{
		Region: "us-east-1", AccountID: "123456789012",
		Inspect: func(wasm []byte) error {
			if strings.Contains(string(wasm), "unfit") {
				return errors.New(`module imports "env"."foo", which does not exist`)
			}
			return nil
		},
	})
	return st, c, err
}

func (fx *fixture) reopen() {
	fx.t.Helper()
	if err := fx.st.Close(); err != nil {
		fx.t.Fatal(err)
	}
	fx.start()
}

// code is a module that differs by its tag.
func code(tag string) []byte { return []byte("\x00asm\x01\x00\x00\x00" + tag) }

func (fx *fixture) create(name string, in CreateInput) Version {
	fx.t.Helper()
	in.Name = name
	if in.Code == nil {
		in.Code = code(name)
	}
	v, err := fx.Create(ctx, in)
	if err != nil {
		fx.t.Fatal(err)
	}
	return v
}

// active creates a function and settles it.
func (fx *fixture) active(name string) Version {
	fx.t.Helper()
	fx.create(name, CreateInput{})
	return fx.settle(name, nil)
}

// settle settles everything that waits and returns $LATEST.
func (fx *fixture) settle(name string, failure *Failure) Version {
	fx.t.Helper()
	for _, v := range fx.Unsettled() {
		if err := fx.Settle(ctx, v, failure); err != nil {
			fx.t.Fatal(err)
		}
	}
	return fx.get(name, "")
}

func (fx *fixture) get(name, qualifier string) Version {
	fx.t.Helper()
	v, err := fx.Get(name, qualifier)
	if err != nil {
		fx.t.Fatal(err)
	}
	return v
}

func (fx *fixture) update(name, tag string) Version {
	fx.t.Helper()
	v, err := fx.UpdateCode(ctx, name, UpdateCodeInput{Code: code(tag)})
	if err != nil {
		fx.t.Fatal(err)
	}
	return v
}

func (fx *fixture) publish(name string) Version {
	fx.t.Helper()
	v, err := fx.PublishVersion(ctx, name, PublishInput{})
	if err != nil {
		fx.t.Fatal(err)
	}
	return v
}

// refused checks type and message of an error.
func refused[E error](t testing.TB, err error, message string) {
	t.Helper()
	var want E
	if !errors.As(err, &want) {
		t.Errorf("error is %T (%v), want %T %q", err, err, want, message)
		return
	}
	if err.Error() != message {
		t.Errorf("message is\n %s\nwant\n %s", err, message)
	}
}

func ptr[T any](v T) *T { return &v }

func TestCreateFillsDefaults(t *testing.T) {
	fx := open(t)
	v := fx.create("fn", CreateInput{})
	want := Settings{
		MemorySize: 128, Timeout: 3, EphemeralStorage: 512, Architectures: []string{"x86_64"},
		TracingMode: "PassThrough", SnapStartApplyOn: "None",
		Logging: Logging{Format: "Text", Group: "/aws/lambda/fn"},
	}
	if !reflect.DeepEqual(v.Settings, want) {
		t.Errorf("settings are %+v, want %+v", v.Settings, want)
	}
	if v.State != "Pending" || v.StateReasonCode != "Creating" || v.StateReason != "The function is being created." || v.LastUpdateStatus != "" {
		t.Errorf("state is %s %s %q, last update %q", v.State, v.StateReasonCode, v.StateReason, v.LastUpdateStatus)
	}
	if v.Version != "$LATEST" || v.FunctionARN != fnARN || v.QualifiedARN() != fnARN+":$LATEST" || v.CodeSize != 10 {
		t.Errorf("version is %+v", v)
	}
	if len(v.RevisionID) != 36 || time.Since(v.LastModified) > time.Minute {
		t.Errorf("revision %q, last modified %v", v.RevisionID, v.LastModified)
	}
	if b, err := fx.Code(v.CodeDigest); err != nil || string(b) != string(code("fn")) {
		t.Errorf("code is %q, %v", b, err)
	}
	if n, functions := fx.Usage(); n != 10 || functions != 1 {
		t.Errorf("usage is %d bytes, %d functions", n, functions)
	}
}

func TestCreateRefuses(t *testing.T) {
	fx := open(t)
	fx.create("fn", CreateInput{})
	create := func(in CreateInput) error { _, err := fx.Create(ctx, in); return err }
	refused[*ConflictError](t, create(CreateInput{Name: "fn", Code: code("x")}), "Function already exist: fn")
	refused[*InvalidError](t, create(CreateInput{Name: "a/b", Code: code("x")}),
		"1 validation error detected: Value 'a/b' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9-_]{1,64}")
	refused[*InvalidError](t, create(CreateInput{Name: "new"}), "Please provide a source for function code.")
	refused[*InvalidError](t, create(CreateInput{Name: "new", Code: code("unfit")}),
		`The WebAssembly module cannot be run: module imports "env"."foo", which does not exist`)
	refused[error](t, create(CreateInput{Name: "new", Code: []byte("zip?")}),
		"Could not unzip uploaded file. Please check your file, then try to upload again.")
	refused[*InvalidError](t, create(CreateInput{Name: "new", Code: code("x"), Settings: Settings{MemorySize: 64}}),
		"1 validation error detected: Value '64' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128")
	refused[*InvalidError](t, create(CreateInput{Name: "new", Code: code("x"), Tags: map[string]string{"aws:x": "y"}}),
		`The tag key "aws:x" begins with aws:, which is reserved.`)
	if _, err := fx.Get("new", ""); err == nil {
		t.Error("a refused function exists")
	}
	if files := fx.codeFiles(); len(files) != 1 {
		t.Errorf("code files are %v, want one", files)
	}
}

func (fx *fixture) codeFiles() (names []string) {
	fx.t.Helper()
	entries, err := os.ReadDir(filepath.Join(fx.dir, "code"))
	if err != nil {
		fx.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestEnvironmentRules(t *testing.T) {
	fx := open(t)
	create := func(env map[string]string) error {
		_, err := fx.Create(ctx, CreateInput{Name: "fn", Code: code("x"), Settings: Settings{Environment: env}})
		return err
	}
	prefix := "Lambda was unable to configure your environment variables because the environment variables you have provided "
	refused[*InvalidError](t, create(map[string]string{"AWS_REGION": "x", "_HANDLER": "y", "OK": "z"}),
		prefix+"contains reserved keys that are currently not supported for modification. Reserved keys used in this request: AWS_REGION, _HANDLER")
	long := strings.Repeat("<", 4096-len(`{"KEY":""}`))
	refused[*InvalidError](t, create(map[string]string{"KEY": long + "x"}),
		prefix+`exceeded the 4KB limit. String measured: {"KEY":"`+long+`x"}`)
	for _, bad := range []string{"A=B", "1A", "", "A B"} {
		var invalid *InvalidError
		if err := create(map[string]string{bad: "x"}); !errors.As(err, &invalid) || !invalid.Validation {
			t.Errorf("key %q: %v", bad, err)
		}
	}
	refused[*InvalidError](t, create(map[string]string{"KEY": "a\x00b"}), "The value of the environment variable KEY holds a NUL character.")
	if err := create(map[string]string{"KEY": long}); err != nil {
		t.Errorf("an environment of exactly 4096 bytes: %v", err)
	}
}

func TestReturnedVersionsAreCopies(t *testing.T) {
	fx := open(t)
	v := fx.create("fn", CreateInput{Settings: Settings{Environment: map[string]string{"KEY": "a"}, Layers: []string{"l"}}})
	v.Environment["KEY"], v.Layers[0], v.Architectures[0] = "b", "b", "b"
	fx.settle("fn", nil)
	for _, f := range []func() (Version, error){
		func() (Version, error) { return fx.Get("fn", "") },
		func() (Version, error) { return fx.Resolve("fn", "", 0) },
	} {
		v, err := f()
		if err != nil {
			t.Fatal(err)
		}
		if v.Environment["KEY"] != "a" || v.Layers[0] != "l" || v.Architectures[0] != "x86_64" {
			t.Errorf("a caller changed the catalogue: %+v", v.Settings)
		}
		v.Environment["KEY"] = "c"
	}
}

func TestEverythingSurvivesReopening(t *testing.T) {
	fx := open(t)
	fx.create("fn", CreateInput{Settings: Settings{Environment: map[string]string{"KEY": "v"}}, Tags: map[string]string{"team": "a"}})
	fx.settle("fn", nil)
	for i := range 12 { // 10 must sort after 9
		fx.update("fn", fmt.Sprint("v", i))
		fx.settle("fn", nil)
		fx.publish("fn")
	}
	if _, err := fx.CreateAlias(ctx, "fn", AliasInput{Name: "live", Version: "11", Weights: map[string]float64{"12": 0.25}}); err != nil {
		t.Fatal(err)
	}
	if err := fx.Delete(ctx, "fn", "3"); err != nil {
		t.Fatal(err)
	}
	fx.update("fn", "pending")
	snapshot := func() []any {
		versions, _, err := fx.Versions("fn", "", 0)
		aliases, _, err2 := fx.Aliases("fn", "", "", 0)
		tags, err3 := fx.Tags("fn")
		serving, err4 := fx.Resolve("fn", "", 0)
		if err := errors.Join(err, err2, err3, err4); err != nil {
			t.Fatal(err)
		}
		for i := range versions { // monotonic clock readings are not stored
			versions[i].LastModified = versions[i].LastModified.Round(0).UTC()
		}
		serving.LastModified = serving.LastModified.Round(0).UTC()
		return []any{versions, aliases, tags, serving, fx.codeFiles()}
	}
	before := snapshot()
	fx.reopen()
	if after := snapshot(); !reflect.DeepEqual(before, after) {
		t.Errorf("after reopening\n%+v\nwant\n%+v", after, before)
	}
	select {
	case <-fx.Changes():
	default:
		t.Error("no signal for what waits since before the restart")
	}
	if u := fx.Unsettled(); len(u) != 1 || u[0].CodeDigest != digestOf(code("pending")).digest {
		t.Errorf("unsettled are %+v", u)
	}
	fx.settle("fn", nil)
	if v := fx.publish("fn"); v.Version != "13" {
		t.Errorf("next version is %s, want 13", v.Version)
	}
}

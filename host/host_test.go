package host_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/host"
	"github.com/lambent-host/lambent/sandbox/publish"
)

func TestMain(m *testing.M) {
	place.ExitIfChild()
	publish.ExitIfChild()
	goleak.VerifyTestMain(m)
}

// fixture is a host on loopback and the real SDK speaking to it.
type fixture struct {
	*host.Host
	sdk *lambda.Client
	dir string
}

// start runs a host until the test ends. Compiled modules are kept over tests
// and runs: a Go module takes seconds to compile.
func start(t *testing.T, change ...func(*host.Config)) *fixture {
	t.Helper()
	f := launch(t, change...)
	t.Cleanup(func() { f.stop(t) })
	return f
}

// launch is start for a test that ends the host itself.
func launch(t *testing.T, change ...func(*host.Config)) *fixture {
	t.Helper()
	cfg := host.DefaultConfig()
	cfg.Listen = "127.0.0.1:0"
	cfg.DataDir = t.TempDir()
	cfg.CompileCacheDir = compileCache(t)
	cfg.CompileCacheKey = []byte("of the tests")
	cfg.CPUQuota = host.QuotaOff                // cpu_test.go has it on
	cfg.ExtensionIsolation = string(place.None) // place_test.go has it
	for _, c := range change {
		c(&cfg)
	}
	h, err := host.New(t.Context(), cfg, zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.InfoLevel))
	if err != nil {
		t.Fatal(err)
	}
	h.Start()
	return &fixture{Host: h, sdk: sdk(h.Addr()), dir: cfg.DataDir}
}

// stop ends the host; the cleanup does it again, to no effect.
func (f *fixture) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := f.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

func compileCache(t *testing.T) string {
	t.Helper()
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "lambent-test", "compiled")
}

func sdk(addr string) *lambda.Client {
	return lambda.New(lambda.Options{
		BaseEndpoint: aws.String("http://" + addr),
		Region:       "us-east-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
		RetryMaxAttempts: 1,
	})
}

// settings of a function under test; zero values are the API's defaults.
type settings struct {
	timeout, memory int32
	env             map[string]string
}

// deploy creates a function from functions/<source> and waits until it is Active.
func (f *fixture) deploy(t *testing.T, name, source string, s settings) {
	t.Helper()
	in := &lambda.CreateFunctionInput{
		FunctionName: &name,
		Role:         aws.String("arn:aws:iam::000000000000:role/test"),
		Runtime:      types.RuntimeProvidedal2023,
		Handler:      aws.String("bootstrap"),
		Code:         &types.FunctionCode{ZipFile: gobuildtest.Function(t, source)},
		Environment:  &types.Environment{Variables: s.env},
	}
	if s.timeout != 0 {
		in.Timeout = &s.timeout
	}
	if s.memory != 0 {
		in.MemorySize = &s.memory
	}
	if _, err := f.sdk.CreateFunction(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	f.waitActive(t, name)
}

func (f *fixture) waitActive(t *testing.T, name string) {
	t.Helper()
	waiter := lambda.NewFunctionActiveV2Waiter(f.sdk, func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 100*time.Millisecond, time.Second
	})
	if err := waiter.Wait(t.Context(), &lambda.GetFunctionInput{FunctionName: &name}, 2*time.Minute); err != nil {
		t.Fatalf("%s did not become Active: %v", name, err)
	}
}

// invoke calls the function and fails the test if the host refuses.
func (f *fixture) invoke(t *testing.T, name, payload string) *lambda.InvokeOutput {
	t.Helper()
	out, err := f.tryInvoke(t, name, payload)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (f *fixture) tryInvoke(t *testing.T, name, payload string) (*lambda.InvokeOutput, error) {
	t.Helper()
	return f.sdk.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: []byte(payload), LogType: types.LogTypeTail})
}

func TestAFunctionIsDeployedInvokedAndSurvivesARestart(t *testing.T) {
	data := t.TempDir()
	inData := func(c *host.Config) { c.DataDir = data }
	first := start(t, inData)
	first.deploy(t, "counter", "counter", settings{})
	for _, want := range []string{`{"count":1}`, `{"count":2}`} {
		if got := string(first.invoke(t, "counter", `{}`).Payload); got != want {
			t.Fatalf("counter answered %s, want %s: globals persist while an environment is warm", got, want)
		}
	}
	first.stop(t)

	second := start(t, inData)
	out := second.invoke(t, "counter", `{}`)
	if got := string(out.Payload); got != `{"count":1}` {
		t.Errorf("after a restart counter answered %s, want a new environment's {\"count\":1}", got)
	}
	if got := aws.ToString(out.ExecutedVersion); got != "$LATEST" {
		t.Errorf("executed version %s", got)
	}
}

func TestADataFolderHasOneHost(t *testing.T) {
	f := start(t)
	cfg := host.DefaultConfig()
	cfg.Listen, cfg.DataDir = "127.0.0.1:0", f.dir
	if _, err := host.New(t.Context(), cfg, zerolog.Nop()); err == nil {
		t.Fatal("a second host opened the same data folder")
	}
}

func TestAnAddressInUseIsAnErrorAndLeavesNothingOpen(t *testing.T) {
	f := start(t)
	cfg := host.DefaultConfig()
	cfg.Listen, cfg.DataDir = f.Addr(), t.TempDir()
	if _, err := host.New(t.Context(), cfg, zerolog.Nop()); err == nil {
		t.Fatal("two hosts listen on one address")
	}
	cfg.Listen = "127.0.0.1:0"
	h, err := host.New(t.Context(), cfg, zerolog.Nop())
	if err != nil {
		t.Fatalf("the data folder is still held: %v", err)
	}
	if err := h.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestRunEndsCleanlyWhenItsContextDoes(t *testing.T) {
	cfg := host.DefaultConfig()
	cfg.Listen, cfg.DataDir = "127.0.0.1:0", t.TempDir()
	h, err := host.New(t.Context(), cfg, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func TestBeyondTheConcurrencyLimitLambdasRefusal(t *testing.T) {
	f := start(t, func(c *host.Config) { c.ConcurrencyLimit = 1 })
	f.deploy(t, "spin", "spin", settings{timeout: 2})
	results := make(chan error, 2)
	for range cap(results) {
		go func() {
			_, err := f.sdk.Invoke(context.WithoutCancel(t.Context()), &lambda.InvokeInput{FunctionName: aws.String("spin"), Payload: []byte(`{}`)})
			results <- err
		}()
	}
	// The refusal comes at once, the admitted one ends at its timeout.
	var refused *types.TooManyRequestsException
	if err := <-results; !errors.As(err, &refused) || refused.Reason != types.ThrottleReasonConcurrentInvocationLimitExceeded {
		t.Errorf("first to end: %v, want TooManyRequestsException for the account's limit", err)
	}
	if err := <-results; err != nil {
		t.Errorf("the admitted invocation: %v", err)
	}
}

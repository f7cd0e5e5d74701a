package clienttest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// goSDK is aws-sdk-go-v2 against one host, without retries.
type goSDK struct {
	*lambda.Client
	t   *testing.T
	ctx context.Context
}

func newGoSDK(t *testing.T) *goSDK {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return &goSDK{t: t, ctx: ctx, Client: lambda.New(lambda.Options{
		BaseEndpoint: aws.String(serve(t)),
		Region:       "us-east-1",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
		RetryMaxAttempts: 1,
	})}
}

// must returns v, or ends the test.
func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (s *goSDK) create(name string, code []byte) {
	s.t.Helper()
	out := must[*lambda.CreateFunctionOutput](s.t)(s.CreateFunction(s.ctx, &lambda.CreateFunctionInput{
		FunctionName: &name, Role: aws.String(roleARN), Runtime: types.RuntimeProvidedal2023, Handler: aws.String("h"),
		Code: &types.FunctionCode{ZipFile: code}, Environment: &types.Environment{Variables: map[string]string{"GREETING": "hi"}},
	}))
	if out.State != types.StatePending || aws.ToString(out.FunctionArn) != arnOf+name {
		s.t.Errorf("create answers State %s, ARN %s", out.State, aws.ToString(out.FunctionArn))
	}
	waiter := lambda.NewFunctionActiveV2Waiter(s, func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 100*time.Millisecond, time.Second
	})
	if err := waiter.Wait(s.ctx, &lambda.GetFunctionInput{FunctionName: &name}, limit); err != nil {
		s.t.Fatal(err)
	}
}

func TestGoSDK(t *testing.T) {
	t.Parallel()
	s := newGoSDK(t)
	s.create("sdk-a", zipped(t, mirror(t)))
	s.create("sdk-b", mirror(t)) // a bare module is a package too
	s.invokes()
	s.updates()
	s.lists()
	s.errors()
	if _, err := s.DeleteFunction(s.ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String("sdk-a")}); err != nil {
		t.Fatal(err)
	}
}

func (s *goSDK) invokes() {
	s.t.Helper()
	call := func(in *lambda.InvokeInput) *lambda.InvokeOutput {
		s.t.Helper()
		in.FunctionName = aws.String("sdk-a")
		return must[*lambda.InvokeOutput](s.t)(s.Invoke(s.ctx, in))
	}
	out := call(&lambda.InvokeInput{Payload: []byte(`{"a":1}`), LogType: types.LogTypeTail})
	if out.StatusCode != 200 || aws.ToString(out.ExecutedVersion) != "$LATEST" || out.FunctionError != nil || aws.ToString(out.LogResult) == "" {
		s.t.Errorf("invoke answers %+v", out)
	}
	if !strings.Contains(string(out.Payload), `"event":{"a":1}`) || !strings.Contains(string(out.Payload), `"greeting":"hi"`) {
		s.t.Errorf("payload %s", out.Payload)
	}
	if out := call(&lambda.InvokeInput{Payload: []byte(`{"fail":true}`)}); out.StatusCode != 200 || aws.ToString(out.FunctionError) != "Unhandled" {
		s.t.Errorf("a function error answers %+v", out)
	}
	if out := call(&lambda.InvokeInput{}); !strings.Contains(string(out.Payload), `"event":{}`) {
		s.t.Errorf("without a payload: %s", out.Payload)
	}
	if out := call(&lambda.InvokeInput{InvocationType: types.InvocationTypeEvent, Payload: []byte("{}")}); out.StatusCode != 202 || len(out.Payload) != 0 {
		s.t.Errorf("an event answers %+v", out)
	}
	if out := call(&lambda.InvokeInput{InvocationType: types.InvocationTypeDryRun}); out.StatusCode != 204 {
		s.t.Errorf("a dry run answers %+v", out)
	}
}

func (s *goSDK) updates() {
	s.t.Helper()
	name := aws.String("sdk-a")
	out := must[*lambda.UpdateFunctionConfigurationOutput](s.t)(s.UpdateFunctionConfiguration(s.ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: name, MemorySize: aws.Int32(256)}))
	if out.LastUpdateStatus != types.LastUpdateStatusInProgress || aws.ToInt32(out.MemorySize) != 256 {
		s.t.Errorf("update answers %s, %d MB", out.LastUpdateStatus, aws.ToInt32(out.MemorySize))
	}
	waiter := lambda.NewFunctionUpdatedV2Waiter(s, func(o *lambda.FunctionUpdatedV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 100*time.Millisecond, time.Second
	})
	if err := waiter.Wait(s.ctx, &lambda.GetFunctionInput{FunctionName: name}, limit); err != nil {
		s.t.Fatal(err)
	}
	version := must[*lambda.PublishVersionOutput](s.t)(s.PublishVersion(s.ctx, &lambda.PublishVersionInput{FunctionName: name}))
	alias := must[*lambda.CreateAliasOutput](s.t)(s.CreateAlias(s.ctx, &lambda.CreateAliasInput{FunctionName: name, Name: aws.String("live"), FunctionVersion: version.Version}))
	invoked := must[*lambda.InvokeOutput](s.t)(s.Invoke(s.ctx, &lambda.InvokeInput{FunctionName: alias.AliasArn, Payload: []byte("{}")}))
	if aws.ToString(invoked.ExecutedVersion) != "1" || !strings.Contains(string(invoked.Payload), arnOf+"sdk-a:live") {
		s.t.Errorf("the alias's ARN runs version %s: %s", aws.ToString(invoked.ExecutedVersion), invoked.Payload)
	}
}

func (s *goSDK) lists() {
	s.t.Helper()
	var names []string
	pages := lambda.NewListFunctionsPaginator(s, &lambda.ListFunctionsInput{MaxItems: aws.Int32(1)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(s.ctx)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, f := range page.Functions {
			names = append(names, aws.ToString(f.FunctionName))
		}
	}
	if !slices.Equal(names, []string{"sdk-a", "sdk-b"}) {
		s.t.Errorf("pages of one: %v", names)
	}
}

// errors holds that the SDK makes its typed errors of ours.
func (s *goSDK) errors() {
	s.t.Helper()
	_, err := s.GetFunction(s.ctx, &lambda.GetFunctionInput{FunctionName: aws.String("nope")})
	var notFound *types.ResourceNotFoundException
	if !errors.As(err, &notFound) || aws.ToString(notFound.Message) != "Function not found: "+arnOf+"nope" || aws.ToString(notFound.Type) != "User" {
		s.t.Errorf("%v", err)
	}
	_, err = s.Invoke(s.ctx, &lambda.InvokeInput{FunctionName: aws.String("sdk-a"), Payload: []byte("{broken")})
	var content *types.InvalidRequestContentException
	if !errors.As(err, &content) {
		s.t.Errorf("%v", err)
	}
	_, err = s.Invoke(s.ctx, &lambda.InvokeInput{FunctionName: aws.String("sdk-a"), Payload: make([]byte, 6291457)})
	var large *types.RequestTooLargeException
	if !errors.As(err, &large) {
		s.t.Errorf("%v", err)
	}
	_, err = s.DeleteFunction(s.ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String("sdk-a"), Qualifier: aws.String("1")})
	var conflict *types.ResourceConflictException
	if !errors.As(err, &conflict) {
		s.t.Errorf("%v", err)
	}
	_, err = s.UpdateFunctionCode(s.ctx, &lambda.UpdateFunctionCodeInput{FunctionName: aws.String("sdk-a"), ZipFile: []byte("nothing")})
	var invalid *types.InvalidParameterValueException
	if !errors.As(err, &invalid) {
		s.t.Errorf("%v", err)
	}
	_, err = s.PublishVersion(s.ctx, &lambda.PublishVersionInput{FunctionName: aws.String("sdk-a"), RevisionId: aws.String("x")})
	var precondition *types.PreconditionFailedException
	if !errors.As(err, &precondition) {
		s.t.Errorf("%v", err)
	}
}

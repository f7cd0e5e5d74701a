package abitest

import (
	"testing"

	"github.com/lambent-host/lambent/abi/gobuild"
	"github.com/lambent-host/lambent/abi/gobuild/gobuildtest"
)

func TestConformanceOfC(t *testing.T) {
	Conformance(t, newRunner(t), CGuest(t, "conformance"))
}

func TestConformanceOfGo(t *testing.T) {
	runner, module := newRunner(t), GoGuest(t)
	Conformance(t, runner, module)
	t.Run("panic", func(t *testing.T) {
		doc, out := begin(t, runner, module).fails("panic oh no", "string", "oh no")
		if !out.Exited || out.ExitCode != 1 {
			t.Errorf("exited %v with %d, want exit code 1", out.Exited, out.ExitCode)
		}
		if len(doc.StackTrace) == 0 || doc.StackTrace[0].Line == 0 {
			t.Errorf("no stack: %+v", doc.StackTrace)
		}
	})
}

func TestEchoInC(t *testing.T) {
	s := begin(t, newRunner(t), CGuest(t, "echo"))
	s.answers("\x00binary\xff\x00", "\x00binary\xff\x00")
	s.answers("", "")
}

func TestAWSLambdaDirect(t *testing.T) {
	AWSLambda(t, newRunner(t), AWSGuest(t, gobuild.SeamDirect))
}

func TestAWSLambdaRuntimeAPI(t *testing.T) {
	AWSLambda(t, newRunner(t), AWSGuest(t, gobuild.SeamRuntimeAPI))
}

func TestCommand(t *testing.T) {
	Command(t, newRunner(t), gobuildtest.Function(t, "stdio"))
}

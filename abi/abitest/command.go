package abitest

import (
	"strings"
	"testing"
)

// Command holds the host to what a plain WASI command expects, with a build of
// functions/stdio: a fresh run per invocation, the event on standard input, the
// response on standard output, the log on standard error.
func Command(t *testing.T, runner Runner, module []byte) {
	s := begin(t, runner, module)
	s.answers(`{"a":1}`, "{\"length\":7}\n")
	s.answers(``, "{\"length\":0}\n")
	s.answers(strings.Repeat("z", 1<<20), "{\"length\":1048576}\n")
	if !strings.Contains(s.log.String(), "got 7 bytes\n") {
		t.Errorf("standard error holds %q", s.log)
	}
	if out := s.invoke(`{"exit":9}`); !out.Exited || out.ExitCode != 9 {
		t.Errorf("exit status 9 ended as %+v", out)
	}
	begin(t, runner, module).answers(`{"exit":0}`, "{\"length\":10}\n")
}

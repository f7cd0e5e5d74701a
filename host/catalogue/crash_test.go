package catalogue

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// acknowledged is what the child prints after each change: the function's name,
// how many changes it has seen, and what must be found of it.
type acknowledged struct {
	Name    string
	Step    int
	Gone    bool
	Digest  string
	Memory  int
	Version string // highest published
	Alias   string // version the alias leads to
}

// crashChild changes functions, each in a goroutine of its own, until it is
// killed. A function's description holds the number of the step that made it.
func crashChild(dir string) {
	_, c, err := openDir(dir)
	if err != nil {
		panic(err)
	}
	var out sync.Mutex
	say := func(a acknowledged) {
		b, err := json.Marshal(a)
		if err != nil {
			panic(err)
		}
		out.Lock()
		defer out.Unlock()
		fmt.Println(string(b)) // unbuffered: one write
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() { crashWriter(c, fmt.Sprint("fn", w), say) })
	}
	wg.Wait()
}

// crashWriter goes round: create, settings, code with publish, alias, delete.
func crashWriter(c *Catalogue, name string, say func(acknowledged)) {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	must2 := func(_ any, err error) { must(err) }
	a := acknowledged{Name: name}
	if v, err := c.Get(name, ""); err == nil { // a run before was killed
		a.Step, _ = strconv.Atoi(v.Description)
		must(c.Delete(context.Background(), name, ""))
		a.Gone = true
		say(a)
	}
	settle := func() {
		for _, v := range c.Unsettled() {
			if v.FunctionName == name {
				must(c.Settle(ctx, v, nil))
			}
		}
	}
	for {
		a = acknowledged{Name: name, Step: a.Step + 1, Memory: 128}
		upload := code(fmt.Sprint(name, " ", a.Step, strings.Repeat("x", rand.IntN(50_000))))
		must2(c.Create(ctx, CreateInput{Name: name, Code: upload, Settings: Settings{Description: strconv.Itoa(a.Step)}}))
		a.Digest = digestOf(upload).digest
		say(a)
		settle()
		a.Step, a.Memory = a.Step+1, 256
		must2(c.UpdateSettings(ctx, name, SettingsPatch{MemorySize: ptr(256), Description: ptr(strconv.Itoa(a.Step))}))
		say(a)
		settle()
		upload = append(upload, 'y')
		must2(c.UpdateCode(ctx, name, UpdateCodeInput{Code: upload, Publish: true}))
		a.Digest, a.Version = digestOf(upload).digest, "1"
		say(a)
		settle()
		must2(c.CreateAlias(ctx, name, AliasInput{Name: "live", Version: "1"}))
		a.Alias = "1"
		say(a)
		must(c.Delete(ctx, name, ""))
		a.Gone = true
		say(a)
	}
}

// TestAcknowledgedChangesSurviveAKill ends a process with SIGKILL in the middle
// of its changes, several times on one folder. Afterwards every function is as
// the last acknowledgement says, or one change further, and whole.
func TestAcknowledgedChangesSurviveAKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes")
	}
	dir, total := t.TempDir(), 0
	for range 10 {
		last := make(map[string]acknowledged)
		for _, line := range runAndKill(t, dir, 20+rand.IntN(80)) {
			var a acknowledged
			if err := json.Unmarshal([]byte(line), &a); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			last[a.Name] = a
			total++
		}
		st, c, err := openDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range last {
			checkAcknowledged(t, c, a)
		}
		checkWhole(t, c)
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if total < 200 {
		t.Errorf("only %d changes were acknowledged", total)
	}
	t.Logf("%d changes acknowledged", total)
}

// checkAcknowledged compares with what must be there. The writer of a function
// may have got one change further than it could say.
func checkAcknowledged(t *testing.T, c *Catalogue, a acknowledged) {
	t.Helper()
	v, err := c.Get(a.Name, "")
	if err != nil {
		if !a.Gone && a.Alias == "" { // after the alias comes the deletion
			t.Errorf("%s: %v, want %+v", a.Name, err, a)
		}
		return
	}
	step, _ := strconv.Atoi(v.Description)
	further := step == a.Step+1
	if a.Gone {
		if !further {
			t.Errorf("%s is there with step %d after its deletion in step %d", a.Name, step, a.Step)
		}
		return
	}
	if step != a.Step && !further || !further && v.MemorySize != a.Memory {
		t.Errorf("%s is at step %d with %d MB, want %+v", a.Name, step, v.MemorySize, a)
	}
	// Between settings and alias the step number stands still: the version tells.
	published, err := c.Get(a.Name, "1")
	if a.Version != "" && (err != nil || published.CodeDigest != a.Digest) {
		t.Errorf("%s: version 1 is %q, %v, want %s", a.Name, published.CodeDigest, err, a.Digest)
	}
	if err != nil && v.CodeDigest != a.Digest {
		t.Errorf("%s has code %s, want %s", a.Name, v.CodeDigest, a.Digest)
	}
	if a.Alias != "" {
		if got, err := c.GetAlias(a.Name, "live"); err != nil || got.Version != a.Alias {
			t.Errorf("%s: alias is %+v, %v", a.Name, got, err)
		}
	}
}

// checkWhole reads the code of everything that is there.
func checkWhole(t *testing.T, c *Catalogue) {
	t.Helper()
	all, _, err := c.List("", 0, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		upload, err := c.Code(v.CodeDigest)
		if err != nil || int64(len(upload)) != v.CodeSize {
			t.Errorf("%s: %d bytes of code, want %d: %v", v.QualifiedARN(), len(upload), v.CodeSize, err)
		}
	}
}

// runAndKill starts this test binary as a child on dir, kills it after so many
// lines of output, and returns all whole lines.
func runAndKill(t *testing.T, dir string, after int) (lines []string) {
	t.Helper()
	limit, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	child := exec.CommandContext(limit, os.Args[0])
	child.Env = append(os.Environ(), "LAMBENT_TEST_CRASH_DIR="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	for in := bufio.NewReader(out); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			break // what is left is not a whole line, so it was not acknowledged
		}
		if lines = append(lines, strings.TrimSpace(line)); len(lines) == after {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := child.Wait(); !errors.As(err, &exit) || exit.String() != "signal: killed" || len(lines) < after {
		t.Fatalf("child ended with %v after %d lines", err, len(lines))
	}
	return lines
}

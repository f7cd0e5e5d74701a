package meter_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/lambent-host/lambent/sandbox/meter"
)

// The official WebAssembly test suite as the wazero module carries it: every
// command runs plain and metered, in the interpreter and in the compiler, and
// the transcripts of each must agree.

type specFile struct {
	Commands []specCommand `json:"commands"`
}

type specCommand struct {
	Type     string     `json:"type"`
	Line     int        `json:"line"`
	Name     string     `json:"name"`
	Filename string     `json:"filename"`
	As       string     `json:"as"`
	Action   specAction `json:"action"`
}

type specAction struct {
	Type   string      `json:"type"`
	Module string      `json:"module"`
	Field  string      `json:"field"`
	Args   []specValue `json:"args"`
}

type specValue struct {
	Type     string          `json:"type"`
	LaneType string          `json:"lane_type"`
	Value    json.RawMessage `json:"value"`
}

// words are the value as the engine takes it.
func (v specValue) words() []uint64 {
	if v.Type == "v128" {
		return v.lanes()
	}
	var s string
	if json.Unmarshal(v.Value, &s) != nil || s == "null" {
		return []uint64{0}
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		n = 0x7fc0_0000 // a NaN of any kind
	}
	return []uint64{n}
}

func (v specValue) lanes() []uint64 {
	var list []string
	_ = json.Unmarshal(v.Value, &list)
	width := map[string]int{"i8": 1, "i16": 2, "i32": 4, "f32": 4, "i64": 8, "f64": 8}[v.LaneType]
	var b [16]byte
	for i, s := range list {
		n, _ := strconv.ParseUint(s, 10, 64)
		var lane [8]byte
		binary.LittleEndian.PutUint64(lane[:], n)
		copy(b[i*width:(i+1)*width], lane[:])
	}
	return []uint64{binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])}
}

// player runs a file's commands.
type player struct {
	*host
	meter bool
	dir   string
	last  api.Module
	named map[string]api.Module
}

func (p *player) play(c specCommand) string {
	switch c.Type {
	case "module", "assert_unlinkable", "assert_uninstantiable":
		return p.load(c)
	case "register":
		return ""
	case "assert_return", "action", "assert_trap", "assert_exhaustion":
		return p.act(c)
	}
	return "" // assert_invalid, assert_malformed: not for this package
}

func (p *player) load(c specCommand) string {
	wasm, err := os.ReadFile(filepath.Join(p.dir, c.Filename))
	if err != nil || !strings.HasSuffix(c.Filename, ".wasm") {
		return ""
	}
	if p.meter {
		out, _, err := meter.Rewrite(wasm, meter.Options{})
		if err != nil {
			var refused *meter.Error
			if !errors.As(err, &refused) {
				p.t.Errorf("%s: %v is not a *meter.Error", c.Filename, err)
			}
			return "refused: " + err.Error()
		}
		wasm = out
	}
	mod, err := p.instantiate(wasm, c.As)
	if c.Type == "module" {
		p.last = mod
		if c.Name != "" {
			p.named[c.Name] = mod
		}
	}
	return "load: " + trapOf(err)
}

var stackTrace = regexp.MustCompile(`(?s)\n?wasm stack trace.*`)

func trapOf(err error) string {
	if err == nil {
		return "ok"
	}
	s := stackTrace.ReplaceAllString(err.Error(), "")
	if strings.Contains(s, "stack overflow") {
		return "stack overflow"
	}
	if i := strings.Index(s, "wasm error"); i >= 0 {
		return strings.TrimSpace(s[i:])
	}
	return "error"
}

func (p *player) act(c specCommand) string {
	mod := p.last
	if c.Action.Module != "" {
		mod = p.named[c.Action.Module]
	}
	if mod == nil {
		return "no module"
	}
	if c.Action.Type == "get" {
		return fmt.Sprint("global ", mod.ExportedGlobal(c.Action.Field).Get())
	}
	var args []uint64
	for _, a := range c.Action.Args {
		args = append(args, a.words()...)
	}
	f := mod.ExportedFunction(c.Action.Field)
	if f == nil {
		return "no function"
	}
	results, err := f.Call(context.Background(), args...)
	if err != nil {
		return trapOf(err)
	}
	for i, t := range f.Definition().ResultTypes() {
		switch t {
		case 0x70, api.ValueTypeExternref:
			return fmt.Sprint("references, null: ", results[0] == 0)
		case api.ValueTypeI32, api.ValueTypeF32:
			results[i] &= 0xffff_ffff // the rest is undefined
		case 0x7b: // two words
			return fmt.Sprintf("%x", results)
		}
	}
	return fmt.Sprintf("%x", results)
}

// transcript plays one file. Registered modules have to be instantiated under
// their name, so the names are looked up ahead.
func transcript(t *testing.T, path string, cfg wazero.RuntimeConfig, metered bool) []string {
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var f specFile
	if err := json.Unmarshal(raw, &f); err != nil {
		t.Fatal(err)
	}
	p := &player{host: newHost(t, cfg), meter: metered, dir: filepath.Dir(path), named: map[string]api.Module{}}
	defer func() { _ = p.rt.Close(context.Background()) }()
	p.spectest()
	names := registered(f.Commands)
	var lines []string
	for i, c := range f.Commands {
		c.As = names[i]
		lines = append(lines, fmt.Sprintf("%s:%d %s %s: %s", filepath.Base(path), c.Line, c.Type, c.Action.Field, p.play(c)))
	}
	return lines
}

// registered tells under which name each module command is registered later.
func registered(commands []specCommand) map[int]string {
	names, last, byName, used := map[int]string{}, -1, map[string]int{}, map[string]bool{}
	for i, c := range commands {
		switch c.Type {
		case "module":
			last = i
			if c.Name != "" {
				byName[c.Name] = i
			}
		case "register":
			at := last
			if c.Name != "" {
				at = byName[c.Name]
			}
			if _, have := names[at]; !have && !used[c.As] {
				names[at] = c.As
				used[c.As] = true
			}
		}
	}
	return names
}

// spectest is the module that the suite's modules import from, unmetered.
func (p *player) spectest() {
	dir := filepath.Dir(filepath.Dir(p.dir))
	wasm, err := os.ReadFile(filepath.Join(dir, "testdata", "spectest.wasm"))
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.instantiate(wasm, "spectest"); err != nil {
		p.t.Fatal(err)
	}
}

func wazeroDir(t *testing.T) string {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	if err != nil {
		t.Fatalf("finding the wazero module: %v", err)
	}
	return strings.TrimSpace(string(out))
}

func TestSpecificationSuite(t *testing.T) {
	if testing.Short() {
		t.Skip("the whole suite takes ten seconds")
	}
	root := filepath.Join(wazeroDir(t), "internal", "integration_test", "spectest")
	var files []string
	for _, suite := range []string{"v2", "tail-call", "extended-const"} {
		found, err := filepath.Glob(filepath.Join(root, suite, "testdata", "*.json"))
		if err != nil || len(found) == 0 {
			t.Fatalf("no test suite at %s (%v)", root, err)
		}
		files = append(files, found...)
	}
	commands := 0
	for _, path := range files {
		for _, cfg := range []wazero.RuntimeConfig{wazero.NewRuntimeConfigInterpreter(), wazero.NewRuntimeConfigCompiler()} {
			plain, metered := transcript(t, path, cfg, false), transcript(t, path, cfg, true)
			commands += len(plain)
			for i := range plain {
				if plain[i] != metered[i] {
					t.Errorf("plain:   %s\nmetered: %s", plain[i], metered[i])
				}
			}
		}
	}
	t.Logf("%d commands in %d files", commands, len(files))
	if commands < 20_000 {
		t.Errorf("only %d commands ran", commands)
	}
}

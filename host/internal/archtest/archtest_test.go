package archtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// house is this checkout.
func house(t *testing.T) *Tree {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(root, "go.mod")); err != nil || !strings.HasPrefix(string(text), "module "+Module+"\n") {
		t.Fatalf("%s is not the root of %s (%v)", root, Module, err)
	}
	tree, err := Load(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Files) < 100 {
		t.Fatalf("%d files read: the house is larger", len(tree.Files))
	}
	return tree
}

// checks are all rules by name.
var checks = map[string]func(*Tree) []Violation{
	"floors":     func(t *Tree) []Violation { return t.CheckFloors(Floors) },
	"onlys":      func(t *Tree) []Violation { return t.CheckOnlys(Onlys) },
	"siblings":   func(t *Tree) []Violation { return t.CheckSiblings(Siblings) },
	"files":      (*Tree).CheckFiles,
	"functions":  (*Tree).CheckFunctions,
	"interfaces": (*Tree).CheckInterfaces,
	"docs":       (*Tree).CheckDocs,
	"tests":      (*Tree).CheckTests,
	"samples":    (*Tree).CheckSamples,
}

func TestTheHouseIsAsPlanned(t *testing.T) {
	tree := house(t)
	for name, check := range checks {
		t.Run(name, func(t *testing.T) {
			for _, v := range check(tree) {
				t.Error(v)
			}
		})
	}
}

// A package that has only cgo files, or that lacks a name without them, does not
// compile here; linking is left to those who need the program.
func TestTheProductBuildsWithoutCgo(t *testing.T) {
	if err := compileWithoutCgo(t, Module+"/host/cmd/lambent"); err != nil {
		t.Error(err)
	}
}

// The test above is shown a package that needs cgo.
func TestWhatNeedsCgoDoesNotCompileWithoutIt(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":  "module needscgo\n",
		"main.go": "package main\n\nfunc main() { native() }\n",
		"c.go":    "package main\n\nimport \"C\"\n\nfunc native() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	if err := compileWithoutCgo(t, "."); err == nil || !strings.Contains(err.Error(), "native") {
		t.Errorf("error %v, want one about the function that only cgo has", err)
	}
}

// compileWithoutCgo compiles a package and all it depends on.
func compileWithoutCgo(t *testing.T, pkg string) error {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-export", "-f", "{{with .Error}}{{.}}{{end}}", pkg)
	list.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.CombinedOutput()
	if err != nil {
		return fmt.Errorf("compile %s without cgo: %w: %s", pkg, err, out)
	}
	if out = bytes.TrimSpace(out); len(out) > 0 {
		return fmt.Errorf("compile %s without cgo: %s", pkg, out)
	}
	return nil
}

// Each rule is shown a tree that breaks it, so that none is a rule that cannot fail.
func TestRulesFindWhatBreaksThem(t *testing.T) {
	imports := func(pkg, path string) string {
		return fmt.Sprintf("// Package %s.\npackage %s\n\nimport _ %q\n", pkg, pkg, path)
	}
	lines := func(n int) string { return strings.Repeat("\t_ = 0\n", n) }
	many := func(n int, f func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(f(i))
		}
		return b.String()
	}
	cases := []struct {
		name, check, file, text, what string
	}{
		{"abi imports a library", "floors", "abi/a.go", imports("abi", "github.com/rs/zerolog"), "zerolog"},
		{"telemetry imports a library", "floors", "telemetry/a.go", imports("telemetry", "github.com/google/uuid"), "uuid"},
		{"sandbox imports telemetry", "floors", "sandbox/a.go", imports("sandbox", Module+"/telemetry"), "telemetry"},
		{"sandbox imports a logger", "floors", "sandbox/meter/a.go", imports("meter", "github.com/rs/zerolog"), "zerolog"},
		{"extensions import sandbox", "floors", "extensions/a.go", imports("extensions", Module+"/sandbox"), "sandbox"},
		{"the SDK imports the host's side", "floors", "extensions/sdk/a.go", imports("sdk", Module+"/extensions"), "extensions"},
		{"otelsink imports a logger", "floors", "telemetry/otelsink/a.go", imports("otelsink", "github.com/rs/zerolog"), "zerolog"},
		{"wazero outside of sandbox", "onlys", "host/invoke/a.go", imports("invoke", "github.com/tetratelabs/wazero/api"), "wazero"},
		{"wazero in a test outside of sandbox", "onlys", "host/invoke/a_test.go", imports("invoke", "github.com/tetratelabs/wazero"), "wazero"},
		{"echo outside of httpapi", "onlys", "host/a_test.go", imports("host", "github.com/labstack/echo/v4"), "echo"},
		{"the OTel SDK outside of otelsink", "onlys", "host/a.go", imports("host", "go.opentelemetry.io/otel/sdk/trace"), "otel/sdk"},
		{"bbolt outside of the store", "onlys", "host/publish/a.go", imports("publish", "go.etcd.io/bbolt"), "bbolt"},
		{"the TCP/IP stack in the host's process", "onlys", "host/a.go", imports("host", "gvisor.dev/gvisor/pkg/tcpip"), "gvisor"},
		{"cobra outside of cli", "onlys", "host/a.go", imports("host", "github.com/spf13/cobra"), "cobra"},
		{"HTTP in sandbox", "onlys", "sandbox/a.go", imports("sandbox", "net/http"), "net/http"},
		{"HTTP in telemetry", "onlys", "telemetry/a.go", imports("telemetry", "net/http"), "net/http"},
		{"sandbox outside of the host", "onlys", "telemetry/a.go", imports("telemetry", Module+"/sandbox"), "sandbox"},
		{"sandbox in a test of extensions", "onlys", "extensions/a_test.go", imports("extensions", Module+"/sandbox"), "sandbox"},
		{"functions imported", "onlys", "host/cli/a.go", imports("cli", Module+"/functions/hello"), "functions"},
		{"functions imported by a test", "onlys", "host/cli/a_test.go", imports("cli", Module+"/functions/hello"), "functions"},
		{"bench imported", "onlys", "host/a.go", imports("host", Module+"/bench"), "bench"},
		{"host imported from below", "onlys", "telemetry/a.go", imports("telemetry", Module+"/host/catalogue"), "host/catalogue"},
		{"cgo", "onlys", "sandbox/a.go", imports("sandbox", "C"), "C"},
		{"an arrow that is not planned", "siblings", "host/catalogue/a.go", imports("catalogue", Module+"/host/invoke"), "host/invoke"},
		{"an arrow of a test that is not planned", "siblings", "host/store/a_test.go", imports("store", Module+"/host/catalogue"), "host/catalogue"},
		{"an arrow that is planned for tests alone", "siblings", "host/httpapi/a.go", imports("httpapi", Module+"/host/store"), "host/store"},
		{"an arrow back to the wiring", "siblings", "host/invoke/a.go", imports("invoke", Module+"/host"), "lambent/host"},
		{"a package that is not planned", "siblings", "host/helper/a.go", imports("helper", "fmt"), "does not know"},
		{"a long file", "files", "host/a_test.go", "package host\n" + strings.Repeat("\n", maxFileLines), "501 lines"},
		{"files that are long as a rule", "files", "host/a.go", "package host\n" + strings.Repeat("\n", medianFileLines), "median of 151"},
		{"a long function", "functions", "host/a.go", "package host\nfunc f() {\n" + lines(maxFunctionLines) + "}\n" + many(20, func(i int) string { return fmt.Sprintf("func g%d() {}\n", i) }), "102 lines"},
		{"a long function of a test", "functions", "host/a_test.go", "package host\nfunc f() {\n" + lines(maxFunctionLines) + "}\n", "102 lines"},
		{"functions that are long as a rule", "functions", "host/a.go", "package host\n" + many(9, func(i int) string { return fmt.Sprintf("func g%d() {}\n", i) }) + "func f() {\n" + lines(50) + "}\nfunc h() {\n" + lines(50) + "}\n", "2 of 11"},
		{"a large interface", "interfaces", "host/a.go", "package host\ntype i interface {\n" + many(maxMethods+1, func(i int) string { return fmt.Sprintf("m%d()\n", i) }) + "}\n", "7 methods"},
		{"interfaces that are large as a rule", "interfaces", "host/a.go", "package host\ntype i interface {\na()\nb()\nc()\nd()\n}\n", "1 of 1"},
		{"a package without a comment", "docs", "host/a.go", "package host\n", "no comment"},
		{"exported names without a comment", "docs", "host/a.go", "// Package host.\npackage host\nfunc F() {}\ntype T struct{}\nfunc (*T) M() {}\nconst C = 0\n", "4 of 4"},
		{"exported names of which too few have one", "docs", "host/a.go", "// Package host.\npackage host\n" + many(17, func(i int) string { return fmt.Sprintf("// F%d is.\nfunc F%d() {}\n", i, i) }) + "func A() {}\nfunc B() {}\n", "2 of 19"},
		{"no tests", "tests", "host/a.go", "package host\n\n\n", "0 lines"},
		{"a guest that is no small sample", "samples", "functions/echo/main.go", "package main\n" + strings.Repeat("\n", maxSampleLines), "61 lines"},
		{"an extension that is no small sample", "samples", "extensions/examples/one/main.go", "package main\n" + strings.Repeat("\n", maxSampleLines), "61 lines"},
	}
	proved := map[string]bool{}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			tree, err := Load(fstest.MapFS{c.file: {Data: []byte(c.text)}})
			if err != nil {
				t.Fatal(err)
			}
			found := checks[c.check](tree)
			for _, v := range found {
				proved[v.Reason] = true
			}
			if len(found) == 0 || !strings.Contains(found[0].What, c.what) || found[0].Reason == "" {
				t.Errorf("found %v, want a violation with %q and its reason", found, c.what)
			}
		})
	}
	for _, reason := range unproved(proved) {
		t.Errorf("no tree above breaks the rule %q: nobody knows whether it can fail", reason)
	}
}

func TestSamplesAreCountedOverAllTheirFiles(t *testing.T) {
	tree := &Tree{Files: []File{{Path: "functions/echo/a.go", Dir: "functions/echo", Lines: 30}, {Path: "functions/echo/b.go", Dir: "functions/echo", Lines: 30}}}
	if found := tree.CheckSamples(); len(found) != 1 || !strings.Contains(found[0].What, "60 lines") {
		t.Errorf("two files of 30 lines: %v", found)
	}
}

// Tests have room for tables, and what a program wrote is nobody's to shorten.
func TestTestsAndGeneratedFilesAreNotMeasuredAsCode(t *testing.T) {
	long := func(name string, lines int) string {
		return "func " + name + "() {\n" + strings.Repeat("\t_ = 0\n", lines) + "}\n"
	}
	tree, err := Load(fstest.MapFS{
		"host/a.go":      {Data: []byte("// Package host.\npackage host\n")},
		"host/a_test.go": {Data: []byte("package host\n" + long("f", 90) + long("g", 90))},
		"host/b_test.go": {Data: []byte("package host\n" + long("h", 90) + long("i", 90))},
		"host/z.go": {Data: []byte("// Code generated by a program. DO NOT EDIT.\n\npackage host\n" + long("Z", 600) +
			"type I interface {\na()\nb()\nc()\nd()\ne()\nf()\ng()\n}\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, check := range checks {
		for _, v := range check(tree) {
			t.Errorf("%s: %s", name, v)
		}
	}
}

func TestTestsAreHeldToTheirShare(t *testing.T) {
	for lines, enough := range map[int]bool{59: false, 60: true} {
		tree := &Tree{Files: []File{{Dir: "host", Lines: 100}, {Dir: "host", Lines: lines, Test: true}, {Dir: "functions/echo", Lines: 1000}}}
		if found := tree.CheckTests(); (len(found) == 0) != enough {
			t.Errorf("%d lines of tests for 100 of code: %v", lines, found)
		}
	}
}

// unproved are the reasons of rules that no tree above has broken.
func unproved(proved map[string]bool) []string {
	var reasons []string
	for _, f := range Floors {
		reasons = append(reasons, f.Reason)
	}
	for _, o := range Onlys {
		reasons = append(reasons, o.Reason)
	}
	return slices.DeleteFunc(reasons, func(reason string) bool { return proved[reason] })
}

// What may be does not count as broken.
func TestRulesLeaveTheRestAlone(t *testing.T) {
	tree, err := Load(fstest.MapFS{
		"sandbox/a.go":               {Data: []byte("// Package sandbox.\npackage sandbox\nimport (\n_ \"github.com/tetratelabs/wazero\"\n_ \"" + Module + "/abi\"\n)\n")},
		"sandbox/a_test.go":          {Data: []byte("package sandbox\nimport _ \"net/http\"\n" + strings.Repeat("\n", 40))},
		"abi/abitest/a_test.go":      {Data: []byte("package abitest\nimport _ \"github.com/tetratelabs/wazero\"\n")},
		"host/httpapi/a_test.go":     {Data: []byte("package httpapi\nimport _ \"" + Module + "/host/store\"\n")},
		"host/httpapi/a.go":          {Data: []byte("// Package httpapi.\npackage httpapi\nimport (\n_ \"github.com/labstack/echo/v4\"\n_ \"" + Module + "/host/invoke\"\n)\n")},
		"host/cli/a.go":              {Data: []byte("// Package cli.\npackage cli\nimport _ \"" + Module + "/bench\"\n")},
		"host/cli/testdata/bad.go":   {Data: []byte("not Go at all")},
		"tools/go.mod":               {Data: []byte("module other")},
		"tools/tools.go":             {Data: []byte("not Go either")},
		"telemetry/otelsink/a.go":    {Data: []byte("// Package otelsink.\npackage otelsink\nimport _ \"go.opentelemetry.io/otel/sdk/trace\"\n")},
		"extensions/sdk/internal.go": {Data: []byte("// Package sdk.\npackage sdk\n// A and B.\nconst (\nA = 1\nB = 2\n)\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, check := range checks {
		for _, v := range check(tree) {
			t.Errorf("%s: %s", name, v)
		}
	}
}

package abitest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/abi"
)

// numbers are the constants that every guest side repeats, by the name that
// they have in C.
var numbers = map[string]int{
	"LAMBENT_ABI_VERSION":            abi.Version,
	"LAMBENT_ERR_FAULT":              abi.ErrFault,
	"LAMBENT_ERR_TOO_LARGE":          abi.ErrTooLarge,
	"LAMBENT_ERR_STATE":              abi.ErrState,
	"LAMBENT_ERR_INVALID":            abi.ErrInvalid,
	"LAMBENT_ERR_DENIED":             abi.ErrDenied,
	"LAMBENT_ERR_UNREACHABLE":        abi.ErrUnreachable,
	"LAMBENT_FIELD_REQUEST_ID":       abi.FieldRequestID,
	"LAMBENT_FIELD_FUNCTION_ARN":     abi.FieldFunctionARN,
	"LAMBENT_FIELD_TRACE_ID":         abi.FieldTraceID,
	"LAMBENT_FIELD_CLIENT_CONTEXT":   abi.FieldClientContext,
	"LAMBENT_FIELD_COGNITO_IDENTITY": abi.FieldCognitoIdentity,
}

var imports = []string{
	abi.ImportEventRead, abi.ImportResponseWrite, abi.ImportFail,
	abi.ImportFailDocument, abi.ImportContextRead, abi.ImportDeadline, abi.ImportHTTPSend, abi.ImportHTTPRead,
}

func source(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestHeaderAgreesWithABI(t *testing.T) {
	header := source(t, "c/lambent.h")
	for name, value := range numbers {
		if !regexp.MustCompile(fmt.Sprintf(`(?m)^#define %s \(?%d\)?(\s|$)`, name, value)).MatchString(header) {
			t.Errorf("lambent.h does not define %s as %d", name, value)
		}
	}
	if defined := strings.Count(header, "#define LAMBENT_ERR_") + strings.Count(header, "#define LAMBENT_FIELD_"); defined+1 != len(numbers) {
		t.Errorf("lambent.h defines %d numbers, package abi %d", defined, len(numbers)-1)
	}
	for _, name := range imports {
		if !strings.Contains(header, `LAMBENT_IMPORT("`+name+`")`) {
			t.Errorf("lambent.h does not declare %s", name)
		}
	}
	if !strings.Contains(header, `import_module("`+abi.Module+`")`) {
		t.Errorf("lambent.h does not import from %s", abi.Module)
	}
}

func TestGuestAgreesWithABI(t *testing.T) {
	found := map[string]bool{}
	inspect := func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		name, value := spec.Names[0].Name, text(spec.Values[0])
		if value == "" { // ErrTooLarge is an error value
			return true
		}
		for cName, want := range numbers {
			if strings.EqualFold("LAMBENT"+name, strings.ReplaceAll(cName, "_", "")) {
				found[cName] = true
				if value != fmt.Sprint(want) {
					t.Errorf("package guest has %s = %s, package abi %d", name, value, want)
				}
			}
		}
		return true
	}
	for _, name := range []string{"guest/next.go", "guest/outbound/outbound.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, source(t, name), 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, inspect)
	}
	if len(found) != len(numbers)-1 { // it has no use for the version
		t.Errorf("package guest repeats %d of %d numbers", len(found), len(numbers)-1)
	}
	wasm := source(t, "guest/imports_wasip1.go") + source(t, "guest/outbound/imports_wasip1.go")
	for _, name := range imports {
		if !strings.Contains(wasm, "//go:wasmimport "+abi.Module+" "+name+"\n") {
			t.Errorf("package guest does not import %s", name)
		}
	}
	hooks, exports := source(t, "guest/snapstart/exports_wasip1.go"), source(t, "guest/exports_wasip1.go")
	for _, name := range []string{abi.ExportBeforeSnapshot, abi.ExportAfterRestore} {
		if !strings.Contains(hooks, "//go:wasmexport "+name+"\n") || strings.Contains(exports, name) || !strings.Contains(source(t, "c/lambent.h"), name) {
			t.Errorf("%s: want it in package snapstart and lambent.h, and not in package guest", name)
		}
	}
	if !strings.Contains(hooks, "//go:wasmimport "+abi.Module+" "+abi.ImportFail+"\n") {
		t.Errorf("package snapstart does not import %s", abi.ImportFail)
	}
	for _, name := range []string{abi.ExportInit, abi.ExportInvoke} {
		if !strings.Contains(exports, "//go:wasmexport "+name+"\n") {
			t.Errorf("package guest does not export %s", name)
		}
	}
}

// text is a literal number, with its sign.
func text(expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.BasicLit:
		return e.Value
	case *ast.UnaryExpr:
		return e.Op.String() + text(e.X)
	}
	return ""
}

// TestProseNamesEverything holds abi.md to completeness: each import, export
// and number of the contract is told there.
func TestProseNamesEverything(t *testing.T) {
	prose := source(t, "abi.md")
	names := append([]string{
		abi.Module, abi.ExportInvoke, abi.ExportInit, abi.ExportInitialize, abi.ExportStart, abi.ExportMemory,
		abi.ExportBeforeSnapshot, abi.ExportAfterRestore,
		abi.KindReactor.String(), abi.KindCommand.String(), fmt.Sprint(abi.MaxResponseBytes),
	}, imports...)
	for _, name := range names {
		if !strings.Contains(prose, name) {
			t.Errorf("abi.md does not tell of %s", name)
		}
	}
	for name, value := range numbers {
		if name = strings.TrimPrefix(name, "LAMBENT_"); name == "ABI_VERSION" {
			continue
		}
		if !regexp.MustCompile(fmt.Sprintf(`(?m)^\| *%d *\| *%s *\|`, value, name)).MatchString(prose) {
			t.Errorf("abi.md has no table line with %d and %s", value, name)
		}
	}
}

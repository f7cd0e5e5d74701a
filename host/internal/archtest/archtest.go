// Package archtest holds the plan of the house: which package may import which,
// and how large files, functions and interfaces may become. Each rule has its
// reason, which is what a test prints when the rule is broken.
//
// The plan is in arrows.go, the budgets in budgets.go; this file reads the tree.
// It reads imports as text and compiles nothing, so that files of every platform
// count.
package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// Module is the path that the imports of this house begin with.
const Module = "github.com/lambent-host/lambent"

// File is one Go file of the tree.
type File struct {
	// Path and Dir are relative to the root, with slashes; Dir of the root is ".".
	Path, Dir string
	// Test tells a _test.go file; Generated one that a program wrote, which has no
	// size that a reader minds, but imports like any other.
	Test, Generated bool
	// Lines is the number of lines.
	Lines int
	// Imports are the import paths.
	Imports []string
	// Syntax is the parsed file, with comments; Set gives its positions.
	Syntax *ast.File
	Set    *token.FileSet
}

// Tree is a checkout, or a part of one made up by a test.
type Tree struct{ Files []File }

// Violation is one place where a rule is broken.
type Violation struct {
	Where  string // a file, a package or a name
	What   string
	Reason string // why there is such a rule
}

// String is the line that a test prints.
func (v Violation) String() string { return fmt.Sprintf("%s: %s\n\t%s", v.Where, v.What, v.Reason) }

// Load reads every Go file below root, but for testdata and other modules.
func Load(root fs.FS) (*Tree, error) {
	tree := &Tree{}
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return enter(root, name)
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		file, err := parse(name, text)
		if err != nil {
			return err
		}
		tree.Files = append(tree.Files, file)
		return nil
	})
	return tree, err
}

// enter tells whether a folder belongs to the tree.
func enter(root fs.FS, name string) error {
	if name == "." {
		return nil
	}
	base := path.Base(name)
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := fs.Stat(root, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func parse(name string, text []byte) (File, error) {
	set := token.NewFileSet()
	syntax, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return File{}, err
	}
	file := File{
		Path: filepath.ToSlash(name), Dir: path.Dir(filepath.ToSlash(name)), Test: strings.HasSuffix(name, "_test.go"),
		Generated: ast.IsGenerated(syntax), Lines: strings.Count(string(text), "\n"), Syntax: syntax, Set: set,
	}
	for _, spec := range syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return File{}, fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		file.Imports = append(file.Imports, imported)
	}
	return file, nil
}

// within tells whether a folder or an import path is another or below it.
func within(name, parent string) bool {
	return name == parent || strings.HasPrefix(name, parent+"/")
}

// withinAny is within for several parents.
func withinAny(name string, parents []string) bool {
	for _, parent := range parents {
		if within(name, parent) {
			return true
		}
	}
	return false
}

// standard tells an import of the standard library: no dot in its first element.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// room is an import of this module as a folder; "" for any other.
func room(imported string) string {
	if imported == Module {
		return "."
	}
	rest, ok := strings.CutPrefix(imported, Module+"/")
	if !ok {
		return ""
	}
	return rest
}

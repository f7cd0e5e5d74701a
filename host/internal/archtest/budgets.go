package archtest

import (
	"fmt"
	"go/ast"
	"maps"
	"path"
	"slices"
	"strings"
)

// Budgets of the house. Lines are of files as they are, comments included; what a
// program wrote has no budget.
const (
	maxFileLines       = 500
	medianFileLines    = 150
	maxFunctionLines   = 100
	usualFunctionLines = 40 // nine functions in ten
	maxMethods         = 6
	usualMethods       = 3   // nine interfaces in ten
	documentedShare    = 0.9 // of exported names
	testShare          = 0.6 // lines of tests to lines of code
	maxSampleLines     = 60  // of a sample function or extension, all files together
)

// CheckFiles holds the sizes of files, tests included in the maximum only.
func (t *Tree) CheckFiles() []Violation {
	var found []Violation
	var sizes []int
	for _, f := range t.written() {
		if f.Lines > maxFileLines {
			found = append(found, Violation{f.Path, fmt.Sprintf("has %d lines, more than %d", f.Lines, maxFileLines), "a file is read in one sitting"})
		}
		if !f.Test {
			sizes = append(sizes, f.Lines)
		}
	}
	if slices.Sort(sizes); len(sizes) > 0 && sizes[len(sizes)/2] >= medianFileLines {
		found = append(found, Violation{"files", fmt.Sprintf("have a median of %d lines, not under %d", sizes[len(sizes)/2], medianFileLines), "most files have one subject"})
	}
	return found
}

// CheckFunctions holds the lengths of functions, tests included in the maximum
// only: a table is as long as what it lists.
func (t *Tree) CheckFunctions() []Violation {
	var found []Violation
	long, all := 0, 0
	declarations(t.written(), func(f File, d ast.Decl) {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			return
		}
		lines := f.Set.Position(fn.End()).Line - f.Set.Position(fn.Pos()).Line + 1
		if !f.Test {
			all++
			if lines >= usualFunctionLines {
				long++
			}
		}
		if lines > maxFunctionLines {
			found = append(found, Violation{f.Path + ": " + fn.Name.Name, fmt.Sprintf("has %d lines, more than %d", lines, maxFunctionLines), "a function fits on a screen"})
		}
	})
	if long*10 > all {
		found = append(found, Violation{"functions", fmt.Sprintf("%d of %d have %d lines or more, which is over one in ten", long, all, usualFunctionLines), "a function does one thing"})
	}
	return found
}

// CheckInterfaces holds the number of methods of interfaces.
func (t *Tree) CheckInterfaces() []Violation {
	var found []Violation
	large, all := 0, 0
	declarations(t.code(), func(f File, d ast.Decl) {
		for name, spec := range typesOf(d) {
			i, ok := spec.Type.(*ast.InterfaceType)
			if !ok {
				continue
			}
			all++
			methods := i.Methods.NumFields()
			if methods > usualMethods {
				large++
			}
			if methods > maxMethods {
				found = append(found, Violation{f.Path + ": " + name, fmt.Sprintf("has %d methods, more than %d", methods, maxMethods), "an interface of many methods is a struct in disguise"})
			}
		}
	})
	if large*10 > all {
		found = append(found, Violation{"interfaces", fmt.Sprintf("%d of %d have more than %d methods", large, all, usualMethods), "whoever takes an interface says what it needs"})
	}
	return found
}

// CheckDocs holds package comments and the comments of exported names.
func (t *Tree) CheckDocs() []Violation {
	commented, packages := map[string]bool{}, map[string]string{}
	for _, f := range t.Files {
		if !f.Test {
			packages[f.Dir] = f.Path
			commented[f.Dir] = commented[f.Dir] || f.Syntax.Doc.Text() != ""
		}
	}
	var found []Violation
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		if !commented[dir] {
			found = append(found, Violation{packages[dir], "its package has no comment", "a package says what it is for and what to read next"})
		}
	}
	documented, exported := 0, 0
	var bare []string
	declarations(t.code(), func(f File, d ast.Decl) {
		for name, has := range exportedNames(d) {
			exported++
			if has {
				documented++
			} else {
				bare = append(bare, f.Path+": "+name)
			}
		}
	})
	if float64(documented) < documentedShare*float64(exported) {
		found = append(found, Violation{"exported names", fmt.Sprintf("%d of %d have no comment: %s", exported-documented, exported, strings.Join(bare, ", ")), "an exported name is a promise, and a promise is put in words"})
	}
	return found
}

// CheckTests holds the amount of tests.
func (t *Tree) CheckTests() []Violation {
	code, tests := 0, 0
	for _, f := range t.written() {
		switch {
		case f.Test:
			tests += f.Lines
		case !within(f.Dir, "functions"): // fixtures of tests themselves
			code += f.Lines
		}
	}
	if float64(tests) < testShare*float64(code) {
		return []Violation{{"tests", fmt.Sprintf("have %d lines for %d of code", tests, code), "test code is about as long as code"}}
	}
	return nil
}

// CheckSamples holds the sizes of sample functions and extensions, which are
// read to learn how one is written.
func (t *Tree) CheckSamples() []Violation {
	sizes := map[string]int{}
	for _, f := range t.Files {
		if parent := path.Dir(f.Dir); !f.Test && (parent == "functions" || parent == "extensions/examples") {
			sizes[f.Dir] += f.Lines
		}
	}
	var found []Violation
	for _, dir := range slices.Sorted(maps.Keys(sizes)) {
		if sizes[dir] >= maxSampleLines {
			found = append(found, Violation{dir, fmt.Sprintf("has %d lines, not under %d", sizes[dir], maxSampleLines), "a sample is read to learn how one is written"})
		}
	}
	return found
}

// written are the files that people write.
func (t *Tree) written() []File {
	return slices.DeleteFunc(slices.Clone(t.Files), func(f File) bool { return f.Generated })
}

// code are the files that people write and that are not tests.
func (t *Tree) code() []File {
	return slices.DeleteFunc(t.written(), func(f File) bool { return f.Test })
}

// declarations visits the top-level declarations of files.
func declarations(files []File, visit func(File, ast.Decl)) {
	for _, f := range files {
		for _, d := range f.Syntax.Decls {
			visit(f, d)
		}
	}
}

// typesOf yields the types that a declaration declares.
func typesOf(d ast.Decl) map[string]*ast.TypeSpec {
	types := map[string]*ast.TypeSpec{}
	if g, ok := d.(*ast.GenDecl); ok {
		for _, spec := range g.Specs {
			if s, ok := spec.(*ast.TypeSpec); ok {
				types[s.Name.Name] = s
			}
		}
	}
	return types
}

// exportedNames yields the exported names of a declaration and whether they have
// a comment. A comment above a group counts for each name in it. Methods of
// unexported types are nobody's promise.
func exportedNames(d ast.Decl) map[string]bool {
	names := map[string]bool{}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
			names[d.Name.Name] = d.Doc.Text() != ""
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					names[s.Name.Name] = d.Doc.Text()+s.Doc.Text() != ""
				}
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.IsExported() {
						names[n.Name] = d.Doc.Text()+s.Doc.Text()+s.Comment.Text() != ""
					}
				}
			}
		}
	}
	return names
}

// receiver is the name of a method's type.
func receiver(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

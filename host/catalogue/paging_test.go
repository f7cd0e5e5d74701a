package catalogue

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// pages collects everything a listing returns, calling between after each page.
func pages[T any](t *testing.T, size int, list func(marker string) ([]T, string, error), between func()) (all []T) {
	t.Helper()
	marker := ""
	for range 1000 {
		items, next, err := list(marker)
		if err != nil {
			t.Fatal(err)
		}
		if len(items) > size || (next != "" && len(items) != size) {
			t.Fatalf("a page of %d items (next %q), want %d", len(items), next, size)
		}
		if all = append(all, items...); next == "" {
			return all
		}
		marker = next
		between()
	}
	t.Fatal("the pages never end")
	return nil
}

func names(versions []Version) (out []string) {
	for _, v := range versions {
		out = append(out, v.FunctionName+":"+v.Version)
	}
	return out
}

func TestListPages(t *testing.T) {
	fx := open(t)
	for _, name := range []string{"d", "b", "a", "c"} {
		fx.active(name)
	}
	for i := range 11 {
		fx.update("b", fmt.Sprint(i))
		fx.settle("b", nil)
		fx.publish("b")
	}
	fx.publish("c")
	nothing := func() {}
	for size := 1; size <= 5; size++ {
		got := pages(t, size, func(m string) ([]Version, string, error) { return fx.List(m, size, false) }, nothing)
		if want := []string{"a:$LATEST", "b:$LATEST", "c:$LATEST", "d:$LATEST"}; !slices.Equal(names(got), want) {
			t.Errorf("pages of %d: %v", size, names(got))
		}
		got = pages(t, size, func(m string) ([]Version, string, error) { return fx.List(m, size, true) }, nothing)
		want := []string{"a:$LATEST", "b:$LATEST"}
		for i := range 11 {
			want = append(want, fmt.Sprint("b:", i+1))
		}
		want = append(want, "c:$LATEST", "c:1", "d:$LATEST")
		if !slices.Equal(names(got), want) {
			t.Errorf("all versions, pages of %d: %v", size, names(got))
		}
		got = pages(t, size, func(m string) ([]Version, string, error) { return fx.Versions("b", m, size) }, nothing)
		if !slices.Equal(names(got), want[1:13]) {
			t.Errorf("versions, pages of %d: %v", size, names(got))
		}
	}
}

func TestPagesAreStableUnderChange(t *testing.T) {
	fx := open(t)
	for _, name := range []string{"b", "d", "f", "h"} {
		fx.active(name)
	}
	page := 0
	got := pages(t, 2, func(m string) ([]Version, string, error) { return fx.List(m, 2, false) }, func() {
		if page++; page == 1 { // after b and d
			for _, name := range []string{"a", "e"} {
				fx.active(name)
			}
			if err := fx.Delete(ctx, "d", ""); err != nil {
				t.Fatal(err)
			}
		}
	})
	if want := []string{"b:$LATEST", "d:$LATEST", "e:$LATEST", "f:$LATEST", "h:$LATEST"}; !slices.Equal(names(got), want) {
		t.Errorf("got %v, want %v", names(got), want)
	}
}

// TestPageAfterADeletedFunction: a page ended among the versions of a function
// that is deleted then; the next function's are not taken for its.
func TestPageAfterADeletedFunction(t *testing.T) {
	fx := open(t)
	for _, name := range []string{"b", "c"} {
		fx.active(name)
		fx.publish(name)
	}
	items, next, err := fx.List("", 2, true)
	if err != nil || !slices.Equal(names(items), []string{"b:$LATEST", "b:1"}) {
		t.Fatal(names(items), err)
	}
	if err := fx.Delete(ctx, "b", ""); err != nil {
		t.Fatal(err)
	}
	items, _, err = fx.List(next, 2, true)
	if err != nil || !slices.Equal(names(items), []string{"c:$LATEST", "c:1"}) {
		t.Errorf("next page is %v, %v", names(items), err)
	}
}

func TestAliasPages(t *testing.T) {
	fx := open(t)
	fx.versions()
	for i, name := range []string{"e", "c", "a", "d", "b"} {
		in := AliasInput{Name: name, Version: fmt.Sprint(i%2 + 1)}
		if name == "d" { // version 2, some of it version 1
			in.Weights = map[string]float64{"1": 0.5}
		}
		if _, err := fx.CreateAlias(ctx, "fn", in); err != nil {
			t.Fatal(err)
		}
	}
	for version, want := range map[string]string{"": "abcde", "1": "abde", "2": "cd", "9": ""} {
		got := ""
		for _, a := range pages(t, 2, func(m string) ([]Alias, string, error) { return fx.Aliases("fn", version, m, 2) }, func() {}) {
			got += a.Name
		}
		if got != want {
			t.Errorf("aliases of version %q: %q, want %q", version, got, want)
		}
	}
}

func TestPagesHoldFiftyAtMost(t *testing.T) {
	fx := open(t)
	for i := range 51 {
		fx.create(fmt.Sprintf("fn%02d", i), CreateInput{Code: code("same")})
	}
	for _, asked := range []int{0, -1, 50, 51, 10000} {
		items, next, err := fx.List("", asked, false)
		if err != nil || len(items) != 50 || next == "" {
			t.Errorf("asked for %d: %d items, next %q, %v", asked, len(items), next, err)
		}
	}
	if files := fx.codeFiles(); len(files) != 1 {
		t.Errorf("equal code is stored %d times", len(files))
	}
}

func TestForeignMarkersAreRefused(t *testing.T) {
	fx := open(t)
	fx.versions()
	fx.active("other")
	_, marker, err := fx.List("", 1, false)
	if err != nil || marker == "" || strings.Contains(marker, "fn") {
		t.Fatalf("marker is %q, %v", marker, err)
	}
	const message = "The Marker is not one that this operation returned."
	_, _, err = fx.Versions("fn", marker, 0)
	refused[*InvalidError](t, err, message)
	_, _, err = fx.Aliases("fn", "", marker, 0)
	refused[*InvalidError](t, err, message)
	_, marker, err = fx.Versions("fn", "", 1)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = fx.Aliases("fn", "", marker, 0)
	refused[*InvalidError](t, err, message)
	for _, m := range []string{"%", "AAAA", "Zg"} {
		_, _, err = fx.List(m, 0, true)
		refused[*InvalidError](t, err, message)
	}
}

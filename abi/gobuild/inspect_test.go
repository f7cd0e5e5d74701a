package gobuild

import "testing"

func TestGoMinor(t *testing.T) {
	for version, want := range map[string]int{"go1.26.8": 26, "go1.24": 24, "go1.24rc1": 24, "go1.9.7": 9, "devel go1.27-abc": -1, "go2": -1, "go1.": -1} {
		got, ok := goMinor(version)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("goMinor(%q) = %d, want %d", version, got, want)
		}
	}
}

func TestWithin(t *testing.T) {
	for path, want := range map[string]bool{"/cache": true, "/cache/a/b": true, "/cached": false, "/": false, "/cache/../x": false, "/cache/..x": true} {
		if got := within(path, "/cache"); got != want {
			t.Errorf("within(%q) = %v, want %v", path, got, want)
		}
	}
}

func TestSeamNames(t *testing.T) {
	seen := map[string]bool{}
	for s := SeamAuto; s <= SeamNone+1; s++ {
		if name := s.String(); name == "" || seen[name] {
			t.Errorf("seam %d is called %q", s, name)
		} else {
			seen[name] = true
		}
	}
}

package httpapi

import (
	"os"
	"strings"
	"testing"
)

func TestTheReadmeNamesEveryOperation(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	routes := (&api{}).routes()
	if len(routes) == 0 {
		t.Fatal("no routes")
	}
	for _, rt := range routes {
		// Operations of Lambda's have names, our own a path.
		name, _, _ := strings.Cut(rt.path, ":")
		if !strings.HasPrefix(name, "/lambent/") {
			name = rt.name
		}
		if !strings.Contains(string(readme), name) {
			t.Errorf("README.md does not name %s (%s %s)", name, rt.method, rt.path)
		}
	}
}

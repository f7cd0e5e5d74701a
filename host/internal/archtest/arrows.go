package archtest

import (
	"slices"
	"strings"
)

// Floor bounds what a room may stand on: beside the standard library only these.
type Floor struct {
	Rooms   []string // the room, with all below it
	But     []string // rooms below that have a floor of their own
	Allowed []string // rooms, or import paths of others
	Reason  string
}

// Only keeps an import inside the rooms that are made for it.
type Only struct {
	Imports []string
	Rooms   []string
	Tests   []string // rooms whose tests may import it as well
	Reason  string
}

// Sibling is a package below host and the packages below host that it may import,
// its tests beside those. Whatever is not named meets in host.go.
type Sibling struct {
	Package string
	Imports []string
	Tests   []string
}

// Floors of the house.
var Floors = []Floor{
	{Rooms: []string{"abi"}, Allowed: []string{"abi"}, Reason: "abi is the ground both sides stand on, and its guest side is copied into other people's builds: standard library only"},
	{Rooms: []string{"telemetry"}, But: []string{"telemetry/otelsink"}, Allowed: []string{"telemetry"}, Reason: "telemetry is what extension authors import: standard library only"},
	{Rooms: []string{"telemetry/otelsink"}, Allowed: []string{"go.opentelemetry.io", "github.com/prometheus", "telemetry"}, Reason: "otelsink adapts OpenTelemetry and nothing else"},
	{Rooms: []string{"sandbox"}, Allowed: []string{"abi", "sandbox", "github.com/tetratelabs/wazero", "golang.org/x/sys"}, Reason: "sandbox reports by values and writers; it knows no telemetry, no logger and no HTTP"},
	{Rooms: []string{"extensions/sdk"}, Allowed: []string{"telemetry", "extensions/extapi", "extensions/sdk"}, Reason: "an extension is built with the SDK alone and must not carry the host along"},
	{Rooms: []string{"extensions"}, Allowed: []string{"extensions", "telemetry", "github.com/labstack/echo/v4", "github.com/rs/zerolog", "github.com/google/uuid", "golang.org/x/sys", "gvisor.dev/gvisor"}, Reason: "extensions serves processes: it knows neither sandbox nor host"},
}

// Onlys of the house.
var Onlys = []Only{
	{Imports: []string{"github.com/tetratelabs/wazero"}, Rooms: []string{"sandbox", "bench"}, Tests: []string{"abi"}, Reason: "wazero lives in sandbox, so that an engine can be changed in one room; abi's tests need some engine, and not ours; bench measures the sandbox against it"},
	{Imports: []string{"github.com/labstack/echo"}, Rooms: []string{"host/httpapi", "extensions/httpapi", "bench/ceiling"}, Reason: "echo stays behind net/http, so that the move to another version is an afternoon"},
	{Imports: []string{"go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/otel/exporters"}, Rooms: []string{"telemetry/otelsink", "functions/traced"}, Reason: "the OTel SDK lives in otelsink; the rest of the host speaks the API; a guest may bring its own"},
	{Imports: []string{"go.etcd.io/bbolt"}, Rooms: []string{"host/store", "host/catalogue", "host/layer", "host/async"}, Reason: "there is one store; those who keep something in it are few and known"},
	{Imports: []string{"gvisor.dev/gvisor"}, Rooms: []string{"extensions/place/egress"}, Reason: "the one TCP/IP stack of the house runs where a fault of it ends one environment"},
	{Imports: []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/schollz/progressbar/v3", "github.com/mattn/go-isatty"}, Rooms: []string{"host/cli"}, Reason: "what belongs to a command line stays there"},
	{Imports: []string{"net/http"}, Rooms: []string{"host", "extensions", "bench", "telemetry/otelsink", "abi/guest/runtimeapi"}, Tests: []string{"abi", "sandbox", "telemetry"}, Reason: "sandbox, telemetry and abi know no HTTP"},
	{Imports: []string{Module + "/sandbox"}, Rooms: []string{"sandbox", "host", "bench"}, Reason: "beside what measures it, host alone runs instances: whatever else did would be a second host, and the suite of abi holds any engine"},
	{Imports: []string{Module + "/functions"}, Rooms: nil, Reason: "functions are guests: they are built, not imported"},
	{Imports: []string{Module + "/bench"}, Rooms: []string{"bench", "host/cli"}, Reason: "nothing rests on what measures it"},
	{Imports: []string{Module + "/host"}, Rooms: []string{"host", "bench"}, Reason: "arrows point down: nothing below host imports it"},
	{Imports: []string{"C"}, Rooms: nil, Reason: "the product builds with CGO_ENABLED=0"},
}

// Siblings are the arrows inside host.
var Siblings = []Sibling{
	{Package: "host/admission"},
	{Package: "host/store"},
	{Package: "host/deployment"},
	{Package: "host/lambdaapi"},
	{Package: "host/catalogue", Imports: []string{"host/store", "host/deployment"}},
	{Package: "host/attachment"},
	{Package: "host/wasmextension", Imports: []string{"host/attachment"}},
	{Package: "host/observer", Imports: []string{"host/attachment"}},
	{Package: "host/layer", Imports: []string{"host/store", "host/deployment"}},
	{Package: "host/publish", Imports: []string{"host/catalogue", "host/deployment"}, Tests: []string{"host/store"}},
	{Package: "host/snapshot"},
	{Package: "host/environment", Imports: []string{"host/catalogue", "host/publish", "host/snapshot"}},
	{Package: "host/invoke", Imports: []string{"host/environment", "host/admission", "host/catalogue"}},
	{Package: "host/async", Imports: []string{"host/invoke", "host/store"}},
	// admission, layer and deployment for their error types: one function turns every
	// error into a status, and so has to know them.
	{Package: "host/httpapi", Imports: []string{"host/invoke", "host/async", "host/catalogue", "host/layer", "host/lambdaapi", "host/admission", "host/deployment"}, Tests: []string{"host/store"}},
	{Package: "host/client", Imports: []string{"host/lambdaapi"}},
	{Package: "host/cli", Imports: []string{"host", "host/client", "host/lambdaapi"}},
	{Package: "host/cmd/lambent", Imports: []string{"host/cli"}},
	{Package: "host/internal/archtest"},
	// The real clients, against the whole host.
	{Package: "host/clienttest", Tests: []string{"host", "host/client", "host/lambdaapi"}},
}

// CheckFloors returns what stands on more than its floor. Tests may use more.
func (t *Tree) CheckFloors(floors []Floor) []Violation {
	var found []Violation
	for _, f := range t.Files {
		floor, ok := floorOf(floors, f.Dir)
		if f.Test || !ok {
			continue
		}
		for _, imported := range f.Imports {
			name := imported
			if r := room(imported); r != "" {
				name = r
			}
			if !standard(imported) && !withinAny(name, floor.Allowed) {
				found = append(found, Violation{f.Path, "imports " + imported, floor.Reason})
			}
		}
	}
	return found
}

// floorOf finds the floor with the longest matching room.
func floorOf(floors []Floor, dir string) (best Floor, ok bool) {
	length := -1
	for _, floor := range floors {
		for _, name := range floor.Rooms {
			if within(dir, name) && !withinAny(dir, floor.But) && len(name) > length {
				best, ok, length = floor, true, len(name)
			}
		}
	}
	return best, ok
}

// CheckOnlys returns imports outside of the rooms made for them.
func (t *Tree) CheckOnlys(onlys []Only) []Violation {
	var found []Violation
	for _, f := range t.Files {
		for _, imported := range f.Imports {
			for _, only := range onlys {
				if !importsAny(imported, only.Imports) || withinAny(f.Dir, only.Rooms) || (f.Test && withinAny(f.Dir, only.Tests)) {
					continue
				}
				found = append(found, Violation{f.Path, "imports " + imported, only.Reason})
			}
		}
	}
	return found
}

// importsAny tells whether an import is one of the paths, below one, or one in
// another major version.
func importsAny(imported string, paths []string) bool {
	return slices.ContainsFunc(paths, func(p string) bool { return within(imported, p) })
}

// CheckSiblings returns arrows inside host that are not in the plan, and packages
// that the plan does not know.
func (t *Tree) CheckSiblings(siblings []Sibling) []Violation {
	plan := map[string]Sibling{}
	for _, s := range siblings {
		plan[s.Package] = s
	}
	const reason = "sibling packages inside host meet in host.go; an arrow between two is part of the plan (arrows.go) or a mistake"
	var found []Violation
	for _, f := range t.Files {
		if !strings.HasPrefix(f.Dir, "host/") {
			continue
		}
		sibling, known := plan[f.Dir]
		if !known {
			found = append(found, Violation{f.Path, "is in a package that the plan does not know", reason})
			continue
		}
		for _, imported := range f.Imports {
			if r := room(imported); within(r, "host") && r != f.Dir && !slices.Contains(sibling.Imports, r) && !(f.Test && slices.Contains(sibling.Tests, r)) {
				found = append(found, Violation{f.Path, "imports " + imported, reason})
			}
		}
	}
	return found
}

package catalogue

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
)

// maxPage is how many items a page holds at most, whatever is asked for
// (ListFunctions: "Lambda returns up to 50 items").
const maxPage = 50

func clamp(asked int) int {
	if asked <= 0 || asked > maxPage {
		return maxPage
	}
	return asked
}

// Markers hold the last item of the page before, not a position: functions that
// come and go between two pages neither repeat nor hide others.

func encodeMarker(parts ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, "\x00")))
}

// decodeMarker returns the parts after kind; nil for an empty marker.
func decodeMarker(marker, kind string, n int) ([]string, error) {
	if marker == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(marker)
	parts := strings.Split(string(b), "\x00")
	if err != nil || len(parts) != n+1 || parts[0] != kind {
		return nil, invalid("Marker", "The Marker is not one that this operation returned.")
	}
	return parts[1:], nil
}

// number orders versions: $LATEST is 0 and comes first.
func number(version string) int {
	n, _ := strconv.Atoi(version)
	return n
}

// List returns functions in order of name, at most max (50 when 0 or more) of
// them; allVersions adds each one's published versions after its $LATEST. next
// is empty on the last page, else the marker to go on with.
func (c *Catalogue) List(marker string, max int, allVersions bool) (items []Version, next string, err error) {
	after, err := decodeMarker(marker, "f", 2)
	if err != nil {
		return nil, "", err
	}
	max = clamp(max)
	c.mu.RLock()
	defer c.mu.RUnlock()
	start, afterNumber := 0, -1
	if after != nil {
		var found bool
		start, found = slices.BinarySearch(c.names, after[0])
		afterNumber = number(after[1])
		if !found || !allVersions {
			afterNumber = -1
		}
		if found && !allVersions {
			start++
		}
	}
	for _, name := range c.names[start:] {
		f := c.functions[name]
		for v := range f.all(allVersions) {
			if number(v.Version) <= afterNumber {
				continue
			}
			if len(items) == max {
				last := items[max-1]
				return items, encodeMarker("f", last.FunctionName, last.Version), nil
			}
			items = append(items, v.clone())
		}
		afterNumber = -1
	}
	return items, "", nil
}

// all yields $LATEST and, if asked, the published versions.
func (f *function) all(published bool) func(yield func(*Version) bool) {
	return func(yield func(*Version) bool) {
		if !yield(&f.latest) || !published {
			return
		}
		for i := range f.versions {
			if !yield(&f.versions[i]) {
				return
			}
		}
	}
}

// Versions returns $LATEST and the published versions by number, in pages as List.
func (c *Catalogue) Versions(name, marker string, max int) (items []Version, next string, err error) {
	after, err := decodeMarker(marker, "v", 1)
	if err != nil {
		return nil, "", err
	}
	f := c.lookup(name)
	if f == nil {
		return nil, "", c.notFound(name, "")
	}
	afterNumber := -1
	if after != nil {
		afterNumber = number(after[0])
	}
	max = clamp(max)
	for v := range f.all(true) {
		if number(v.Version) <= afterNumber {
			continue
		}
		if len(items) == max {
			return items, encodeMarker("v", items[max-1].Version), nil
		}
		items = append(items, v.clone())
	}
	return items, "", nil
}

// Aliases returns the aliases by name, in pages as List; functionVersion, when
// set, leaves only those that send something to that version.
func (c *Catalogue) Aliases(name, functionVersion, marker string, max int) (items []Alias, next string, err error) {
	after, err := decodeMarker(marker, "a", 1)
	if err != nil {
		return nil, "", err
	}
	f := c.lookup(name)
	if f == nil {
		return nil, "", c.notFound(name, "")
	}
	names := f.aliasNames(functionVersion)
	if after != nil {
		i, found := slices.BinarySearch(names, after[0])
		if found {
			i++
		}
		names = names[i:]
	}
	max = clamp(max)
	for i, alias := range names {
		if i == max {
			return items, encodeMarker("a", items[max-1].Name), nil
		}
		items = append(items, f.aliases[alias].clone())
	}
	return items, "", nil
}

// aliasNames lists the aliases, of one version if it is set, sorted.
func (f *function) aliasNames(version string) (names []string) {
	if version != "" {
		return f.aliasesOf(version)
	}
	for name := range f.aliases {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

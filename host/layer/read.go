package layer

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
)

// Filter chooses versions; an empty field chooses all. A version that names no
// runtimes, or no architectures, is chosen by none.
type Filter struct{ Runtime, Architecture string }

func (f Filter) matches(v Version) bool {
	return !v.Deleted && (f.Runtime == "" || slices.Contains(v.Runtimes, f.Runtime)) &&
		(f.Architecture == "" || slices.Contains(v.Architectures, f.Architecture))
}

// pageItems is how many items a list has at most (ListLayers, API model).
const pageItems = 50

// Get returns a version that was not deleted, or a *NotFoundError.
func (s *Store) Get(name string, number int64) (Version, error) {
	if v, ok := s.find(name, number); ok && !v.Deleted {
		return v, nil
	}
	return Version{}, &NotFoundError{fmt.Sprintf("Layer version %s:%d does not exist.", s.arn(name), number)}
}

func (s *Store) find(name string, number int64) (Version, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	l := s.layers[name]
	if l == nil {
		return Version{}, false
	}
	i, ok := sort.Find(len(l.versions), func(i int) int { return int(number - l.versions[i].Number) })
	if !ok {
		return Version{}, false
	}
	return l.versions[i], true
}

// ByARN returns the version of an ARN with a number, deleted or not.
func (s *Store) ByARN(arn string) (Version, bool) {
	match := arnPattern.FindStringSubmatch(arn)
	if match == nil || match[1] != s.cfg.Region || match[2] != s.cfg.AccountID {
		return Version{}, false
	}
	number, err := strconv.ParseInt(match[4], 10, 64)
	if err != nil {
		return Version{}, false
	}
	return s.find(match[3], number)
}

// Resolve returns the versions that a function is to have, or an *InvalidError in
// the service's words. The order is that of the function: of two files of one
// name the later layer's is seen.
func (s *Store) Resolve(arns []string) ([]Version, error) {
	if len(arns) > maxLayers {
		return nil, &InvalidError{fmt.Sprintf("Cannot reference more than %d layers.", maxLayers)}
	}
	versions := make([]Version, 0, len(arns))
	var unpacked int64
	for _, arn := range arns {
		if match := arnPattern.FindStringSubmatch(arn); match != nil && match[1] != s.cfg.Region {
			return nil, &InvalidError{fmt.Sprintf("Layers are not in the same region as the function. Layers are expected to be in region %s.", s.cfg.Region)}
		}
		v, ok := s.ByARN(arn)
		if !ok || v.Deleted {
			return nil, &InvalidError{fmt.Sprintf("Layer version %s does not exist.", arn)}
		}
		for _, other := range versions {
			if other.Name == v.Name {
				return nil, &InvalidError{fmt.Sprintf("Two different versions of the same layer are not allowed to be referenced in the same function. %s and %s are versions of the same layer.", other.ARN, v.ARN)}
			}
		}
		if unpacked += v.Unpacked; unpacked > maxUnpacked {
			return nil, &InvalidError{fmt.Sprintf("Layers consume more than the available size of %d bytes", maxUnpacked)}
		}
		versions = append(versions, v)
	}
	return versions, nil
}

// Versions lists the versions of a layer, the newest first, at most items (0:
// 50), from the one after marker on. next is the marker of the rest, "" at the end.
func (s *Store) Versions(name string, filter Filter, marker string, items int) (page []Version, next string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	l := s.layers[name]
	if l == nil {
		return nil, ""
	}
	before, err := strconv.ParseInt(marker, 10, 64)
	for _, v := range slices.Backward(l.versions) {
		if !filter.matches(v) || err == nil && v.Number >= before {
			continue
		}
		if len(page) == limit(items) {
			return page, strconv.FormatInt(page[len(page)-1].Number, 10)
		}
		page = append(page, v)
	}
	return page, ""
}

// Layers lists the newest matching version of each layer that has one, by name.
func (s *Store) Layers(filter Filter, marker string, items int) (page []Version, next string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, name := range slices.Sorted(maps.Keys(s.layers)) {
		if name <= marker {
			continue
		}
		for _, v := range slices.Backward(s.layers[name].versions) {
			if !filter.matches(v) {
				continue
			}
			if len(page) == limit(items) {
				return page, page[len(page)-1].Name
			}
			page = append(page, v)
			break
		}
	}
	return page, ""
}

func limit(items int) int {
	if items <= 0 || items > pageItems {
		return pageItems
	}
	return items
}

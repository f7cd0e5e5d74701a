package cli

import (
	"context"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// How often sources are looked at, and how many files at most: a folder that holds
// more is not one of sources.
const (
	watchEvery = 300 * time.Millisecond
	watchFiles = 20_000
)

// sources are files and folders that may change.
type sources struct {
	paths []string
	seen  uint64
}

// watch notes what is there now.
func watch(paths ...string) *sources {
	s := &sources{paths: paths}
	s.seen = s.look()
	return s
}

// changed waits for a change and for the time after it in which nothing more changes,
// so that a build does not begin in the middle of a write. It is false when ctx ends
// before.
func (s *sources) changed(ctx context.Context) bool {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	last := s.seen
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return false
		}
		now := s.look()
		if now != s.seen && now == last {
			return true
		}
		last = now
	}
}

// look sums up the names, sizes and times of all files.
func (s *sources) look() uint64 {
	sum := fnv.New64a()
	left := watchFiles
	for _, path := range s.paths {
		_ = filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error { // what is not there has no files
			if err != nil {
				return nil //nolint:nilerr // likewise
			}
			if entry.IsDir() && name != path && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules") {
				return fs.SkipDir
			}
			if left--; left < 0 {
				return fs.SkipAll
			}
			info, err := os.Stat(name)
			if err == nil && info.Mode().IsRegular() {
				_, _ = fmt.Fprintln(sum, name, info.Size(), info.ModTime().UnixNano())
			}
			return nil
		})
	}
	return sum.Sum64()
}

package extensions

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lambent-host/lambent/extensions/extapi"
)

// Discover returns the paths of the extensions in dir, sorted by name: every
// regular file directly in it, or link to one, executable or not; one that
// cannot be executed fails when it is started, as on Lambda. A folder that does
// not exist has none. More than [extapi.MaxExtensions] is an error.
func Discover(dir string) ([]string, error) {
	if dir == "" {
		return nil, nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find extensions: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find extensions: %w", err)
	}
	var paths []string
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		info, err := os.Stat(path) // follows links
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		paths = append(paths, path)
	}
	if len(paths) > extapi.MaxExtensions {
		return nil, fmt.Errorf("find extensions: %d in %s, the limit is %d", len(paths), dir, extapi.MaxExtensions)
	}
	return paths, nil
}

package extensions

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lambent-host/lambent/extensions/extapi"
)

// optExtensions is the folder of a /opt tree that extensions are in.
const optExtensions = "extensions"

// paths finds the executables of the set: those of its folder, and those of the
// function's layers that have other names. More than [extapi.MaxExtensions] is an
// error.
func (c Config) paths() ([]string, error) {
	dirs := []string{c.Dir}
	if c.Opt != "" {
		dirs = append(dirs, filepath.Join(c.Opt, optExtensions))
	}
	paths, err := Discover(dirs...)
	paths = append(paths, c.Executables...)
	if err == nil && len(paths) > extapi.MaxExtensions {
		err = fmt.Errorf("find extensions: there are %d, the limit is %d", len(paths), extapi.MaxExtensions)
	}
	return paths, err
}

// Discover returns the paths of the extensions in the folders, in their order and
// sorted by name in each: every regular file directly in it, or link to one,
// executable or not; one that cannot be executed fails when it is started, as on
// Lambda. Of several of one name the first counts. A folder that does not exist
// has none.
func Discover(dirs ...string) ([]string, error) {
	var paths []string
	named := map[string]bool{}
	for _, dir := range dirs {
		found, err := discover(dir)
		if err != nil {
			return nil, fmt.Errorf("find extensions: %w", err)
		}
		for _, path := range found {
			if name := filepath.Base(path); !named[name] {
				named[name] = true
				paths = append(paths, path)
			}
		}
	}
	return paths, nil
}

func discover(dir string) (paths []string, err error) {
	if dir == "" {
		return nil, nil
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		info, err := os.Stat(path) // follows links
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		paths = append(paths, path)
	}
	return paths, err
}

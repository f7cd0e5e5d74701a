//go:build !linux

package sandbox

import "os"

// mapNoReserve is not available everywhere.
const mapNoReserve = 0

// discard is not what madvise does everywhere: the caller maps anew.
func discard([]byte) bool { return false }

// rewind does not know which pages were written.
func (s *space) rewind(*image) bool { return false }

// written cannot be known.
func (s *space) written() ([]run, bool) { return nil, false }

func (s *space) populate([]run) {}

// newImageFile makes a file that has no name.
func newImageFile() (*os.File, error) {
	f, err := os.CreateTemp("", "lambent-image-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// seal has nothing to do: nobody finds a file that has no name.
func seal(*os.File) error { return nil }

//go:build !linux

package sandbox

import "os"

// mapNoReserve is not available everywhere.
const mapNoReserve = 0

// discard is not what madvise does everywhere: the caller maps anew.
func discard([]byte) bool { return false }

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

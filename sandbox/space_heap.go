//go:build !unix

package sandbox

import "errors"

// reserve finds no address space: linear memories are on the Go heap.
func reserve(uint64) []byte { return nil }

func share(*image) []byte { return nil }

func release([]byte) {}

func (s *space) fill(*image) error { return errors.ErrUnsupported }

//go:build !unix

package sandbox

import "context"

// withMemory leaves the memories on the Go heap.
func withMemory(ctx context.Context) context.Context { return ctx }

//go:build !race

package hostiletest

// CPUTimeSeconds is what a child may take.
const CPUTimeSeconds = 2

const hungry = "needs more than 256 MB of memory"

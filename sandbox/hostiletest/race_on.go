//go:build race

package hostiletest

// CPUTimeSeconds is what a child may take, which is slower under the race detector.
const CPUTimeSeconds = 8

// Whichever limit is met first: memory is counted by another measure.
const hungry = "compiling the module "

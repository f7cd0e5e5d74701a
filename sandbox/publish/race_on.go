//go:build race

package publish

// memoryFactor is how much more memory a program takes under the race detector,
// which keeps several bytes for each one.
const memoryFactor = 10

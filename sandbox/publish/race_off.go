//go:build !race

package publish

const memoryFactor = 1

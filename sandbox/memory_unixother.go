//go:build unix && !linux

package sandbox

// mapNoReserve is not available everywhere.
const mapNoReserve = 0

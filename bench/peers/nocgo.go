//go:build !cgo

package main

import (
	"errors"

	"github.com/lambent-host/lambent/bench/metering"
)

func wasmtimeEngines() ([]metering.Engine, error) {
	return nil, errors.New("it needs cgo and a C compiler (CGO_ENABLED=1)")
}

package main

import "github.com/lambent-host/lambent/bench/metering"

// peer is another engine, in all the ways that it is measured.
type peer struct {
	name string
	// engines fails where the peer cannot be measured, and says why.
	engines func() ([]metering.Engine, error)
}

var peers = []peer{
	{"wasmtime", wasmtimeEngines},
}

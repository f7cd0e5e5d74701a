//go:build !linux

package place

import (
	"context"
	"errors"
	"runtime"
)

func newNamespaces(context.Context, Config) (Place, error) {
	return nil, errors.New("there are no namespaces on " + runtime.GOOS)
}

func hasIPv6() bool { return false }

package conformance

import (
	"context"

	"github.com/lambent-host/lambent/extensions/place"
)

// isolated is a place where each environment has a network of its own, or nil
// where this machine has none to give.
func isolated(context.Context) place.Place { return nil }

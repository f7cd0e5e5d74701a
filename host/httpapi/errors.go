package httpapi

import (
	"errors"
	"math"

	"github.com/lambent-host/lambent/host/admission"
	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/deployment"
	"github.com/lambent-host/lambent/host/invoke"
	"github.com/lambent-host/lambent/host/lambdaapi"
	"github.com/lambent-host/lambent/host/layer"
)

// apiError is the one place where errors become answers. An error of a kind it
// does not know is the host's own failure: ServiceException, with its text
// hidden.
func apiError(err error) *lambdaapi.Error {
	var (
		own          *lambdaapi.Error
		notFound     *catalogue.NotFoundError
		conflict     *catalogue.ConflictError
		precondition *catalogue.PreconditionError
		invalid      *catalogue.InvalidError
		notReady     *catalogue.NotReadyError
		upload       *deployment.Error
		throttled    *admission.ThrottledError
		restore      *invoke.RestoreError
		noLayer      *layer.NotFoundError
		badLayers    *layer.InvalidError
	)
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &notFound):
		return lambdaapi.Errorf(lambdaapi.CodeNotFound, "%s", notFound.Message)
	case errors.As(err, &conflict):
		return lambdaapi.Errorf(lambdaapi.CodeConflict, "%s", conflict.Message)
	case errors.As(err, &precondition):
		return lambdaapi.Errorf(lambdaapi.CodePrecondition, "%s", precondition.Message)
	case errors.As(err, &invalid) && invalid.Validation:
		return lambdaapi.Errorf(lambdaapi.CodeValidation, "%s", invalid.Message)
	case invalid != nil:
		return lambdaapi.Errorf(lambdaapi.CodeInvalidParameter, "%s", invalid.Message)
	case errors.As(err, &notReady) && notReady.Snapshot:
		return lambdaapi.Errorf(lambdaapi.CodeSnapStartNotReady, "%s", notReady.Message)
	case notReady != nil:
		// Not a 5xx: clients would repeat it at once, compiling takes longer.
		return lambdaapi.Errorf(lambdaapi.CodeConflict, "%s", notReady.Message)
	case errors.As(err, &restore) && restore.Timeout:
		return lambdaapi.Errorf(lambdaapi.CodeSnapStartTimeout, "%s", restore.Message)
	case restore != nil:
		return lambdaapi.Errorf(lambdaapi.CodeSnapStart, "%s", restore.Message)
	case errors.As(err, &noLayer):
		return lambdaapi.Errorf(lambdaapi.CodeNotFound, "%s", noLayer.Message)
	case errors.As(err, &badLayers):
		return lambdaapi.Errorf(lambdaapi.CodeInvalidParameter, "%s", badLayers.Message)
	case errors.As(err, &upload):
		return lambdaapi.Errorf(upload.Code, "%s", upload.Message)
	case errors.As(err, &throttled):
		e := lambdaapi.Errorf(lambdaapi.CodeTooManyRequests, "Rate Exceeded.")
		e.Reason = throttled.Reason
		e.RetryAfter = int(math.Ceil(throttled.RetryAfter.Seconds()))
		return e
	}
	return lambdaapi.Errorf(lambdaapi.CodeService, "An error occurred and the request cannot be processed.")
}

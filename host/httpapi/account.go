package httpapi

import (
	"context"
	"net/http"

	"github.com/lambent-host/lambent/host/lambdaapi"
)

// totalCodeBytes is what GetAccountSettings tells as the limit of all code; it
// is Lambda's default (75 GB) and is not enforced.
const totalCodeBytes = 80530636800

func (a *api) getAccountSettings(context.Context, *request) (response, error) {
	codeBytes, functions := a.cfg.Catalogue.Usage()
	return answer(http.StatusOK, lambdaapi.AccountSettings{
		AccountLimit: lambdaapi.AccountLimit{
			TotalCodeSize:                  totalCodeBytes,
			CodeSizeUnzipped:               lambdaapi.MaxUnzippedBytes,
			CodeSizeZipped:                 lambdaapi.MaxZippedBytes,
			ConcurrentExecutions:           a.cfg.ConcurrencyLimit,
			UnreservedConcurrentExecutions: a.cfg.ConcurrencyLimit,
		},
		AccountUsage: lambdaapi.AccountUsage{TotalCodeSize: codeBytes, FunctionCount: functions},
	})
}

// existing reads the name in the path and checks that there is such a function.
func (a *api) existing(r *request) (string, error) {
	n, err := a.qualified(r)
	if err != nil {
		return "", err
	}
	_, err = a.cfg.Catalogue.Get(n.Function, n.Qualifier)
	return n.Function, err
}

// getPolicy answers that there is none: nothing is authorized here.
func (a *api) getPolicy(_ context.Context, r *request) (response, error) {
	if _, err := a.existing(r); err != nil {
		return response{}, err
	}
	return response{}, lambdaapi.Errorf(lambdaapi.CodeNotFound, "The resource you requested does not exist.")
}

// getCodeSigning answers that code is not signed here.
func (a *api) getCodeSigning(_ context.Context, r *request) (response, error) {
	name, err := a.existing(r)
	if err != nil {
		return response{}, err
	}
	return answer(http.StatusOK, lambdaapi.CodeSigningResponse{FunctionName: name})
}

// getConcurrency answers that nothing is reserved.
func (a *api) getConcurrency(_ context.Context, r *request) (response, error) {
	if _, err := a.existing(r); err != nil {
		return response{}, err
	}
	return answer(http.StatusOK, lambdaapi.ConcurrencyResponse{})
}

func (a *api) listTags(_ context.Context, r *request) (response, error) {
	name, err := a.tagged(r)
	if err != nil {
		return response{}, err
	}
	tags, err := a.cfg.Catalogue.Tags(name)
	if err != nil {
		return response{}, err
	}
	return answer(http.StatusOK, lambdaapi.TagsDocument{Tags: tags})
}

func (a *api) tagResource(ctx context.Context, r *request) (response, error) {
	name, err := a.tagged(r)
	if err != nil {
		return response{}, err
	}
	var in lambdaapi.TagsDocument
	if err := r.decode(lambdaapi.MaxRequestBytes, &in); err != nil {
		return response{}, err
	}
	if err := a.cfg.Catalogue.Tag(ctx, name, in.Tags); err != nil {
		return response{}, err
	}
	return done()
}

func (a *api) untagResource(ctx context.Context, r *request) (response, error) {
	name, err := a.tagged(r)
	if err != nil {
		return response{}, err
	}
	keys := r.query["tagKeys"]
	if len(keys) == 0 {
		var v lambdaapi.Violations
		v.Missing("tagKeys")
		return response{}, v.Err()
	}
	if err := a.cfg.Catalogue.Untag(ctx, name, keys); err != nil {
		return response{}, err
	}
	return done()
}

// tagged reads the ARN in the path.
func (a *api) tagged(r *request) (string, error) {
	n, err := lambdaapi.ParseTagged(r.param("arn"))
	if err != nil {
		return "", err
	}
	return a.own(n)
}

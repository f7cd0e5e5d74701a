package httpapi

import (
	"context"
	"net/http"

	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

func (a *api) publishVersion(ctx context.Context, r *request) (response, error) {
	name, err := a.function(r)
	if err != nil {
		return response{}, err
	}
	var in lambdaapi.PublishVersionRequest
	if err := r.decode(lambdaapi.MaxRequestBytes, &in); err != nil {
		return response{}, err
	}
	publish := catalogue.PublishInput{CodeSHA256: in.CodeSha256, RevisionID: in.RevisionID}
	assign(&publish.Description, in.Description)
	v, err := a.cfg.Catalogue.PublishVersion(ctx, name, publish)
	if err != nil {
		return response{}, err
	}
	return answer(http.StatusCreated, a.describe(v))
}

func (a *api) listVersions(_ context.Context, r *request) (response, error) {
	name, err := a.function(r)
	if err != nil {
		return response{}, err
	}
	marker, items, err := r.page()
	if err != nil {
		return response{}, err
	}
	versions, next, err := a.cfg.Catalogue.Versions(name, marker, items)
	if err != nil {
		return response{}, err
	}
	out := lambdaapi.ListVersionsResponse{NextMarker: next, Versions: []*lambdaapi.FunctionConfiguration{}}
	for _, v := range versions {
		c := a.summarize(v)
		c.FunctionArn = v.QualifiedARN()
		out.Versions = append(out.Versions, c)
	}
	return answer(http.StatusOK, out)
}

package httpapi

import (
	"context"
	"net/http"

	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

func (a *api) createAlias(ctx context.Context, r *request) (response, error) {
	name, err := a.function(r)
	if err != nil {
		return response{}, err
	}
	var in lambdaapi.CreateAliasRequest
	if err := r.decode(lambdaapi.MaxRequestBytes, &in); err != nil {
		return response{}, err
	}
	alias := catalogue.AliasInput{Name: *in.Name, Version: *in.FunctionVersion}
	assign(&alias.Description, in.Description)
	if in.RoutingConfig != nil {
		alias.Weights = in.RoutingConfig.AdditionalVersionWeights
	}
	created, err := a.cfg.Catalogue.CreateAlias(ctx, name, alias)
	if err != nil {
		return response{}, err
	}
	return answer(http.StatusCreated, describeAlias(created))
}

func (a *api) getAlias(_ context.Context, r *request) (response, error) {
	name, err := a.function(r)
	if err != nil {
		return response{}, err
	}
	alias, err := a.cfg.Catalogue.GetAlias(name, r.param("alias"))
	if err != nil {
		return response{}, err
	}
	return answer(http.StatusOK, describeAlias(alias))
}

func (a *api) updateAlias(ctx context.Context, r *request) (response, error) {
	name, err := a.function(r)
	if err != nil {
		return response{}, err
	}
	var in lambdaapi.UpdateAliasRequest
	if err := r.decode(lambdaapi.MaxRequestBytes, &in); err != nil {
		return response{}, err
	}
	patch := catalogue.AliasPatch{Version: in.FunctionVersion, Description: in.Description}
	assign(&patch.RevisionID, in.RevisionID)
	if in.RoutingConfig != nil {
		patch.Weights = &in.RoutingConfig.AdditionalVersionWeights
	}
	updated, err := a.cfg.Catalogue.UpdateAlias(ctx, name, r.param("alias"), patch)
	if err != nil {
		return response{}, err
	}
	return answer(http.StatusOK, describeAlias(updated))
}

func (a *api) deleteAlias(ctx context.Context, r *request) (response, error) {
	name, err := a.function(r)
	if err != nil {
		return response{}, err
	}
	if err := a.cfg.Catalogue.DeleteAlias(ctx, name, r.param("alias")); err != nil {
		return response{}, err
	}
	return done()
}

func (a *api) listAliases(_ context.Context, r *request) (response, error) {
	name, err := a.function(r)
	if err != nil {
		return response{}, err
	}
	marker, items, err := r.page()
	if err != nil {
		return response{}, err
	}
	version := r.query.Get("FunctionVersion")
	if version != "" {
		var v lambdaapi.Violations
		lambdaapi.CheckVersion(&v, version)
		if err := v.Err(); err != nil {
			return response{}, err
		}
	}
	aliases, next, err := a.cfg.Catalogue.Aliases(name, version, marker, items)
	if err != nil {
		return response{}, err
	}
	out := lambdaapi.ListAliasesResponse{NextMarker: next, Aliases: []*lambdaapi.AliasConfiguration{}}
	for _, al := range aliases {
		out.Aliases = append(out.Aliases, describeAlias(al))
	}
	return answer(http.StatusOK, out)
}

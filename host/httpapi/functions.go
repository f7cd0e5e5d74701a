package httpapi

import (
	"context"
	"net/http"

	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

func (a *api) createFunction(ctx context.Context, r *request) (response, error) {
	release, err := a.upload(ctx, r)
	if err != nil {
		return response{}, err
	}
	defer release()
	var in lambdaapi.CreateFunctionRequest
	if err := r.decode(lambdaapi.MaxCreateRequestBytes, &in); err != nil {
		return response{}, err
	}
	n, err := lambdaapi.ParseManagedName(*in.FunctionName)
	if err != nil {
		return response{}, err
	}
	name, err := a.own(n)
	if err != nil {
		return response{}, err
	}
	if err := a.checkLayers(in.Layers); err != nil {
		return response{}, err
	}
	v, err := a.cfg.Catalogue.Create(ctx, catalogue.CreateInput{
		Name: name, Settings: settingsOf(&in), Code: in.Code.ZipFile, Tags: in.Tags, Publish: in.Publish,
	})
	if err != nil {
		return response{}, err
	}
	return answer(http.StatusCreated, a.describe(v))
}

func (a *api) getFunction(_ context.Context, r *request) (response, error) {
	v, arn, err := a.lookup(r)
	if err != nil {
		return response{}, err
	}
	tags, err := a.cfg.Catalogue.Tags(v.FunctionName)
	if err != nil {
		return response{}, err
	}
	out := lambdaapi.GetFunctionResponse{
		Configuration: a.describe(v),
		Code:          lambdaapi.CodeLocation{RepositoryType: "S3", Location: codeLocation(r, v)},
		Tags:          tags,
	}
	out.Configuration.FunctionArn = arn
	return answer(http.StatusOK, out)
}

func (a *api) getConfiguration(_ context.Context, r *request) (response, error) {
	v, arn, err := a.lookup(r)
	if err != nil {
		return response{}, err
	}
	c := a.describe(v)
	c.FunctionArn = arn
	return answer(http.StatusOK, c)
}

// lookup finds the version that is asked for, and its ARN with the qualifier
// that was given: an alias's name, not the number behind it.
func (a *api) lookup(r *request) (catalogue.Version, string, error) {
	n, err := a.qualified(r)
	if err != nil {
		return catalogue.Version{}, "", err
	}
	v, err := a.cfg.Catalogue.Get(n.Function, n.Qualifier)
	if err != nil {
		return v, "", err
	}
	if n.Qualifier == "" {
		return v, v.FunctionARN, nil
	}
	return v, v.FunctionARN + ":" + n.Qualifier, nil
}

func (a *api) listFunctions(_ context.Context, r *request) (response, error) {
	marker, items, err := r.page()
	if err != nil {
		return response{}, err
	}
	all := r.query.Get("FunctionVersion")
	if all != "" {
		var v lambdaapi.Violations
		v.OneOf("functionVersion", all, "ALL")
		if err := v.Err(); err != nil {
			return response{}, err
		}
	}
	versions, next, err := a.cfg.Catalogue.List(marker, items, all != "")
	if err != nil {
		return response{}, err
	}
	out := lambdaapi.ListFunctionsResponse{NextMarker: next, Functions: []*lambdaapi.FunctionConfiguration{}}
	for _, v := range versions {
		c := a.summarize(v)
		if all != "" {
			c.FunctionArn = v.QualifiedARN()
		}
		out.Functions = append(out.Functions, c)
	}
	return answer(http.StatusOK, out)
}

func (a *api) updateCode(ctx context.Context, r *request) (response, error) {
	name, err := a.function(r)
	if err != nil {
		return response{}, err
	}
	release, err := a.upload(ctx, r)
	if err != nil {
		return response{}, err
	}
	defer release()
	var in lambdaapi.UpdateFunctionCodeRequest
	if err := r.decode(lambdaapi.MaxCreateRequestBytes, &in); err != nil {
		return response{}, err
	}
	v, err := a.cfg.Catalogue.UpdateCode(ctx, name, catalogue.UpdateCodeInput{
		Code: in.ZipFile, Architectures: in.Architectures, Publish: in.Publish,
		DryRun: in.DryRun, RevisionID: in.RevisionID,
	})
	if err != nil {
		return response{}, err
	}
	return answer(http.StatusOK, a.describe(v))
}

func (a *api) updateConfiguration(ctx context.Context, r *request) (response, error) {
	name, err := a.function(r)
	if err != nil {
		return response{}, err
	}
	var in lambdaapi.UpdateFunctionConfigurationRequest
	if err := r.decode(lambdaapi.MaxRequestBytes, &in); err != nil {
		return response{}, err
	}
	if err := a.checkLayers(in.Layers); err != nil {
		return response{}, err
	}
	patch := patchOf(&in.FunctionSettings)
	patch.Role, patch.RevisionID = in.Role, in.RevisionID
	v, err := a.cfg.Catalogue.UpdateSettings(ctx, name, patch)
	if err != nil {
		return response{}, err
	}
	return answer(http.StatusOK, a.describe(v))
}

// deleteFunction answers 204, as the service did when the SDKs in use were made;
// newer models say 200 and take both.
func (a *api) deleteFunction(ctx context.Context, r *request) (response, error) {
	n, err := a.qualified(r)
	if err != nil {
		return response{}, err
	}
	if err := a.cfg.Catalogue.Delete(ctx, n.Function, n.Qualifier); err != nil {
		return response{}, err
	}
	return done()
}

package httpapi

import (
	"context"
	"net/http"

	"github.com/lambent-host/lambent/host/lambdaapi"
	"github.com/lambent-host/lambent/host/layer"
)

func (a *api) publishLayer(ctx context.Context, r *request) (response, error) {
	name, err := a.layerName(r)
	if err != nil {
		return response{}, err
	}
	release, err := a.upload(ctx, r)
	if err != nil {
		return response{}, err
	}
	defer release()
	var in lambdaapi.PublishLayerVersionRequest
	if err := r.decode(lambdaapi.MaxCreateRequestBytes, &in); err != nil {
		return response{}, err
	}
	v, err := a.cfg.Layers.Publish(ctx, name, layer.Input{
		Archive: in.Content.ZipFile, Description: in.Description, License: in.LicenseInfo,
		Runtimes: in.CompatibleRuntimes, Architectures: in.CompatibleArchitectures,
	})
	if err != nil {
		return response{}, err
	}
	return answer(http.StatusCreated, layerResponse(r, v))
}

func (a *api) getLayer(_ context.Context, r *request) (response, error) {
	v, err := a.layerVersion(r)
	if err != nil {
		return response{}, err
	}
	return answer(http.StatusOK, layerResponse(r, v))
}

// deleteLayer answers 204 whether or not there was one, as the service does.
func (a *api) deleteLayer(ctx context.Context, r *request) (response, error) {
	name, number, err := a.layerPath(r)
	if err != nil {
		return response{}, err
	}
	if err := a.cfg.Layers.Delete(ctx, name, number); err != nil {
		return response{}, err
	}
	return done()
}

// getLayerPolicy answers that there is none: nothing is authorized here.
func (a *api) getLayerPolicy(_ context.Context, r *request) (response, error) {
	if _, err := a.layerVersion(r); err != nil {
		return response{}, err
	}
	return response{}, lambdaapi.Errorf(lambdaapi.CodeNotFound, "No policy is associated with the given resource.")
}

// listLayers is two operations: with find=LayerVersion, GetLayerVersionByArn.
func (a *api) listLayers(_ context.Context, r *request) (response, error) {
	if r.query.Get("find") == "LayerVersion" {
		return a.layerByARN(r)
	}
	marker, items, err := r.page()
	if err != nil {
		return response{}, err
	}
	versions, next := a.cfg.Layers.Layers(layerFilter(r), marker, items)
	out := lambdaapi.ListLayersResponse{NextMarker: next, Layers: []lambdaapi.LayerItem{}}
	for _, v := range versions {
		out.Layers = append(out.Layers, lambdaapi.LayerItem{LayerName: v.Name, LayerArn: v.LayerARN(), LatestMatchingVersion: describeLayer(v)})
	}
	return answer(http.StatusOK, out)
}

func (a *api) listLayerVersions(_ context.Context, r *request) (response, error) {
	name, err := a.layerName(r)
	if err != nil {
		return response{}, err
	}
	marker, items, err := r.page()
	if err != nil {
		return response{}, err
	}
	versions, next := a.cfg.Layers.Versions(name, layerFilter(r), marker, items)
	out := lambdaapi.ListLayerVersionsResponse{NextMarker: next, LayerVersions: []lambdaapi.LayerVersion{}}
	for _, v := range versions {
		out.LayerVersions = append(out.LayerVersions, describeLayer(v))
	}
	return answer(http.StatusOK, out)
}

func (a *api) layerByARN(r *request) (response, error) {
	arn := r.query.Get("Arn")
	if err := lambdaapi.CheckLayerARN(arn); err != nil {
		return response{}, err
	}
	v, ok := a.cfg.Layers.ByARN(arn)
	if !ok || v.Deleted {
		return response{}, lambdaapi.Errorf(lambdaapi.CodeNotFound, "Layer version %s does not exist.", arn)
	}
	return answer(http.StatusOK, layerResponse(r, v))
}

// downloadLayer serves an archive as it was uploaded.
func (a *api) downloadLayer(_ context.Context, r *request) (response, error) {
	digest := r.param("digest")
	if !digestRegexp.MatchString(digest) {
		return response{}, lambdaapi.Errorf(lambdaapi.CodeNotFound, "There is no such layer.")
	}
	archive, err := a.cfg.Layers.Archive(digest)
	if err != nil {
		return response{}, err
	}
	header := http.Header{"Content-Type": {"application/zip"}, "X-Content-Type-Options": {"nosniff"}}
	return response{status: http.StatusOK, header: header, body: archive}, nil
}

// layerName reads the name in the path; those of elsewhere are not found.
func (a *api) layerName(r *request) (string, error) {
	n, err := lambdaapi.ParseLayerName(r.param("name"))
	if err != nil {
		return "", err
	}
	if n.Region != "" && (n.Region != a.cfg.Region || n.Account != a.cfg.AccountID) {
		return "", lambdaapi.Errorf(lambdaapi.CodeNotFound, "Layer %s does not exist.", r.param("name"))
	}
	return n.Function, nil
}

func (a *api) layerPath(r *request) (name string, number int64, err error) {
	if name, err = a.layerName(r); err != nil {
		return "", 0, err
	}
	number, err = lambdaapi.ParseLayerVersion(r.param("number"))
	return name, number, err
}

func (a *api) layerVersion(r *request) (layer.Version, error) {
	name, number, err := a.layerPath(r)
	if err != nil {
		return layer.Version{}, err
	}
	return a.cfg.Layers.Get(name, number)
}

func layerFilter(r *request) layer.Filter {
	return layer.Filter{Runtime: r.query.Get("CompatibleRuntime"), Architecture: r.query.Get("CompatibleArchitecture")}
}

func describeLayer(v layer.Version) lambdaapi.LayerVersion {
	return lambdaapi.LayerVersion{
		LayerVersionArn: v.ARN, Version: v.Number, Description: v.Description, CreatedDate: lambdaapi.FormatTime(v.Created),
		CompatibleRuntimes: v.Runtimes, LicenseInfo: v.License, CompatibleArchitectures: v.Architectures,
	}
}

func layerResponse(r *request, v layer.Version) lambdaapi.LayerVersionResponse {
	return lambdaapi.LayerVersionResponse{
		LayerArn: v.LayerARN(), LayerVersion: describeLayer(v),
		Content: lambdaapi.LayerContentLocation{
			Location: r.base + "/lambent/layers/" + v.Digest, CodeSha256: v.SHA256, CodeSize: v.Size,
		},
	}
}

// checkLayers refuses layers that a function cannot have.
func (a *api) checkLayers(arns *[]string) error {
	if arns == nil {
		return nil
	}
	_, err := a.cfg.Layers.Resolve(*arns)
	return err
}

// layersOf are a function's layers as answers tell them.
func (a *api) layersOf(arns []string) []lambdaapi.Layer {
	layers := make([]lambdaapi.Layer, 0, len(arns))
	for _, arn := range arns {
		v, _ := a.cfg.Layers.ByARN(arn) // there as long as a function has it
		layers = append(layers, lambdaapi.Layer{Arn: arn, CodeSize: v.Size})
	}
	return layers
}

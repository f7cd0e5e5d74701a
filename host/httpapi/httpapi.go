package httpapi

import (
	"context"
	"net/http"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/invoke"
	"github.com/lambent-host/lambent/host/layer"
)

// Enqueuer accepts asynchronous invocations; *async.Queue does. When Enqueue
// returns nil the event is durable.
type Enqueuer interface {
	Enqueue(ctx context.Context, req *invoke.Request) error
}

// Config is what the API serves.
type Config struct {
	Catalogue *catalogue.Catalogue
	Layers    *layer.Store
	Invoker   invoke.Invoker
	Async     Enqueuer
	// Region and AccountID are the host's own; names of others are refused.
	Region, AccountID string
	// ConcurrencyLimit is told by GetAccountSettings.
	ConcurrencyLimit int
	// SnapStartOff tells that no version runs from a snapshot, whatever it asks for.
	SnapStartOff bool
	Log          zerolog.Logger
	// Propagator reads and writes trace headers; nil means none.
	Propagator propagation.TextMapPropagator
	// Tracer makes the spans of management operations; nil means none. Those of
	// invocations are package invoke's.
	Tracer trace.Tracer
	// Metrics answers at /metrics; nil means that nothing does.
	Metrics http.Handler
}

// api carries the operations.
type api struct {
	cfg     Config
	uploads chan struct{} // a place for each large upload that is held in memory
}

// New returns the handler. It starts no goroutine and is safe for concurrent use.
func New(cfg Config) http.Handler {
	if cfg.Propagator == nil {
		cfg.Propagator = propagation.NewCompositeTextMapPropagator()
	}
	if cfg.Tracer == nil {
		cfg.Tracer = noop.NewTracerProvider().Tracer("")
	}
	a := &api{cfg: cfg, uploads: make(chan struct{}, maxUploads)}
	return newRouter(cfg, a.routes())
}

// routes is the table of contents of the API. Lambda's paths carry the date of
// the API version that an operation came with. A slash at the end is optional,
// some clients send one.
func (a *api) routes() []route {
	const functions, layers = "/2015-03-31/functions", "/2018-10-31/layers"
	return []route{
		{http.MethodPost, functions, "CreateFunction", a.createFunction},
		{http.MethodGet, functions, "ListFunctions", a.listFunctions},
		{http.MethodGet, functions + "/:name", "GetFunction", a.getFunction},
		{http.MethodDelete, functions + "/:name", "DeleteFunction", a.deleteFunction},
		{http.MethodGet, functions + "/:name/configuration", "GetFunctionConfiguration", a.getConfiguration},
		{http.MethodPut, functions + "/:name/configuration", "UpdateFunctionConfiguration", a.updateConfiguration},
		{http.MethodPut, functions + "/:name/code", "UpdateFunctionCode", a.updateCode},
		{http.MethodPost, functions + "/:name/versions", "PublishVersion", a.publishVersion},
		{http.MethodGet, functions + "/:name/versions", "ListVersionsByFunction", a.listVersions},
		{http.MethodPost, functions + "/:name/aliases", "CreateAlias", a.createAlias},
		{http.MethodGet, functions + "/:name/aliases", "ListAliases", a.listAliases},
		{http.MethodGet, functions + "/:name/aliases/:alias", "GetAlias", a.getAlias},
		{http.MethodPut, functions + "/:name/aliases/:alias", "UpdateAlias", a.updateAlias},
		{http.MethodDelete, functions + "/:name/aliases/:alias", "DeleteAlias", a.deleteAlias},
		{http.MethodGet, functions + "/:name/policy", "GetPolicy", a.getPolicy},
		{http.MethodGet, layers, "ListLayers", a.listLayers},
		{http.MethodPost, layers + "/:name/versions", "PublishLayerVersion", a.publishLayer},
		{http.MethodGet, layers + "/:name/versions", "ListLayerVersions", a.listLayerVersions},
		{http.MethodGet, layers + "/:name/versions/:number", "GetLayerVersion", a.getLayer},
		{http.MethodDelete, layers + "/:name/versions/:number", "DeleteLayerVersion", a.deleteLayer},
		{http.MethodGet, layers + "/:name/versions/:number/policy", "GetLayerVersionPolicy", a.getLayerPolicy},
		{http.MethodGet, "/2017-03-31/tags/:arn", "ListTags", a.listTags},
		{http.MethodPost, "/2017-03-31/tags/:arn", "TagResource", a.tagResource},
		{http.MethodDelete, "/2017-03-31/tags/:arn", "UntagResource", a.untagResource},
		{http.MethodGet, "/2016-08-19/account-settings", "GetAccountSettings", a.getAccountSettings},
		{http.MethodGet, "/2020-06-30/functions/:name/code-signing-config", "GetFunctionCodeSigningConfig", a.getCodeSigning},
		{http.MethodGet, "/2019-09-30/functions/:name/concurrency", "GetFunctionConcurrency", a.getConcurrency},
		{http.MethodPost, functions + "/:name/invocations", opInvoke, a.invoke},
		{http.MethodPost, "/2014-11-13/functions/:name/invoke-async", opInvokeAsync, a.invokeAsync},
		{http.MethodGet, "/lambent/code/:digest", "DownloadCode", a.downloadCode},
		{http.MethodGet, "/lambent/layers/:digest", "DownloadLayer", a.downloadLayer},
		{http.MethodGet, "/lambent/healthz", opHealth, health},
	}
}

package httpapi

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/invoke"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

// Names of the operations that invoke, and of one that nobody wants to be told of.
const (
	opHealth      = "Health"
	opInvoke      = "Invoke"
	opInvokeAsync = "InvokeAsync"
)

// emptyEvent is what a function gets when the caller sends nothing, as the
// service does.
const emptyEvent = "{}"

// invoke is Lambda's Invoke. The content type of the request says nothing:
// clients send none, octet-stream or JSON for the same payload.
func (a *api) invoke(ctx context.Context, r *request) (response, error) {
	n, err := a.qualified(r)
	if err != nil {
		return response{}, err
	}
	kind, req, err := invocation(r, n)
	if err != nil {
		return response{}, err
	}
	switch kind {
	case lambdaapi.InvocationDryRun:
		if _, err := a.cfg.Catalogue.Get(n.Function, cmp.Or(n.Qualifier, catalogue.Latest)); err != nil {
			return response{}, err
		}
		return done()
	case lambdaapi.InvocationEvent:
		return a.enqueue(ctx, r, req)
	}
	if req.Payload, err = payload(r, kind, lambdaapi.MaxSyncPayloadBytes); err != nil {
		return response{}, err
	}
	outcome, err := a.cfg.Invoker.Invoke(ctx, req)
	if err != nil {
		return response{}, err
	}
	return outcomeResponse(outcome), nil
}

// invocation reads the headers. Every bad one is told at once.
func invocation(r *request, n lambdaapi.Name) (kind string, req *invoke.Request, err error) {
	kind = cmp.Or(r.header.Get(lambdaapi.HeaderInvocationType), lambdaapi.InvocationRequestResponse)
	logs := cmp.Or(r.header.Get(lambdaapi.HeaderLogType), lambdaapi.LogNone)
	var v lambdaapi.Violations
	v.OneOf("invocationType", kind, lambdaapi.InvocationEvent, lambdaapi.InvocationRequestResponse, lambdaapi.InvocationDryRun)
	v.OneOf("logType", logs, lambdaapi.LogNone, lambdaapi.LogTail)
	if err := v.Err(); err != nil {
		return "", nil, err
	}
	clientContext, err := clientContext(r.header.Get(lambdaapi.HeaderClientContext))
	if err != nil {
		return "", nil, err
	}
	req = &invoke.Request{
		RequestID: r.id, FunctionName: n.Function, Qualifier: n.Qualifier,
		TraceID: r.header.Get(lambdaapi.HeaderTraceID),
	}
	if kind == lambdaapi.InvocationRequestResponse { // the service passes these on in synchronous invocations only
		req.ClientContext = clientContext
		req.Tail = logs == lambdaapi.LogTail
	}
	return kind, req, nil
}

// clientContext decodes X-Amz-Client-Context: base64 of a JSON object.
func clientContext(header string) (string, error) {
	if header == "" {
		return "", nil
	}
	if len(header) > lambdaapi.MaxClientContextBytes {
		return "", lambdaapi.Errorf(lambdaapi.CodeInvalidRequestContent, "Client context must be at most %d bytes of base64, it has %d.", lambdaapi.MaxClientContextBytes, len(header))
	}
	plain, err := base64.StdEncoding.DecodeString(header)
	var object map[string]json.RawMessage
	if err != nil || json.Unmarshal(plain, &object) != nil || object == nil {
		return "", lambdaapi.Errorf(lambdaapi.CodeInvalidRequestContent, "Client context must be a valid Base64-encoded JSON object.")
	}
	return string(plain), nil
}

// payload reads the event: JSON of at most limit bytes; none is emptyEvent.
func payload(r *request, kind string, limit int64) ([]byte, error) {
	body, err := r.read(limit)
	if errors.Is(err, errTooLarge) {
		size := "The"
		if r.length > 0 {
			size = fmt.Sprintf("%d byte", r.length)
		}
		return nil, lambdaapi.Errorf(lambdaapi.CodeRequestTooLarge, "%s payload is too large for the %s invocation type (limit %d bytes)", size, kind, limit)
	}
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		return []byte(emptyEvent), nil
	}
	return body, lambdaapi.CheckPayload(body)
}

// enqueue accepts an event. That the function exists and can run is checked
// before, so that a caller hears of it; which version of an alias runs is
// decided when it does.
func (a *api) enqueue(ctx context.Context, r *request, req *invoke.Request) (response, error) {
	if _, err := a.cfg.Catalogue.Resolve(req.FunctionName, req.Qualifier, 0); err != nil {
		return response{}, err
	}
	var err error
	if req.Payload, err = payload(r, lambdaapi.InvocationEvent, lambdaapi.MaxAsyncPayloadBytes); err != nil {
		return response{}, err
	}
	ctx, span := a.cfg.Tracer.Start(invoke.ContinueTrace(ctx, req.TraceID), "enqueue "+req.FunctionName,
		trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(semconv.FaaSInvokedName(req.FunctionName), semconv.FaaSInvocationID(req.RequestID)))
	defer span.End()
	// Stored with the event, so that each of its tries continues the trace.
	carrier := propagation.MapCarrier{}
	a.cfg.Propagator.Inject(ctx, carrier)
	if id := carrier.Get(lambdaapi.HeaderTraceID); id != "" {
		req.TraceID = id
	}
	req.Async = true
	if err := a.cfg.Async.Enqueue(ctx, req); err != nil {
		span.SetStatus(codes.Error, "the event could not be stored")
		return response{}, err
	}
	res := response{status: http.StatusAccepted, header: http.Header{}}
	set(res.header, lambdaapi.HeaderTraceID, req.TraceID)
	return res, nil
}

// invokeAsync is the legacy operation: always an event, no headers.
func (a *api) invokeAsync(ctx context.Context, r *request) (response, error) {
	n, err := a.qualified(r)
	if err != nil {
		return response{}, err
	}
	req := &invoke.Request{RequestID: r.id, FunctionName: n.Function, Qualifier: n.Qualifier}
	if _, err := a.enqueue(ctx, r, req); err != nil {
		return response{}, err
	}
	return answer(http.StatusAccepted, lambdaapi.InvokeAsyncResponse{Status: http.StatusAccepted})
}

// outcomeResponse answers 200, whether the function succeeded or failed.
func outcomeResponse(o *invoke.Outcome) response {
	h := http.Header{}
	set(h, lambdaapi.HeaderExecutedVersion, o.ExecutedVersion)
	set(h, lambdaapi.HeaderFunctionError, o.FunctionError)
	set(h, lambdaapi.HeaderLogResult, base64.StdEncoding.EncodeToString(o.LogTail))
	set(h, lambdaapi.HeaderTraceID, o.TraceID)
	set(h, "Content-Type", cmp.Or(o.ContentType, "application/json"))
	return response{status: http.StatusOK, header: h, body: o.Payload}
}

func set(h http.Header, key, value string) {
	if value != "" {
		h.Set(key, value)
	}
}

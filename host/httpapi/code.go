package httpapi

import (
	"bytes"
	"context"
	"net/http"
	"regexp"

	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/lambdaapi"
)

// codeLocation is where the upload of a version can be fetched. The address is
// the one the client has used; the digest cannot be guessed.
func codeLocation(r *request, v catalogue.Version) string {
	return r.base + "/lambent/code/" + v.CodeDigest
}

var digestRegexp = regexp.MustCompile(`^[0-9a-f]{64}$`)

// downloadCode serves an upload as it was stored.
func (a *api) downloadCode(_ context.Context, r *request) (response, error) {
	digest := r.param("digest")
	if !digestRegexp.MatchString(digest) {
		return response{}, lambdaapi.Errorf(lambdaapi.CodeNotFound, "There is no such code.")
	}
	code, err := a.cfg.Catalogue.Code(digest)
	if err != nil {
		return response{}, err
	}
	kind := "application/zip"
	if bytes.HasPrefix(code, []byte("\x00asm")) {
		kind = "application/wasm"
	}
	header := http.Header{"Content-Type": {kind}, "X-Content-Type-Options": {"nosniff"}}
	return response{status: http.StatusOK, header: header, body: code}, nil
}

// health answers while the host serves.
func health(context.Context, *request) (response, error) {
	header := http.Header{"Content-Type": {"text/plain; charset=utf-8"}}
	return response{status: http.StatusOK, header: header, body: []byte("ok")}, nil
}

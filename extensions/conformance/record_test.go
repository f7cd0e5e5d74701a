package conformance

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/telemetry"
)

// TestTheTapChangesNothing has calls pass through: bodies arrive, answers come
// back, and what was refused or subscribed is known.
func TestTheTapChangesNothing(t *testing.T) {
	r := newRecord()
	api := r.tap(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body := make([]byte, req.ContentLength)
		n, _ := req.Body.Read(body)
		for err := error(nil); n < len(body) && err == nil; {
			var more int
			more, err = req.Body.Read(body[n:])
			n += more
		}
		if strings.Contains(req.URL.Path, "init/error") {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = w.Write(body)
		_ = http.NewResponseController(w).Flush()
	}))
	server := httptest.NewServer(api)
	defer server.Close()
	subscription := `{"schemaVersion":"2022-12-13","types":["platform"],"destination":{"protocol":"TCP","port":1234}}`
	logs := `{"types":["function"],"destination":{"protocol":"HTTP","URI":"http://sandbox:80"}}`
	long := strings.Repeat("x", 2*maxKept)
	for _, c := range []struct{ path, body string }{
		{extapi.PathTelemetry, subscription}, {extapi.PathTelemetry, subscription}, {extapi.PathLogs, logs}, {extapi.PathTelemetry, "{"}, {extapi.PathInitError, long},
	} {
		res, err := server.Client().Post(server.URL+c.path, "", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if res.ContentLength >= 0 && res.ContentLength != int64(len(c.body)) {
			t.Errorf("%s: %d bytes came back of %d", c.path, res.ContentLength, len(c.body))
		}
		res.Body.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if !r.await(ctx, func() bool { return len(r.calls) == 5 }) {
		t.Fatalf("calls %+v", r.calls)
	}
	if len(r.subs) != 2 || r.subs[0].Destination.Port != 1234 || r.subs[1].Types[0] != telemetry.CategoryFunction {
		t.Errorf("subscriptions %+v", r.subs)
	}
	if refused := r.refused(); len(refused) != 1 || !strings.Contains(refused[0], "init/error Forbidden xxx") {
		t.Errorf("refused %q", refused)
	}
}

func TestDeliveriesAreSummedUp(t *testing.T) {
	r := newRecord()
	one := [][]byte{[]byte(`{"type":"platform.start","record":{}}`), []byte(`{"type":"function","record":"x"}`)}
	r.observeDelivery(extensions.Delivery{Batch: one, Took: time.Second, Err: errors.New("no")})
	if got := r.lastTrouble(); got != "no" {
		t.Errorf("trouble %q", got)
	}
	r.observeDelivery(extensions.Delivery{Batch: one, Took: time.Minute})
	types := r.delivered()
	if types[telemetry.TypeStart] != 1 || types[telemetry.TypeFunction] != 1 || len(types) != 2 {
		t.Errorf("types %v", types)
	}
	if took := r.took(); len(took) != 1 || took[0] != time.Minute {
		t.Errorf("took %v", took)
	}
	if newRecord().lastTrouble() == "" {
		t.Error("no trouble has no words")
	}
	if r.await(alreadyOver, func() bool { return false }) {
		t.Error("what does not hold was awaited")
	}
}

package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/lambent-host/lambent/telemetry"
)

func TestWhatLokiIsSent(t *testing.T) {
	status, requests := http.StatusInternalServerError, 0
	var got struct {
		Streams []struct {
			Stream map[string]string
			Values [][2]string
		}
	}
	loki := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.URL.Path != "/loki/api/v1/push" {
			t.Errorf("a request to %s: %v", r.URL, err)
		}
		w.WriteHeader(status)
	}))
	defer loki.Close()
	t.Setenv("LOKI_URL", loki.URL)
	t.Setenv("AWS_LAMBDA_FUNCTION_NAME", "f")

	p := &pusher{}
	take := func() error {
		_ = p.line(t.Context(), time.Unix(7, 0), telemetry.TypeFunction, "a line") // has no error
		return p.push(t.Context(), 1)
	}
	if take() == nil {
		t.Error("a refusal was taken for success, and the batch does not come again")
	}
	status = http.StatusNoContent
	if err := take(); err != nil {
		t.Error(err)
	}
	if len(got.Streams) != 1 || len(got.Streams[0].Values) != 1 || got.Streams[0].Stream["function"] != "f" {
		t.Fatalf("sent %+v, want the line once", got)
	}
	if want := [2]string{"7000000000", "a line"}; got.Streams[0].Values[0] != want {
		t.Errorf("sent %v, want %v", got.Streams[0].Values[0], want)
	}
	// logsDropped comes to every subscriber, and Loki refuses a stream without lines.
	if err := p.push(t.Context(), 1); err != nil || requests != 2 {
		t.Errorf("a batch without lines: %v, %d requests", err, requests)
	}
}

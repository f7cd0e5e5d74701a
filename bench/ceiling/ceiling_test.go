package ceiling_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lambent-host/lambent/bench/ceiling"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAnswersItsBytesAndEnds(t *testing.T) {
	const answer = `{"answer":42}`
	server, err := ceiling.Start(t.Context(), []byte(answer))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for range 2 {
		res, err := client.Post(server.URL(), "application/json", strings.NewReader(`{"question":1}`))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || string(body) != answer {
			t.Fatalf("status %d, body %q, error %v", res.StatusCode, body, err)
		}
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if res, err := client.Post(server.URL(), "", nil); err == nil {
		_ = res.Body.Close()
		t.Fatal("it still answers after Close")
	}
}

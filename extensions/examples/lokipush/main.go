// Command lokipush is a sample extension: it sends the function's lines to the push
// API of Grafana Loki at LOKI_URL, a batch of telemetry in one request. What Loki does
// not take, the platform sends again.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/lambent-host/lambent/extensions/sdk"
	"github.com/lambent-host/lambent/telemetry"
)

type pusher struct {
	lines  [][2]string // time in nanoseconds, text
	client http.Client
}

func main() {
	p := &pusher{client: http.Client{Timeout: 3 * time.Second}}
	cfg := sdk.Config{OnTelemetry: sdk.Handlers{Log: p.line, Done: p.push}.Handle}
	cfg.Telemetry.Types = []telemetry.Category{telemetry.CategoryFunction}
	if err := sdk.Run(context.Background(), cfg); err != nil {
		log.Fatal(err)
	}
}

func (p *pusher) line(_ context.Context, at time.Time, _ telemetry.Type, line string) error {
	p.lines = append(p.lines, [2]string{strconv.FormatInt(at.UnixNano(), 10), line})
	return nil
}

func (p *pusher) push(context.Context, int) error {
	if len(p.lines) == 0 { // a batch may tell of nothing but losses
		return nil
	}
	labels := map[string]string{"job": "lambda", "function": os.Getenv("AWS_LAMBDA_FUNCTION_NAME")}
	body, err := json.Marshal(map[string]any{"streams": []any{map[string]any{"stream": labels, "values": p.lines}}})
	if p.lines = nil; err != nil {
		return err
	}
	res, err := p.client.Post(os.Getenv("LOKI_URL")+"/loki/api/v1/push", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	if res.StatusCode > 299 {
		err = errors.New("loki answered " + res.Status)
	}
	return errors.Join(err, res.Body.Close())
}

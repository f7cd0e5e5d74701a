package extensions

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/telemetry"
)

const benchLine = "2026-01-02T02:04:05.678Z INFO an order of 3 items was taken from cart 42"

// BenchmarkDelivery brings batches of a thousand lines from the bus to a listener
// over HTTP, beside the plain POST of a body of the same size.
func BenchmarkDelivery(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer server.Close()
	addr := server.Listener.Addr().(*net.TCPAddr)
	room, listener, err := place.Loopback{}.Open(b.Context(), place.Environment{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = listener.Close(); _ = room.Close() }()
	client := newTelemetryClient(room)
	defer client.CloseIdleConnections()
	const lines = 1000
	dest := extapi.Destination{Protocol: extapi.ProtocolHTTP, URI: server.URL, Method: http.MethodPost, Port: addr.Port}

	b.Run("plain POST", func(b *testing.B) {
		one := fmt.Sprintf(`{"time":"2026-01-02T02:04:05.678Z","type":"function","record":%q}`, benchLine)
		body := []byte("[" + one)
		for range lines - 1 {
			body = append(append(body, ','), one...)
		}
		body = append(body, ']')
		b.ReportAllocs()
		began, n := time.Now(), 0
		for b.Loop() {
			res, err := client.Post(server.URL, "application/json", bytes.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			n += lines
		}
		b.ReportMetric(float64(n)/time.Since(began).Seconds(), "events/s")
	})
	b.Run("delivery", func(b *testing.B) {
		bus := telemetry.NewBus()
		defer bus.Close()
		stream := bus.Open(telemetry.Source{})
		stream.Seal()
		d := &delivery{
			cfg: extapi.Subscription{
				Schema:      telemetry.Schema20221213,
				Buffering:   extapi.Buffering{MaxItems: lines, MaxBytes: extapi.MaxBytes, Timeout: time.Second},
				Destination: dest,
			},
			sub:         stream.Subscribe(telemetry.SubscriptionConfig{}),
			send:        newSender(client, room, dest),
			encoding:    telemetry.Encoding{Schema: telemetry.Schema20221213, Separator: separatorHTTP},
			log:         zerolog.Nop(),
			retryBudget: time.Second,
		}
		var record any = benchLine
		b.ReportAllocs()
		began, n := time.Now(), 0
		for b.Loop() {
			for range lines {
				stream.Publish(telemetry.TypeFunction, record)
			}
			d.collect(b.Context())
			n += lines
		}
		b.ReportMetric(float64(n)/time.Since(began).Seconds(), "events/s")
		if d.delivered != int64(n) {
			b.Errorf("%d of %d events were delivered", d.delivered, n)
		}
	})
}

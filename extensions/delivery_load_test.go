package extensions

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/telemetry"
)

// tally is what a listener has seen of several publishers.
type tally struct {
	mu    sync.Mutex
	next  map[int]int
	total int // events that arrived or were told as lost
	wrong string
}

func (c *tally) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var batch []struct {
		Type   string
		Record json.RawMessage
	}
	if err := json.Unmarshal(body, &batch); err != nil {
		c.wrong = err.Error()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ev := range batch {
		var text string
		var lost telemetry.LogsDropped
		var publisher, n int
		switch {
		case ev.Type == string(telemetry.TypeLogsDropped):
			_ = json.Unmarshal(ev.Record, &lost)
			c.total += int(lost.DroppedRecords)
		case json.Unmarshal(ev.Record, &text) != nil:
		default:
			if _, err := fmt.Sscan(text, &publisher, &n); err != nil || n < c.next[publisher] {
				c.wrong = fmt.Sprintf("%s when %d is next, %v", text, c.next[publisher], err)
			}
			c.next[publisher] = n + 1
			c.total++
		}
	}
}

// TestOrderUnderLoad has several publishers, and subscribers of both APIs: for each
// of them the events of a publisher arrive in order, and each arrives or is told as
// lost.
func TestOrderUnderLoad(t *testing.T) {
	const publishers, each, subscribers = 4, 5000, 4
	s := started(t, "good")
	tallies := make([]*tally, subscribers)
	for i := range tallies {
		tallies[i] = &tally{next: map[int]int{}}
		server := httptest.NewServer(tallies[i])
		t.Cleanup(server.Close)
		_, _, header := s.call("POST", extapi.PathRegister, `{"events":[]}`, extapi.HeaderName, fmt.Sprint("in", i))
		path, schema := extapi.PathTelemetry, string(telemetry.Schema20221213)
		if i%2 == 1 {
			path, schema = extapi.PathLogs, string(telemetry.LogsSchema20210318)
		}
		body := fmt.Sprintf(`{"schemaVersion":%q,"types":["function"],"buffering":{"timeoutMs":25},"destination":{"protocol":"HTTP","URI":%q}}`,
			schema, strings.Replace(server.URL, "127.0.0.1", "sandbox", 1))
		if status, answer, _ := s.call("PUT", path, body, extapi.HeaderIdentifier, header.Get(extapi.HeaderIdentifier)); status != 200 {
			t.Fatalf("%d %s", status, answer)
		}
	}
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range each {
				s.stream.Publish(telemetry.TypeFunction, fmt.Sprint(p, i))
			}
		})
	}
	wg.Wait()
	s.shutdown(limit)
	for i, c := range tallies {
		c.mu.Lock()
		if c.wrong != "" || c.total != publishers*each {
			t.Errorf("subscriber %d: %d of %d, %s", i, c.total, publishers*each, c.wrong)
		}
		c.mu.Unlock()
	}
}

// TestALossThatWasToldInVainIsToldAgain gives up a batch, and then the batch that
// tells of it.
func TestALossThatWasToldInVainIsToldAgain(t *testing.T) {
	bus := telemetry.NewBus()
	defer bus.Close()
	stream := bus.Open(telemetry.Source{})
	broken := errors.New("refused")
	send := &scripted{errs: []error{broken, broken, nil}}
	var account Account
	d := &delivery{
		cfg:         extapi.Subscription{Schema: telemetry.Schema20221213, Buffering: extapi.Buffering{MaxItems: 1000, MaxBytes: 262144}},
		sub:         stream.Subscribe(telemetry.SubscriptionConfig{}),
		send:        send,
		encoding:    telemetry.Encoding{Schema: telemetry.Schema20221213, Separator: separatorHTTP},
		log:         zerolog.Nop(),
		retryBudget: time.Nanosecond,
		settled:     func(a Account) { account = a },
	}
	for _, line := range []string{"lost", "lost with the news", "kept"} {
		stream.Publish(telemetry.TypeFunction, line)
		d.collect(t.Context())
		d.post(t.Context())
	}
	if got := send.batches[2]; strings.Count(got, "droppedRecords") != 1 || !strings.Contains(got, `"droppedRecords":2`) || !strings.Contains(got, "kept") {
		t.Errorf("the third batch is %s", got)
	}
	if d.settle(); !account.Balanced() || account.Published != 3 || account.Told != 2 || account.Delivered != 2 || account.Dropped != 3 {
		t.Errorf("%+v", account)
	}
}

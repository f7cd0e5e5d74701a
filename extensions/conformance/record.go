package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/telemetry"
)

// call is a request of an extension and its answer.
type call struct {
	path      string
	extension string // as it names itself, in a register call
	status    int
	answer    string // of one that was refused
}

// batch is a try to deliver telemetry.
type batch struct {
	took  time.Duration
	err   error
	types map[telemetry.Type]int
}

// record is what one environment's extensions did, as the host saw it. It is
// safe for concurrent use.
type record struct {
	mu         sync.Mutex
	changed    chan struct{} // closed and replaced with every entry
	started    time.Time     // the first process
	calls      []call
	batches    []batch
	activities []extensions.Activity
	subs       []extapi.Subscription
	accounts   []extensions.Account
}

func newRecord() *record { return &record{changed: make(chan struct{})} }

func (r *record) add(entry func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entry()
	close(r.changed)
	r.changed = make(chan struct{})
}

// await waits until cond, which is called with the lock, holds.
func (r *record) await(ctx context.Context, cond func() bool) bool {
	for {
		r.mu.Lock()
		ok, changed := cond(), r.changed
		r.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

func (r *record) observe(a extensions.Activity) {
	r.add(func() { r.activities = append(r.activities, a) })
}

func (r *record) settled(a extensions.Account) {
	r.add(func() { r.accounts = append(r.accounts, a) })
}

func (r *record) observeDelivery(d extensions.Delivery) {
	b := batch{took: d.Took, err: d.Err, types: map[telemetry.Type]int{}}
	for _, encoded := range d.Batch {
		var ev struct {
			Type telemetry.Type `json:"type"`
		}
		if json.Unmarshal(encoded, &ev) == nil { // what the host writes is JSON
			b.types[ev.Type]++
		}
	}
	r.add(func() { r.batches = append(r.batches, b) })
}

// maxKept is how much of a request and of an answer is looked at.
const maxKept = 64 << 10

// tap records the calls on their way to the API.
func (r *record) tap(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		c := call{path: req.URL.Path, extension: req.Header.Get(extapi.HeaderName)}
		var body []byte
		if req.URL.Path != extapi.PathNext {
			body, _ = io.ReadAll(io.LimitReader(req.Body, maxKept))
			req.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), req.Body))
		}
		answer := &answer{ResponseWriter: w, status: http.StatusOK}
		defer func() { // also of a call that is cut off by a panic, which the server wants to see
			if c.status = answer.status; c.status >= http.StatusBadRequest {
				c.answer = string(answer.kept)
			}
			r.add(func() {
				r.calls = append(r.calls, c)
				r.subscribed(c, body)
			})
		}()
		api.ServeHTTP(answer, req)
	})
}

// subscribed keeps a subscription that was accepted. It is called with the lock.
func (r *record) subscribed(c call, body []byte) {
	decode := extapi.DecodeSubscription
	switch {
	case c.status != http.StatusOK:
		return
	case c.path == extapi.PathLogs:
		decode = extapi.DecodeLogsSubscription
	case c.path != extapi.PathTelemetry:
		return
	}
	sub, err := decode(body)
	known := slices.ContainsFunc(r.subs, func(s extapi.Subscription) bool { return s.Equal(sub) })
	if err == nil && !known {
		r.subs = append(r.subs, sub)
	}
}

// answer remembers what a handler answered.
type answer struct {
	http.ResponseWriter
	status int
	kept   []byte
}

// WriteHeader is that of [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status >= http.StatusBadRequest && len(a.kept) < maxKept {
		a.kept = append(a.kept, p...)
	}
	return a.ResponseWriter.Write(p)
}

// Unwrap lets a response controller find what it flushes.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// refused returns the calls that were answered with an error, as text.
func (r *record) refused() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.calls {
		if c.status >= http.StatusBadRequest {
			all = append(all, strings.TrimSpace(c.path+" "+http.StatusText(c.status)+" "+c.answer))
		}
	}
	return all
}

// when returns what was done to or by an extension first, and whether it was.
func (r *record) when(extension, what string) (extensions.Activity, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return find(r.activities, extension, what)
}

func find(all []extensions.Activity, extension, what string) (extensions.Activity, bool) {
	for _, a := range all {
		if a.Extension == extension && a.What == what {
			return a, true
		}
	}
	return extensions.Activity{}, false
}

// delivered sums up the events that were taken, by type.
func (r *record) delivered() map[telemetry.Type]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	types := map[telemetry.Type]int{}
	for _, b := range r.batches {
		for t, n := range b.types {
			if b.err == nil {
				types[t] += n
			}
		}
	}
	return types
}

// took returns how long the batches that were taken needed.
func (r *record) took() (all []time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.batches {
		if b.err == nil {
			all = append(all, b.took)
		}
	}
	return all
}

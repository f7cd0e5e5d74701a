package soak

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/lambent-host/lambent/bench/measure"
	"github.com/lambent-host/lambent/extensions"
)

// Report is what was seen.
type Report struct {
	measure.Head
	Config      Config `json:"config"`
	Invocations int    `json:"invocations"`
	Succeeded   int    `json:"succeeded"`
	// Failed are the invocations that ended in a function error, by its type; Refused
	// those that the host did not carry out, by what it said.
	Failed  map[string]int `json:"failed"`
	Refused map[string]int `json:"refused"`
	// Kills are the extensions that were killed from outside.
	Kills int `json:"kills"`
	// Subscriptions are the accounts, summed by extension; the keys are the names.
	Subscriptions map[string]*Sum `json:"subscriptions"`
	// Silent are functions that did not answer at the end as they have to.
	Silent        []string `json:"silent"`
	Before, After Leftovers
	// Faults is everything that should not have been.
	Faults []string `json:"faults"`
}

// Sum is what became of the events of an extension's subscriptions.
type Sum struct {
	Subscriptions int   `json:"subscriptions"`
	Published     int64 `json:"published"`
	Told          int64 `json:"told"`
	Delivered     int64 `json:"delivered"`
	Dropped       int64 `json:"dropped"`
	Left          int64 `json:"left"`
	Again         int64 `json:"again"`
	// Unaccounted is the sum of what is missing, subscription by subscription.
	Unaccounted int64 `json:"unaccounted"`
}

func newReport(cfg Config) *Report {
	return &Report{
		Head: measure.NewHead(), Config: cfg,
		Failed: map[string]int{}, Refused: map[string]int{}, Subscriptions: map[string]*Sum{},
	}
}

func (r *Report) refused(err error) {
	text := err.Error()
	r.Refused[text[:min(len(text), 200)]]++
}

func (r *Report) account(a extensions.Account) {
	s := r.Subscriptions[a.Extension]
	if s == nil {
		s = new(Sum)
		r.Subscriptions[a.Extension] = s
	}
	s.Subscriptions++
	s.Published += a.Published
	s.Told += a.Told
	s.Delivered += a.Delivered
	s.Dropped += a.Dropped
	s.Left += a.Left
	s.Again += a.Again
	missing := a.Published + a.Told - a.Delivered - a.Dropped - a.Left
	s.Unaccounted += max(missing, -missing)
}

// judge fills the faults in.
func (r *Report) judge() {
	for text, n := range r.Refused {
		r.Faults = append(r.Faults, fmt.Sprintf("%d invocations were refused: %s", n, text))
	}
	for _, name := range extensionNames {
		switch s := r.Subscriptions[name]; {
		case s == nil:
			r.Faults = append(r.Faults, name+" had no subscription")
		case s.Unaccounted > 0:
			r.Faults = append(r.Faults, fmt.Sprintf("%s: %d events are not accounted for", name, s.Unaccounted))
		}
	}
	for _, name := range r.Silent {
		r.Faults = append(r.Faults, "does not answer any more: "+name)
	}
	if r.Succeeded == 0 {
		r.Faults = append(r.Faults, "no invocation succeeded")
	}
	r.Faults = append(r.Faults, r.After.since(r.Before)...)
}

var errFaults = errors.New("the host did not stand up to it")

// verdict is what the writers return, so that the program ends with a failure.
func (r *Report) verdict() error {
	if len(r.Faults) > 0 {
		return errFaults
	}
	return nil
}

// WriteJSON writes everything that was seen. With faults it returns an error after
// that.
func (r *Report) WriteJSON(w io.Writer) error {
	return errors.Join(measure.WriteJSON(w, r), r.verdict())
}

// WriteTable writes for a person. With faults it returns an error after that.
func (r *Report) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	r.Head.Write(&b)
	c := r.Config
	fmt.Fprintf(&b, "%d functions with %s for %v, up to %d invocations a second\n\n", c.Functions, strings.Join(extensionNames, ", "), c.Duration, c.PerSecond)
	fmt.Fprintf(&b, "%d invocations: %d succeeded", r.Invocations, r.Succeeded)
	for _, typ := range slices.Sorted(maps.Keys(r.Failed)) {
		fmt.Fprintf(&b, ", %d %s", r.Failed[typ], typ)
	}
	for _, text := range slices.Sorted(maps.Keys(r.Refused)) {
		fmt.Fprintf(&b, ", %d refused (%s)", r.Refused[text], text)
	}
	fmt.Fprintf(&b, "; %d extensions were killed\n\n", r.Kills)
	t := tabwriter.NewWriter(&b, 0, 4, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "extension\tsubscriptions\tpublished\ttold of loss\tdelivered\tdropped\tleft at the end\tunaccounted\tsent again\t")
	for _, name := range slices.Sorted(maps.Keys(r.Subscriptions)) {
		s := r.Subscriptions[name]
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name, s.Subscriptions, s.Published, s.Told, s.Delivered, s.Dropped, s.Left, s.Unaccounted, s.Again)
	}
	_ = t.Flush() // into memory
	fmt.Fprintf(&b, "\nbefore: %d goroutines, %d open files, %d processes, %d mounts\nafter:  %d goroutines, %d open files, %d processes, %d mounts\n",
		r.Before.Goroutines, len(r.Before.Files), len(r.Before.Processes), r.Before.Mounts,
		r.After.Goroutines, len(r.After.Files), len(r.After.Processes), r.After.Mounts)
	for _, fault := range r.Faults {
		fmt.Fprintf(&b, "FAULT: %s\n", fault)
	}
	_, err := b.WriteTo(w)
	return errors.Join(err, r.verdict())
}

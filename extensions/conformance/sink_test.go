package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ask posts to the sink; status 0 is no answer.
func ask(t *testing.T, s *sink, timeout time.Duration) (status int, err error) {
	t.Helper()
	client := &http.Client{Timeout: timeout, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Post(fmt.Sprintf("http://127.0.0.1:%d/v1/any", s.port), "text/plain", strings.NewReader("12345"))
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	return res.StatusCode, nil
}

// TestSinkMoods has one sink go through all its moods, on one port.
func TestSinkMoods(t *testing.T) {
	s, err := newSink()
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.set(moodDown); err != nil {
		t.Fatal(err)
	}
	const patience = 10 * time.Second
	if _, err := ask(t, s, patience); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("down: %v", err)
	}
	steps := []struct {
		mood    mood
		timeout time.Duration
		status  int
	}{
		{moodWell, patience, http.StatusOK}, {moodErrors, patience, http.StatusServiceUnavailable},
		{moodSlow, patience, http.StatusOK}, {moodHangs, slowAnswer, 0}, {moodDown, patience, 0}, {moodWell, patience, http.StatusOK},
	}
	for _, step := range steps {
		if err := s.set(step.mood); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		status, err := ask(t, s, step.timeout)
		if status != step.status || (status == 0) != (err != nil) {
			t.Errorf("mood %d: %d, %v", step.mood, status, err)
		}
		if took := time.Since(began); step.mood == moodSlow && took < slowAnswer {
			t.Errorf("a slow answer took %s", took)
		}
	}
	if requests, bytes := s.seen(); requests != 5 || bytes != 25 {
		t.Errorf("%d requests of %d bytes", requests, bytes)
	}
	if s.forget(); s.requests != 0 || s.bytes != 0 {
		t.Error("it does not forget")
	}
}

// TestSinkEndsWhatHangs closes a sink with a request that has no answer: that
// one is broken off.
func TestSinkEndsWhatHangs(t *testing.T) {
	s, err := newSink()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.set(moodHangs); err != nil {
		t.Fatal(err)
	}
	broken := make(chan error, 1)
	go func() {
		_, err := ask(t, s, limit)
		broken <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for requests, _ := s.seen(); requests == 0 && ctx.Err() == nil; requests, _ = s.seen() {
		pause := time.NewTimer(time.Millisecond)
		<-pause.C
	}
	s.close()
	if err := <-broken; err == nil || ctx.Err() != nil {
		t.Errorf("the request got an answer: %v", err)
	}
}

func TestVariablesTellOfTheSink(t *testing.T) {
	s := &sink{port: 80}
	target := Target{Env: []string{"A=plain", "B={sink}/v1", "C={sink.addr};{sink.port}", "D=x=y"}, SinkEnv: []string{"E"}}
	want := []string{"A=plain", "B=http://10.0.0.1:80/v1", "C=10.0.0.1:80;80", "D=x=y", "E=http://10.0.0.1:80"}
	if got := s.variables("10.0.0.1", target); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for _, told := range []Target{{SinkEnv: []string{"E"}}, {Env: []string{"P={sink.port}"}}} {
		if !told.told() {
			t.Errorf("%+v is told", told)
		}
	}
	if (Target{Env: []string{"{sink}=x"}}).told() {
		t.Error("the name of a variable tells nothing")
	}
}

package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Progress is drawn ten times a second on a terminal; elsewhere a line now and
// then is enough for a log.
const (
	drawEvery  = 100 * time.Millisecond
	writeEvery = 10 * time.Second
)

// showProgress shows that something goes on until the function it returns is called.
func showProgress(w io.Writer, what string) (stop func()) {
	done := make(chan struct{})
	var shown sync.WaitGroup
	if isTerminal(w) {
		shown.Go(func() { spin(w, what, done) })
	} else {
		shown.Go(func() { tell(w, what, done) })
	}
	return func() { close(done); shown.Wait() }
}

func spin(w io.Writer, what string, done <-chan struct{}) {
	bar := progressbar.NewOptions(-1, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
		progressbar.OptionSpinnerType(14), progressbar.OptionClearOnFinish(), progressbar.OptionSetElapsedTime(true))
	ticker := time.NewTicker(drawEvery)
	defer ticker.Stop()
	for {
		_ = bar.Add(1) // a terminal that is gone will be noticed by others
		select {
		case <-ticker.C:
		case <-done:
			_ = bar.Finish()
			return
		}
	}
}

func tell(w io.Writer, what string, done <-chan struct{}) {
	began := time.Now()
	ticker := time.NewTicker(writeEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			fmt.Fprintf(w, "%s: %.0f s so far\n", what, time.Since(began).Seconds())
		case <-done:
			return
		}
	}
}

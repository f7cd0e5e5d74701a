package bench

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/lambent-host/lambent/host/lambdaapi"
)

// reported is what the host tells about one invocation in the last line of its
// log: what the caller measures beyond it is HTTP and the host.
type reported struct {
	function time.Duration
	init     time.Duration
	cold     bool
}

var (
	functionPattern = regexp.MustCompile(`\tDuration: (\d+(?:\.\d+)?) ms`)
	initPattern     = regexp.MustCompile(`\tInit Duration: (\d+(?:\.\d+)?) ms`)
)

// readReport reads the end of the log that came with an answer, base64 as the
// API sends it. The report of an environment's first invocation, and of no
// other, tells its init.
func readReport(header http.Header) (reported, error) {
	log, err := base64.StdEncoding.DecodeString(header.Get(lambdaapi.HeaderLogResult))
	if err != nil {
		return reported{}, fmt.Errorf("the log is not base64: %w", err)
	}
	var r reported
	var found bool
	if r.function, found = field(functionPattern, log); !found {
		return reported{}, fmt.Errorf("the log has no report: %.200q", log)
	}
	r.init, r.cold = field(initPattern, log)
	return r, nil
}

func field(pattern *regexp.Regexp, log []byte) (time.Duration, bool) {
	match := pattern.FindSubmatch(log)
	if match == nil {
		return 0, false
	}
	ms, err := strconv.ParseFloat(string(match[1]), 64)
	return time.Duration(ms * float64(time.Millisecond)), err == nil
}

// askFunction sends requests one at a time and returns what the function itself
// took, ascending. They ask for the log, which the measured ones do not.
func askFunction(ctx context.Context, s sender, requests int) ([]time.Duration, error) {
	s.tail = true
	times := make([]time.Duration, requests)
	for i := range times {
		_, header, _, err := s.send(ctx)
		if err != nil {
			return nil, err
		}
		r, err := readReport(header)
		if err != nil {
			return nil, err
		}
		times[i] = r.function
	}
	slices.Sort(times)
	return times, nil
}

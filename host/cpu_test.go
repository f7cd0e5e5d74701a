package host_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lambent-host/lambent/extensions/extensionstest"
	"github.com/lambent-host/lambent/host"
)

// A spinning function is ended at its timeout; until then it has had its share of
// a CPU, and the report says so.
func TestAFunctionGetsItsShareOfACPU(t *testing.T) {
	file := filepath.Join(t.TempDir(), "timeline.jsonl")
	f := start(t, func(c *host.Config) {
		c.CPUQuota = host.QuotaLambda
		c.ExtensionsDir = extensionstest.Sample(t)
	})
	// 177 MB are a tenth of a CPU.
	f.deploy(t, "spin", "spin", settings{timeout: 3, memory: 177, env: map[string]string{"TIMELINE_FILE": file}})
	if out := f.invoke(t, "spin", "{}"); aws.ToString(out.FunctionError) == "" {
		t.Fatalf("it ended by itself: %s", out.Payload)
	}
	f.stop(t)
	// Init is not part of it, and the machine may be busy: less is no fault.
	if used := cpuTimes(t, file); len(used) != 1 || used[0] <= 0 || used[0] > 350 {
		t.Errorf("a tenth of a CPU for 3 s came to %v ms", used)
	}
}

// cpuTimes are what the reports in a timeline say.
func cpuTimes(t *testing.T, file string) (times []float64) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(raw) {
		var e struct {
			Data struct {
				Type   string          `json:"type"`
				Record json.RawMessage `json:"record"`
			} `json:"data"`
		}
		var report struct {
			Metrics struct {
				CPUTimeMs float64 `json:"cpuTimeMs"`
			} `json:"metrics"`
		}
		if json.Unmarshal(line, &e) == nil && e.Data.Type == "platform.report" && json.Unmarshal(e.Data.Record, &report) == nil {
			times = append(times, report.Metrics.CPUTimeMs)
		}
	}
	return times
}

// Guests that never stop do not keep the host from answering others.
func TestSpinningFunctionsDoNotStopOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: takes a quarter of a minute")
	}
	f := start(t, func(c *host.Config) { c.CPUQuota = host.QuotaLambda })
	f.deploy(t, "quiet", "echo", settings{timeout: 20})
	f.deploy(t, "spin", "spin", settings{timeout: 12})
	f.invoke(t, "quiet", "1")
	var spinning sync.WaitGroup
	defer spinning.Wait()
	for range 500 {
		spinning.Go(func() {
			if out, err := f.tryInvoke(t, "spin", "{}"); err != nil || aws.ToString(out.FunctionError) == "" {
				t.Errorf("a function that spins came back: %v", err)
			}
		})
	}
	// They come all at once, which takes a while. 50 answers while they spin
	// are not much, but more is for the bench to claim.
	answered := 0
	for began := time.Now(); answered < 50 && time.Since(began) < 11*time.Second; {
		if out := f.invoke(t, "quiet", strconv.Itoa(answered)); string(out.Payload) == strconv.Itoa(answered) {
			answered++
		}
	}
	if answered < 50 {
		t.Errorf("%d invocations in 11 s beside 500 that spin", answered)
	}
}

// Package measure is what the scenarios of bench share: figures over rounds, the
// machine they were made on, the checkout that guests are built from, and how a
// report is written. Read next: package bench, and the scenarios beside this one.
package measure

import (
	"bufio"
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// Machine is where a report was made.
type Machine struct {
	GoVersion  string `json:"goVersion"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	CPUs       int    `json:"cpus"`
	GOMAXPROCS int    `json:"gomaxprocs"`
	// CPUModel and LoadAverage (of 1, 5 and 15 minutes, before the run) are
	// empty where the system does not tell.
	CPUModel    string `json:"cpuModel,omitempty"`
	LoadAverage string `json:"loadAverage,omitempty"`
}

// ThisMachine looks at the machine the process runs on.
func ThisMachine() Machine {
	m := Machine{
		GoVersion: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		CPUs: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0),
	}
	if cpus, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		m.CPUModel = cpuModel(cpus)
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.LoadAverage = firstFields(string(load), 3)
	}
	return m
}

// cpuModel finds the first model name in what Linux tells; "" if there is none.
func cpuModel(cpuinfo []byte) string {
	lines := bufio.NewScanner(bytes.NewReader(cpuinfo))
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func firstFields(line string, n int) string {
	fields := strings.Fields(line)
	return strings.Join(fields[:min(n, len(fields))], " ")
}

// Version is Lambent's, with the revision it was built from where the go command
// recorded one.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "devel"
	}
	return info.Main.Version
}

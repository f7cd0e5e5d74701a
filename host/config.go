package host

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"time"

	"github.com/lambent-host/lambent/extensions"
	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/extensions/place/egress"
	"github.com/lambent-host/lambent/host/catalogue"
	"github.com/lambent-host/lambent/host/environment"
	"github.com/lambent-host/lambent/sandbox/publish"
)

// Config is everything a host is told. The environment is part of it: only the
// program's main reads the process.
type Config struct {
	// Listen is the address of the HTTP API, host:port; port 0 takes a free one.
	Listen string
	// DataDir is the folder of the catalogue, the code, the queue, the compiled
	// modules and the snapshots. It is made if it is not there, and is used by one host at
	// a time.
	DataDir string
	// CompileCacheDir is the folder of compiled modules; "" means DataDir/compiled.
	// Hosts may share one: each finds what was compiled under its own key.
	CompileCacheDir string
	// CompileCacheKey authenticates what is in CompileCacheDir. Empty: random, made
	// once and kept in DataDir.
	CompileCacheKey []byte
	// CompileCacheSpace is how much the folder may hold, in MB.
	CompileCacheSpace int
	// Publishing bounds the processes that compile; zero fields are defaults. There
	// is one for every two processors at a time.
	Publishing publish.Limits
	// TmpDir is a folder for what functions write to /tmp, in a folder of this
	// host's own below it; "" means DataDir. On a tmpfs, /tmp is in memory.
	TmpDir string
	// ExtensionsDir is a folder of extension executables that every execution
	// environment starts; "" means none.
	ExtensionsDir string
	// HostExtensionsDir is a folder of extension executables that are started once,
	// and observe the environments of all functions, or of those that NAME.json
	// beside NAME names; "" means none.
	HostExtensionsDir string
	// WasmExtensionsDir is a folder of telemetry extensions that are compiled to
	// WebAssembly, NAME.wasm with NAME.json beside it; "" means none.
	WasmExtensionsDir string
	// ExtensionActivity and ExtensionDelivery, if set, are told of every call of an
	// extension and of every try to bring it telemetry. They must not block.
	ExtensionActivity func(extensions.Activity)
	ExtensionDelivery func(extensions.Delivery)
	// TelemetrySettled, if set, is told what became of the events of each
	// subscription of an extension, when it has ended. It must not block.
	TelemetrySettled func(extensions.Account)
	// ExtensionIsolation says how far the extensions of an environment are kept apart
	// from this machine and from those of others: "full", a network, files, processes
	// and, where the host is root, a user of their own; "network", the first alone;
	// "none"; "auto", full where the host may, or else none.
	ExtensionIsolation string
	// ExtensionEgress is what isolated extensions reach outside: "public", the
	// internet; "all", private networks as well; "none". ExtensionAllow are places
	// that they reach beside it: host:PORT for a port of the host's loopback, which
	// they know as host.lambent.internal, or an address or network with or without a
	// port.
	ExtensionEgress string
	ExtensionAllow  []string
	// Region and AccountID are what ARNs are made of.
	Region    string
	AccountID string
	// ConcurrencyLimit is how many invocations run at a time (Lambda's account
	// limit; 1000 by default).
	ConcurrencyLimit int
	// CPUQuota says what CPU time an environment gets: QuotaLambda, a share by
	// MemorySize and no more, or QuotaOff, all that others leave.
	CPUQuota string
	// EnvironmentIdle is how long an execution environment stays warm without an
	// invocation.
	EnvironmentIdle time.Duration
	// SnapStart says of which versions snapshots are made: "api", of those that ask
	// for it; "all", of all; "off", of none.
	SnapStart string
	// SnapshotSpace is how much of the data folder's disk they may take, in MB.
	SnapshotSpace int
	// Isolation is that of functions which choose none: "environment" or "request".
	Isolation string
	// ShutdownTimeout bounds Shutdown when Run calls it.
	ShutdownTimeout time.Duration
	// RetryDelays are the waits before an asynchronous invocation that failed is
	// tried again; Lambda's are one and two minutes.
	RetryDelays []time.Duration
	// Env is the environment, "K=V", of which OTEL_ variables are read.
	Env []string
	// Version is the program's, for telemetry.
	Version string
}

// Values of Config.CPUQuota.
const (
	// QuotaLambda gives a function MemorySize/1769 of one CPU in its invocations,
	// as on Lambda, and all of one during init.
	QuotaLambda = "lambda"
	// QuotaOff leaves it at fairness: who is served least in proportion to its
	// MemorySize goes next.
	QuotaOff = "off"
)

// DefaultConfig returns the embedded defaults; DataDir has none.
func DefaultConfig() Config {
	return Config{
		Listen:             "127.0.0.1:9400",
		Region:             "us-east-1",
		AccountID:          "000000000000",
		ConcurrencyLimit:   1000,
		CPUQuota:           QuotaLambda,
		CompileCacheSpace:  4 << 10,
		Publishing:         publish.DefaultLimits(),
		ExtensionIsolation: string(place.Auto), ExtensionEgress: string(egress.Public),
		EnvironmentIdle: 5 * time.Minute,
		SnapStart:       string(environment.SnapStartAPI),
		SnapshotSpace:   10 << 10,
		Isolation:       string(catalogue.IsolationEnvironment),
		ShutdownTimeout: 30 * time.Second,
		RetryDelays:     []time.Duration{time.Minute, 2 * time.Minute},
		Version:         "devel",
	}
}

var (
	regionPattern  = regexp.MustCompile(`^[a-z]{2}(-gov)?-[a-z]+-\d$`)
	accountPattern = regexp.MustCompile(`^\d{12}$`)
)

// Validate lists every fault of the configuration at once, each naming its field.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		fault("Listen: %w", err)
	}
	if c.DataDir == "" {
		fault("DataDir: a folder is needed")
	}
	if !regionPattern.MatchString(c.Region) {
		fault("Region: %q does not look like us-east-1", c.Region)
	}
	if !accountPattern.MatchString(c.AccountID) {
		fault("AccountID: %q is not twelve digits", c.AccountID)
	}
	if c.ConcurrencyLimit < 1 {
		fault("ConcurrencyLimit: %d is below 1", c.ConcurrencyLimit)
	}
	if c.CPUQuota != QuotaLambda && c.CPUQuota != QuotaOff {
		fault("CPUQuota: %q is not one of %s, %s", c.CPUQuota, QuotaLambda, QuotaOff)
	}
	if c.EnvironmentIdle <= 0 {
		fault("EnvironmentIdle: %v is not positive", c.EnvironmentIdle)
	}
	if !environment.SnapStart(c.SnapStart).Valid() {
		fault("SnapStart: %q is not one of api, all, off", c.SnapStart)
	}
	if c.SnapshotSpace < 1 {
		fault("SnapshotSpace: %d is below 1", c.SnapshotSpace)
	}
	if !catalogue.Isolation(c.Isolation).Valid() {
		fault("Isolation: %q is not one of environment, request", c.Isolation)
	}
	if c.ShutdownTimeout <= 0 {
		fault("ShutdownTimeout: %v is not positive", c.ShutdownTimeout)
	}
	if c.CompileCacheSpace < 1 {
		fault("CompileCacheSpace: %d is below 1", c.CompileCacheSpace)
	}
	if err := c.Publishing.Validate(); err != nil {
		faults = append(faults, err)
	}
	if _, err := c.placeConfig(); err != nil {
		faults = append(faults, err)
	}
	for i, d := range c.RetryDelays {
		if d <= 0 {
			fault("RetryDelays: number %d, %v, is not positive", i+1, d)
		}
	}
	return errors.Join(faults...)
}

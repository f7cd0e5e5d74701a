package cli

import (
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/lambent-host/lambent/host"
)

const aboutServe = `Serve runs a host until it gets SIGINT or SIGTERM, and then ends cleanly:
running invocations are waited for, accepted events stay in the queue.

The host trusts whoever can reach it: request signatures are not verified. Keep
it on loopback, or behind something that knows who is calling.

Traces, metrics and function logs are exported as the standard OTEL_ variables
say, for example OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318. Prometheus
finds the metrics at /metrics of the HTTP API.`

func (a *app) serveCommand() *cobra.Command {
	cfg := host.DefaultConfig()
	level := "info"
	publishMB := cfg.Publishing.MemoryBytes >> 20
	cmd := &cobra.Command{
		Use:     "serve",
		Short:   "Run a host",
		Long:    aboutServe,
		Example: "  lambent serve --data ./lambent-data --extensions ./extensions",
		Args:    positional(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := newLogger(a.Stderr, level)
			if err != nil {
				return err
			}
			cfg.Env, cfg.Version = a.Env, version()
			cfg.Publishing.MemoryBytes = publishMB << 20
			if err := cfg.Validate(); err != nil {
				return flagFaults(err, serveFlags)
			}
			h, err := host.New(cmd.Context(), cfg, log)
			if err != nil {
				return err
			}
			if !isLoopback(h.Addr()) {
				log.Warn().Str("address", h.Addr()).Msg("whoever reaches this address can run and change functions: request signatures are not verified")
			}
			return h.Run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.Listen, "listen", cfg.Listen, "address of the HTTP API; port 0 takes a free one")
	flags.StringVar(&cfg.DataDir, "data", "lambent-data", "folder of functions, code, queue and compiled modules")
	flags.StringVar(&cfg.TmpDir, "tmp", "", "folder for what functions write to /tmp; on a tmpfs it is in memory (default in the data folder)")
	flags.StringVar(&cfg.ExtensionIsolation, "extension-isolation", cfg.ExtensionIsolation, "what extensions have of their own: full (network, files, processes, user), network (and processes), none, auto (full where the host may, else none)")
	flags.StringVar(&cfg.ExtensionEgress, "extension-egress", cfg.ExtensionEgress, "what isolated extensions reach: public (the internet), all (private networks too), none")
	flags.StringArrayVar(&cfg.ExtensionAllow, "extension-allow", nil, "what they reach beside that: host:PORT (this machine's loopback, as host.lambent.internal:PORT), an address or network, with or without a port; may be repeated")
	flags.StringVar(&cfg.ExtensionsDir, "extensions", "", "folder of extension executables that each environment starts (default none)")
	flags.StringVar(&cfg.WasmExtensionsDir, "wasm-extensions", "", "folder of telemetry extensions compiled to WebAssembly, NAME.wasm and NAME.json (default none)")
	flags.StringVar(&cfg.HostExtensionsDir, "host-extensions", "", "folder of extension executables that are started once and observe all environments (default none)")
	flags.StringVar(&cfg.Region, "region", cfg.Region, "region in ARNs")
	flags.StringVar(&cfg.AccountID, "account", cfg.AccountID, "account id in ARNs, twelve digits")
	flags.IntVar(&cfg.ConcurrencyLimit, "concurrency", cfg.ConcurrencyLimit, "how many invocations may run at a time")
	flags.StringVar(&cfg.CPUQuota, "cpu-quota", cfg.CPUQuota, "CPU time by memory size: lambda (1769 MB is one CPU), or off")
	flags.DurationVar(&cfg.EnvironmentIdle, "idle", cfg.EnvironmentIdle, "how long an environment stays warm without an invocation")
	flags.StringVar(&cfg.SnapStart, "snapstart", cfg.SnapStart, "of which versions snapshots are made: api (those that ask), all ($LATEST too), off")
	flags.IntVar(&cfg.SnapshotSpace, "snapshot-space", cfg.SnapshotSpace, "MB of disk that snapshots may take")
	flags.StringVar(&cfg.Isolation, "isolation", cfg.Isolation, "what an invocation finds of the one before, where LAMBENT_ISOLATION is not set: environment (its memory and /tmp), request (nothing)")
	flags.IntVar(&cfg.CompileCacheSpace, "compile-space", cfg.CompileCacheSpace, "MB of disk that compiled modules may take")
	flags.Int64Var(&publishMB, "publish-memory", publishMB, "MB of memory that compiling one module may take")
	flags.DurationVar(&cfg.Publishing.CPUTime, "publish-cpu", cfg.Publishing.CPUTime, "CPU time that compiling one module may take")
	flags.DurationVar(&cfg.ShutdownTimeout, "shutdown-timeout", cfg.ShutdownTimeout, "how long the end may take")
	flags.StringVar(&level, "log-level", level, "trace, debug, info, warn or error")
	return cmd
}

// serveFlags are the flags of the fields that a configuration can have faults in.
var serveFlags = map[string]string{
	"Listen": "listen", "DataDir": "data", "Region": "region", "AccountID": "account",
	"ConcurrencyLimit": "concurrency", "CPUQuota": "cpu-quota", "EnvironmentIdle": "idle",
	"ExtensionIsolation": "extension-isolation", "ExtensionEgress": "extension-egress", "ExtensionAllow": "extension-allow",
	"SnapStart": "snapstart", "SnapshotSpace": "snapshot-space", "Isolation": "isolation",
	"CompileCacheSpace": "compile-space", "MemoryBytes": "publish-memory", "CPUTime": "publish-cpu", "ShutdownTimeout": "shutdown-timeout",
}

// isLoopback tells whether only this machine reaches an address.
func isLoopback(address string) bool {
	bound, err := netip.ParseAddrPort(address)
	return err == nil && bound.Addr().IsLoopback()
}

// newLogger writes for a person on a terminal, JSON lines otherwise.
func newLogger(w io.Writer, level string) (zerolog.Logger, error) {
	parsed, err := zerolog.ParseLevel(level)
	if err != nil || level == "" {
		return zerolog.Nop(), usagef("--log-level: %q is not one of trace, debug, info, warn, error", level)
	}
	if isTerminal(w) {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly}
	}
	return zerolog.New(w).Level(parsed).With().Timestamp().Logger(), nil
}

// size prints bytes for a person.
func size(bytes int64) string {
	switch {
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(bytes)/(1<<20))
	case bytes >= 1<<10:
		return fmt.Sprintf("%.1f KB", float64(bytes)/(1<<10))
	}
	return fmt.Sprintf("%d B", bytes)
}

// Command peers runs the kernels of bench/kernels in Lambent and in other engines, in
// one run: Lambent metered beside wazero plain and with WithCloseOnContextDone, and
// each peer plain and with its own ways to interrupt a guest.
//
// It is a module of its own because the peers need cgo, which the product does
// without. What cannot be measured on a machine is said and left out. A peer is one
// entry of the list in peers.go. Run it by the script run.sh beside this file, which
// fetches what the registries have; read next: peers.go, package metering.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/lambent-host/lambent/bench/metering"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cfg := metering.DefaultConfig()
	flag.IntVar(&cfg.Rounds, "rounds", cfg.Rounds, "how often each kernel is run in each engine")
	flag.Float64Var(&cfg.Scale, "scale", cfg.Scale, "work of a run, 1 is some ten milliseconds")
	flag.StringVar(&cfg.Language, "language", cfg.Language, "c or go (default both)")
	only := flag.String("only", "", "names of kernels, separated by commas (default all)")
	flag.DurationVar(&cfg.Limit, "limit", cfg.Limit, "how long the whole run may take")
	asJSON := flag.Bool("json", false, "print JSON instead of a table")
	flag.Parse()
	if *only != "" {
		cfg.Only = strings.Split(*only, ",")
	}
	var engines []metering.Engine
	for _, p := range peers {
		more, err := p.engines()
		if err != nil {
			fmt.Fprintf(os.Stderr, "NOT MEASURED: %s: %v\n", p.name, err)
			continue
		}
		engines = append(engines, more...)
	}
	progress := func(step string) { fmt.Fprintln(os.Stderr, step) }
	report, err := metering.Run(ctx, cfg, progress, engines...)
	if err != nil {
		return err
	}
	if *asJSON {
		return report.WriteJSON(os.Stdout)
	}
	return report.WriteTable(os.Stdout)
}

package host

import (
	"errors"
	"fmt"

	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/extensions/place/egress"
)

// placeConfig is what the configuration says of where extensions run. The error
// lists every fault.
func (c Config) placeConfig() (place.Config, error) {
	var faults []error
	isolation, err := place.ParseIsolation(c.ExtensionIsolation)
	if err != nil {
		faults = append(faults, fmt.Errorf("ExtensionIsolation: %w", err))
	}
	mode, err := egress.ParseMode(c.ExtensionEgress)
	if err != nil {
		faults = append(faults, fmt.Errorf("ExtensionEgress: %w", err))
	}
	cfg := place.Config{Isolation: isolation, Egress: mode}
	for _, text := range c.ExtensionAllow {
		rule, err := egress.ParseRule(text)
		if err != nil {
			faults = append(faults, fmt.Errorf("ExtensionAllow: %w", err))
		}
		cfg.Allow = append(cfg.Allow, rule)
	}
	return cfg, errors.Join(faults...)
}

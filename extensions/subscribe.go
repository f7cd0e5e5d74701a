package extensions

import (
	"slices"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/telemetry"
)

// Subscribe starts the delivery of telemetry to an extension.
func (s registry) Subscribe(id string, sub extapi.Subscription) (already bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, already, err := s.subscribe(id, sub)
	if err != nil {
		return false, err
	}
	record := telemetry.TelemetrySubscription{Name: x.name, State: "Subscribed", Types: sub.Types}
	if already {
		record.State = "Already subscribed"
	}
	s.cfg.Stream.Publish(telemetry.TypeTelemetrySubscription, record)
	s.observe(x, "subscribed", sub.Destination.URI)
	return already, nil
}

// maxSubscriptions bounds what one extension can make the host do. Some
// subscribe twice, with different ports.
const maxSubscriptions = 5

func (s registry) subscribe(id string, sub extapi.Subscription) (x *extension, already bool, err error) {
	if x, err = s.find(id); err != nil {
		return nil, false, err
	}
	switch {
	case !s.telemetry || s.stopping:
		return nil, false, extapi.Forbidden(extapi.ErrSubscriptionClosed, "telemetry subscriptions are closed: the init phase is over")
	case slices.ContainsFunc(x.deliveries, func(d *delivery) bool { return d.cfg.Equal(sub) }):
		return x, true, nil
	case len(x.deliveries) >= maxSubscriptions:
		return nil, false, extapi.BadRequest(extapi.ErrValidation, "an extension can have %d subscriptions", maxSubscriptions)
	}
	d := s.newDelivery(x, sub)
	x.deliveries = append(x.deliveries, d)
	s.tasks.Go(func() { d.run(s.ctx) })
	return x, false, nil
}

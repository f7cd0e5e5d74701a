package extensions

import (
	"slices"

	"github.com/lambent-host/lambent/extensions/extapi"
	"github.com/lambent-host/lambent/extensions/place"
	"github.com/lambent-host/lambent/telemetry"
)

// Subscribe starts the delivery of telemetry to an extension, through the
// Telemetry API or the Logs API.
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

// subscribe is what is done with a subscription. The same once more changes
// nothing. Another one for the same place takes the place of the first: both would
// bring every event twice. There is no call that ends a subscription.
func (s registry) subscribe(id string, sub extapi.Subscription) (x *extension, already bool, err error) {
	if x, err = s.find(id); err != nil {
		return nil, false, err
	}
	replaced := slices.IndexFunc(x.deliveries, func(d *delivery) bool { return d.cfg.Destination.Same(sub.Destination) })
	switch {
	case !s.telemetry || s.stopping:
		return nil, false, extapi.Forbidden(sub.Errors().Closed, "subscriptions are closed: the init phase is over")
	case x.state.failed():
		return nil, false, wrongState(x, x.state)
	case slices.ContainsFunc(x.deliveries, func(d *delivery) bool { return d.cfg.Schema.Logs() != sub.Schema.Logs() }):
		return nil, false, extapi.BadRequest(sub.Errors().AccessDenied,
			"extension %s has subscribed through the other of Telemetry API and Logs API", x.name)
	case replaced >= 0 && x.deliveries[replaced].cfg.Equal(sub):
		return x, true, nil
	}
	if err := place.Claim(s.room, sub.Destination.Port); err != nil {
		s.log.Warn().Str("extension", x.name).Err(err).Msg("an extension's subscription was refused")
		return nil, false, extapi.Forbidden(sub.Errors().AccessDenied, "%v", err)
	}
	switch {
	case replaced >= 0:
		x.deliveries[replaced] = s.deliver(x, sub, x.deliveries[replaced])
	case len(x.deliveries) >= maxSubscriptions:
		return nil, false, extapi.BadRequest(sub.Errors().Validation, "an extension can have %d subscriptions", maxSubscriptions)
	default:
		x.deliveries = append(x.deliveries, s.deliver(x, sub, nil))
	}
	return x, false, nil
}

func (s registry) deliver(x *extension, sub extapi.Subscription, replaced *delivery) *delivery {
	d := s.newDelivery(x, sub, replaced)
	s.tasks.Go(func() { d.run(s.ctx) })
	return d
}

package extensions

import "github.com/lambent-host/lambent/telemetry"

// Account is what became of the events of one subscription, told when its
// delivery has ended. Each event that was published for it is in one place:
//
//	Published + Told = Delivered + Dropped + Left
type Account struct {
	Source    telemetry.Source // the environment
	Extension string
	Protocol  string // HTTP or TCP
	// Published are the events that were for the subscription and that its schema
	// has, Told the
	// platform.logsDropped that were put in the place of what was lost.
	Published, Told int64
	// Delivered were taken by the subscriber: over HTTP it has answered, over TCP
	// they were written.
	Delivered int64
	// Dropped were lost because the subscriber lagged or did not take them.
	Dropped int64
	// Left could not be delivered before the environment ended.
	Left int64
	// Again is how many events were sent more than once; a subscriber may have
	// seen them twice.
	Again int64
}

// Balanced tells whether every event is accounted for.
func (a Account) Balanced() bool { return a.Published+a.Told == a.Delivered+a.Dropped+a.Left }

// settle tells the account; the delivery has ended and its subscription is closed.
func (d *delivery) settle() {
	if d.settled == nil {
		return
	}
	counts, waiting := d.sub.Counts(), int64(0)
	if d.batch != nil {
		waiting = int64(d.batch.events)
	}
	d.settled(Account{
		Source: d.source, Extension: d.name, Protocol: d.cfg.Destination.Protocol,
		Published: counts.Published - d.without, Told: counts.Told,
		Delivered: d.delivered, Dropped: counts.Dropped, Left: counts.Waiting + waiting, Again: d.again,
	})
}

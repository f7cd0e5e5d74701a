package extensions

import (
	"context"
	"time"
)

// Delivery is one try to bring a batch of telemetry to an extension.
type Delivery struct {
	Extension string
	// Protocol is HTTP or TCP.
	Protocol string
	// Batch is the events in their JSON form, in order. It is not to be changed
	// and not to be kept after the call.
	Batch [][]byte
	At    time.Time // when the try began
	Took  time.Duration
	// Err is why the batch has not arrived, and will be sent again while the host
	// has patience; nil if it was taken. Over TCP, taken means written.
	Err error
}

// observedSender tells an observer of every try.
type observedSender struct {
	sender
	name, protocol string
	observe        func(Delivery)
}

func (o *observedSender) send(ctx context.Context, b *batch) error {
	began := time.Now()
	err := o.sender.send(ctx, b)
	o.observe(Delivery{Extension: o.name, Protocol: o.protocol, Batch: b.items(), At: began, Took: time.Since(began), Err: err})
	return err
}

package telemetry

// buffer is a queue bounded by items and bytes. When it is full it loses the
// newest events and counts them; it takes lines again once it is half empty,
// so that a reader who keeps lagging is told of one gap and not of a thousand.
// Its owner guards it with a lock.
type buffer struct {
	maxItems, maxBytes int
	events             []Event // events[head:] are waiting
	head               int
	bytes              int
	lostRecords        int64 // since it was told last
	lostBytes          int64
	lostEver, told     int64 // records, and events that tell of them
}

func newBuffer(maxItems, maxBytes int) *buffer {
	return &buffer{maxItems: maxItems, maxBytes: maxBytes}
}

func (b *buffer) len() int { return len(b.events) - b.head }

// push appends the event, or counts it as lost.
func (b *buffer) push(ev Event) bool {
	if b.full(ev) {
		b.lose(1, int64(ev.size()))
		return false
	}
	if b.lostRecords > 0 && !b.lags() {
		b.add(b.takeLoss(ev))
	}
	b.add(ev)
	return true
}

// platformReserve is what only the platform's own events may fill: one in
// platformReserve of the bytes, and as many items again beside the others. There are
// extensions that do not end an invocation before they have heard
// platform.runtimeDone, and a flood of lines must not take that from them.
const platformReserve = 10

// full tells whether the event has to be lost. An empty buffer takes any event,
// whatever its size.
func (b *buffer) full(ev Event) bool {
	items, bytes := b.maxItems+b.maxItems/platformReserve, b.maxBytes
	if ev.Type.Category() != CategoryPlatform {
		if b.lostRecords > 0 && b.lags() {
			return true
		}
		items, bytes = b.maxItems, bytes-bytes/platformReserve
	}
	return b.len() > 0 && (b.len() >= items || b.bytes+ev.load() > bytes)
}

// lags tells whether the reader has to catch up before it is told of a loss.
func (b *buffer) lags() bool {
	return b.len() > 0 && (b.len() > b.maxItems/2 || b.bytes > b.maxBytes/2)
}

func (b *buffer) add(ev Event) {
	if b.head > 0 && len(b.events) == cap(b.events) {
		// Room at the front: move instead of growing.
		n := copy(b.events, b.events[b.head:])
		clear(b.events[n:])
		b.events, b.head = b.events[:n], 0
	}
	b.events = append(b.events, ev)
	b.bytes += ev.load()
}

// pop takes the oldest event. After the last one, a loss is told.
func (b *buffer) pop() (Event, bool) {
	if b.len() == 0 {
		if b.lostRecords == 0 {
			return Event{}, false
		}
		return b.takeLoss(Event{}), true
	}
	ev := b.events[b.head]
	b.events[b.head] = Event{} // let go of the record
	b.head++
	b.bytes -= ev.load()
	if b.head == len(b.events) {
		b.events, b.head = b.events[:0], 0
	}
	return ev, true
}

func (b *buffer) each(do func(Event)) {
	for _, ev := range b.events[b.head:] {
		do(ev)
	}
}

func (b *buffer) lose(records, bytes int64) {
	b.lostRecords += records
	b.lostBytes += bytes
	b.lostEver += records
}

// untold takes back what these events told.
func (b *buffer) untold(events, records, bytes int64) {
	b.lostRecords += records
	b.lostBytes += bytes
	b.lostEver += events
}

func (b *buffer) dropped() (records, bytes int64) { return b.lostRecords, b.lostBytes }

// takeLoss makes the platform.logsDropped of what was lost so far; next is the
// event that it stands before, if there is one.
func (b *buffer) takeLoss(next Event) Event {
	ev := lossEvent(b.lostRecords, b.lostBytes, next)
	b.lostRecords, b.lostBytes = 0, 0
	b.told++
	return ev
}

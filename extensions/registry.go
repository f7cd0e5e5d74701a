package extensions

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/lambent-host/lambent/extensions/extapi"
)

// state is how far an extension has come. The words are those that
// platform.extension shows.
type state string

const (
	stateStarted     state = "Started"
	stateRegistered  state = "Registered"
	stateReady       state = "Ready"   // waits for an event
	stateRunning     state = "Running" // works on one
	stateLaunchError state = "LaunchError"
	stateInitError   state = "InitError"
	stateExitError   state = "ExitError"
	stateExited      state = "Exited"
)

// failed tells whether the extension can take no events any more.
func (st state) failed() bool {
	switch st {
	case stateLaunchError, stateInitError, stateExitError, stateExited:
		return true
	}
	return false
}

// extension is what the set knows about one of its extensions, under Set.mu.
type extension struct {
	name   string
	id     string
	proc   *process // nil before the start, and for an internal extension
	state  state
	events []extapi.EventType
	failed *ExtensionError

	gone    bool           // its process has ended
	polled  bool           // has called next
	waiting bool           // a next call waits
	sending bool           // an event is on its way out
	queue   []extapi.Event // not handed out: at most an INVOKE and a SHUTDOWN

	deliveries []*delivery
}

func (x *extension) wants(event extapi.EventType) bool { return slices.Contains(x.events, event) }

// idle tells that the extension has taken its event and asked for the next.
func (x *extension) idle() bool { return x.waiting && len(x.queue) == 0 }

// registry is the set as its API sees it.
type registry struct{ *Set }

// Register makes an extension known by the name of its executable, or as an
// internal one by a name that no executable has.
func (s registry) Register(reg extapi.Registration) (extapi.Registered, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.admit(reg)
	if err != nil {
		return extapi.Registered{}, err
	}
	x.events, x.state = reg.Events, stateRegistered
	s.observe(x, "registered", joinEvents(reg.Events))
	s.broadcast()
	f := s.cfg.Function
	out := extapi.Registered{FunctionName: f.Name, FunctionVersion: f.Version, Handler: f.Handler, Identifier: x.id}
	if reg.AccountID {
		out.AccountID = f.AccountID
	}
	return out, nil
}

func (s registry) admit(reg extapi.Registration) (*extension, error) {
	i := slices.IndexFunc(s.all, func(x *extension) bool { return x.name == reg.Name })
	if i >= 0 {
		x := s.all[i]
		if x.state != stateStarted {
			return nil, wrongState(x, stateRegistered)
		}
		return x, nil
	}
	switch {
	case slices.Contains(reg.Events, extapi.Shutdown):
		return nil, extapi.Forbidden(extapi.ErrInvalidEventType, "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension")
	case !s.registration:
		return nil, extapi.Forbidden(extapi.ErrRegistrationClosed, "extension registration is closed: the init phase is over")
	case len(s.all) >= extapi.MaxExtensions:
		return nil, extapi.Forbidden(extapi.ErrTooManyExtensions, "Extension limit (%d) reached", extapi.MaxExtensions)
	}
	x := &extension{name: reg.Name, id: uuid.NewString()}
	s.all = append(s.all, x)
	return x, nil
}

// Next waits for an event and hands it out. An extension that calls next after
// SHUTDOWN waits until it is killed.
func (s registry) Next(ctx context.Context, id string, send func(extapi.Event) error) error {
	x, err := s.beginWait(ctx, id)
	if err != nil {
		return err
	}
	var ev extapi.Event
	err = s.await(ctx, func() (ok bool, err error) {
		ev, ok, err = s.take(ctx, x)
		return ok, err
	})
	if err != nil {
		s.endWait(x)
		return err
	}
	err = send(ev)
	s.mu.Lock()
	defer s.mu.Unlock()
	x.sending = false
	if err != nil {
		x.queue = slices.Insert(x.queue, 0, ev)
	}
	s.broadcast()
	return err
}

// beginWait lets an event that is on its way out arrive first: the extension can
// have read it, and be back, before the call that sent it has ended.
func (s registry) beginWait(ctx context.Context, id string) (*extension, error) {
	var x *extension
	if err := s.await(ctx, func() (ok bool, err error) {
		if x, err = s.find(id); err != nil {
			return false, err
		}
		return !x.sending, nil
	}); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case x.waiting, x.sending, x.state.failed():
		return nil, wrongState(x, stateReady)
	}
	x.state, x.polled, x.waiting = stateReady, true, true
	s.observe(x, "next", "")
	s.broadcast()
	return x, nil
}

// take pops the event, if there is one. When the caller has gone, the event
// stays for its next call. It is called with the lock.
func (s registry) take(ctx context.Context, x *extension) (ev extapi.Event, ok bool, err error) {
	switch {
	case x.state.failed():
		return ev, false, wrongState(x, stateReady)
	case ctx.Err() != nil:
		return ev, false, ctx.Err()
	case len(x.queue) == 0:
		return ev, false, nil
	}
	ev, x.queue = x.queue[0], x.queue[1:]
	x.state, x.waiting, x.sending = stateRunning, false, true
	s.observe(x, string(ev.EventType), ev.RequestID+ev.ShutdownReason)
	return ev, true, nil
}

func (s registry) endWait(x *extension) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.waiting = false
	s.broadcast()
}

// Fail takes the extension out of service for good. A repeat is accepted.
func (s registry) Fail(id string, failure extapi.Failure) error {
	st, typ := stateInitError, extapi.FatalInitError
	if failure.Phase == extapi.FailedExit {
		st, typ = stateExitError, extapi.FatalExitError
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.find(id)
	switch {
	case err != nil:
		return err
	case x.state == st:
		return nil
	case x.state.failed():
		return wrongState(x, st)
	}
	s.observe(x, string(failure.Phase)+"/error", failure.ErrorType)
	s.fail(x, st, typ, failure.ErrorType, failure.Detail)
	return nil
}

func (s *Set) find(id string) (*extension, error) {
	for _, x := range s.all {
		if x.id == id && x.state != stateStarted { // nobody was told the id before
			return x, nil
		}
	}
	return nil, extapi.Forbidden(extapi.ErrUnknownExtensionIdentifier, "Unknown extension %s", id)
}

func wrongState(x *extension, to state) error {
	return extapi.Forbidden(extapi.ErrInvalidExtensionState,
		"State transition from %s to %s failed for extension %s. Error: State transition is not allowed", x.state, to, x.name)
}

package catalogue

// Isolation is how far two invocations of a function are kept apart.
type Isolation string

// The kinds of isolation.
const (
	// IsolationEnvironment is Lambda's: an environment serves one invocation
	// after the other, and what one leaves in memory or in /tmp the next finds.
	IsolationEnvironment Isolation = "environment"
	// IsolationRequest gives each invocation the memory as it was after init,
	// and an empty /tmp.
	IsolationRequest Isolation = "request"
)

// IsolationVariable is the variable in a function's environment that chooses
// its isolation. The API has no member for it; the function sees it too.
const IsolationVariable = "LAMBENT_ISOLATION"

// Valid tells whether there is such a kind.
func (i Isolation) Valid() bool { return i == IsolationEnvironment || i == IsolationRequest }

// Isolation is what the function asks for, or else the host's default.
func (s Settings) Isolation(byDefault Isolation) Isolation {
	if own, set := s.Environment[IsolationVariable]; set {
		return Isolation(own)
	}
	return byDefault
}

package meter

import "fmt"

// Error says why a module was refused: the section it happened in (for the
// code section with the function's index), and the reason. Every refusal of
// this package is an *Error; input never causes a panic.
type Error struct {
	// Section names the part of the module, for example "import" or
	// "code, function 12".
	Section string
	// Reason is one lower-case sentence without a full stop.
	Reason string
}

// Error is "section: reason".
func (e *Error) Error() string { return e.Section + " section: " + e.Reason }

func refuse(section, format string, args ...any) *Error {
	return &Error{Section: section, Reason: fmt.Sprintf(format, args...)}
}

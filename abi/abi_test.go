package abi

import "testing"

func TestKindNames(t *testing.T) {
	for kind, want := range map[Kind]string{KindReactor: "reactor", KindCommand: "command", 0: "unknown", KindCommand + 1: "unknown"} {
		if got := kind.String(); got != want {
			t.Errorf("kind %d is called %q, want %q", kind, got, want)
		}
	}
}

// TestNumbersAreDistinct: a guest tells errors from each other and from lengths.
func TestNumbersAreDistinct(t *testing.T) {
	seen := map[int]bool{}
	for _, n := range []int{ErrFault, ErrTooLarge, ErrState, ErrInvalid} {
		if n >= 0 || seen[n] {
			t.Errorf("error number %d", n)
		}
		seen[n] = true
	}
	for _, n := range []int{FieldRequestID, FieldFunctionARN, FieldTraceID, FieldClientContext, FieldCognitoIdentity} {
		if n <= 0 || seen[n] {
			t.Errorf("field %d", n)
		}
		seen[n] = true
	}
}

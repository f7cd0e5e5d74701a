//go:build !wasip1

package outbound

import (
	"errors"
	"testing"
)

// What needs a host is tested by package wasmextension, inside WebAssembly.

func TestNoHost(t *testing.T) {
	if _, err := Do(Request{URL: "http://127.0.0.1/"}); !errors.Is(err, ErrDenied) {
		t.Errorf("Do: %v", err)
	}
	if err := Post("http://127.0.0.1/", "text/plain", nil); !errors.Is(err, ErrDenied) {
		t.Errorf("Post: %v", err)
	}
}

func TestNumbersHaveErrors(t *testing.T) {
	for n, want := range map[int32]error{errTooLarge: ErrTooLarge, errInvalid: ErrInvalid, errDenied: ErrDenied, errUnreachable: ErrUnreachable} {
		if err := number(n); !errors.Is(err, want) {
			t.Errorf("number(%d) = %v", n, err)
		}
	}
	if number(-99) == nil {
		t.Error("a number that is not known is no error")
	}
}

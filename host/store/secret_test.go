package store

import (
	"bytes"
	"path/filepath"
	"testing"
)

func TestASecretIsTheStoresOwnAndStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	var first, other []byte
	for range 2 {
		s, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		secret, err := s.Secret(t.Context(), "a", 32)
		if err != nil || len(secret) != 32 || bytes.Equal(secret, make([]byte, 32)) {
			t.Fatalf("%x, %v", secret, err)
		}
		if first != nil && !bytes.Equal(first, secret) {
			t.Error("it changed")
		}
		first = secret
		if other, err = s.Secret(t.Context(), "b", 32); err != nil || bytes.Equal(other, secret) {
			t.Errorf("another: %x, %v", other, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

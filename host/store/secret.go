package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"

	"go.etcd.io/bbolt"
)

var secretBucket = []byte("secrets.keys")

// Secret returns random bytes that are this store's own under a name; they are made
// when they are first asked for. Whoever can read the data file knows them.
func (s *Store) Secret(ctx context.Context, name string, length int) ([]byte, error) {
	var secret []byte
	err := s.Update(ctx, func(tx *bbolt.Tx) error {
		if err := (Schema{Owner: "secrets", Number: 1, Buckets: [][]byte{secretBucket}}).Prepare(tx); err != nil {
			return err
		}
		b := tx.Bucket(secretBucket)
		if secret = bytes.Clone(b.Get([]byte(name))); len(secret) == length {
			return nil
		}
		secret = make([]byte, length)
		_, _ = rand.Read(secret) // does not fail
		return b.Put([]byte(name), secret)
	})
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", name, err)
	}
	return secret, nil
}

package store

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
)

func TestASchemaIsNotedOnceAndAnotherIsRefused(t *testing.T) {
	st, err := Open(filepath.Join(t.TempDir(), "data.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	ctx := context.Background()
	first := Schema{Owner: "attic", Number: 1, Buckets: [][]byte{[]byte("attic.boxes")}}
	for range 2 {
		if err := st.Update(ctx, first.Prepare); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.Update(ctx, Schema{Owner: "cellar", Number: 7}.Prepare); err != nil {
		t.Errorf("another owner's schema: %v", err)
	}
	for _, number := range []int{0, 2} {
		other := Schema{Owner: "attic", Number: number, Buckets: [][]byte{[]byte("attic.trunks")}}
		err := st.Update(ctx, other.Prepare)
		var refused *SchemaError
		if !errors.As(err, &refused) || *refused != (SchemaError{Owner: "attic", Found: "1", Supported: number}) {
			t.Errorf("schema %d: %v", number, err)
		}
	}
	err = st.View(func(tx *bbolt.Tx) error {
		if tx.Bucket([]byte("attic.boxes")) == nil {
			t.Error("the bucket was not made")
		}
		if tx.Bucket([]byte("attic.trunks")) != nil {
			t.Error("a refused schema left a bucket behind")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

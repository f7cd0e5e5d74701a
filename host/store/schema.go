package store

import (
	"fmt"
	"strconv"

	"go.etcd.io/bbolt"
)

// metaBucket holds, for each owner of buckets, the number of the form in which
// it stores them, under the key "OWNER.schema".
var metaBucket = []byte("meta")

// Schema is the form in which one owner of buckets stores what it owns.
type Schema struct {
	// Owner is the package that the buckets belong to.
	Owner string
	// Number is raised with every change that an older program would misread.
	Number int
	// Buckets are the owner's, "OWNER.NAME" by custom.
	Buckets [][]byte
}

// SchemaError tells that the file was written in a form this program does not
// know.
type SchemaError struct {
	Owner     string
	Found     string
	Supported int
}

// Error tells both schema numbers.
func (e *SchemaError) Error() string {
	return fmt.Sprintf("the data of %s is stored in schema %q, this version of Lambent reads up to %d: use a newer version", e.Owner, e.Found, e.Supported)
}

// Prepare makes the buckets and notes the schema's number, or finds both as they
// were left. Another number is a *[SchemaError], and nothing is changed. It runs
// inside [Store.Update].
func (s Schema) Prepare(tx *bbolt.Tx) error {
	meta, err := tx.CreateBucketIfNotExists(metaBucket)
	if err != nil {
		return err
	}
	key, number := []byte(s.Owner+".schema"), strconv.Itoa(s.Number)
	switch found := meta.Get(key); {
	case found == nil:
		if err := meta.Put(key, []byte(number)); err != nil {
			return err
		}
	case string(found) != number:
		return &SchemaError{Owner: s.Owner, Found: string(found), Supported: s.Number}
	}
	for _, name := range s.Buckets {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return nil
}

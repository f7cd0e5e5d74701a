package layer

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/lambent-host/lambent/host/store"
)

// Buckets. Versions are keyed by name NUL number (8 bytes, so that they sort),
// the next number of each layer by its name.
var (
	versionsBucket = []byte("layers.versions")
	nextBucket     = []byte("layers.next")
)

// schema numbers the stored form. Raise it with every change that an older program
// would misread, and convert in load.
var schema = store.Schema{Owner: "layers", Number: 1, Buckets: [][]byte{versionsBucket, nextBucket}}

func load(st *store.Store) (map[string]*history, error) {
	if err := st.Update(context.Background(), schema.Prepare); err != nil {
		return nil, err
	}
	layers := map[string]*history{}
	err := st.View(func(tx *bbolt.Tx) error {
		err := tx.Bucket(nextBucket).ForEach(func(name, value []byte) error {
			layers[string(name)] = &history{next: int64(binary.BigEndian.Uint64(value))}
			return nil
		})
		if err != nil {
			return err
		}
		return tx.Bucket(versionsBucket).ForEach(func(key, value []byte) error {
			var v Version
			if err := json.Unmarshal(value, &v); err != nil {
				return fmt.Errorf("read layer version %q: %w", key, err)
			}
			name, _, _ := bytes.Cut(key, []byte{0})
			l := layers[string(name)]
			if l == nil {
				return fmt.Errorf("version %q belongs to no layer", key)
			}
			l.versions = append(l.versions, v)
			return nil
		})
	})
	return layers, err
}

func versionKey(v Version) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(v.Name), 0), uint64(v.Number))
}

// putVersion stores a version and the number that the next one gets.
func putVersion(tx *bbolt.Tx, v Version, next int64) error {
	value, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := tx.Bucket(versionsBucket).Put(versionKey(v), value); err != nil {
		return err
	}
	return tx.Bucket(nextBucket).Put([]byte(v.Name), binary.BigEndian.AppendUint64(nil, uint64(next)))
}

func deleteVersion(tx *bbolt.Tx, v Version) error {
	return tx.Bucket(versionsBucket).Delete(versionKey(v))
}

package catalogue

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/lambent-host/lambent/host/store"
)

// Buckets. Functions are keyed by name, versions by name NUL number (20 digits,
// so that they sort), aliases by name NUL alias. Names hold no NUL.
var (
	functionsBucket = []byte("catalogue.functions")
	versionsBucket  = []byte("catalogue.versions")
	aliasesBucket   = []byte("catalogue.aliases")
)

// schema numbers the stored form described in this file. Raise it with every
// change an older program would misread, and convert in load.
var schema = store.Schema{Owner: "catalogue", Number: 1, Buckets: [][]byte{functionsBucket, versionsBucket, aliasesBucket}}

// record is a function without its published versions and aliases.
type record struct {
	Latest  Version           `json:"latest"`
	Serving *Version          `json:"serving,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
	Next    int               `json:"next_version"`
	Source  string            `json:"published_from,omitempty"`
}

// load prepares the buckets and reads every function.
func load(st *store.Store) (map[string]*function, error) {
	if err := st.Update(context.Background(), schema.Prepare); err != nil {
		return nil, err
	}
	functions := make(map[string]*function)
	err := st.View(func(tx *bbolt.Tx) error {
		if err := tx.Bucket(functionsBucket).ForEach(func(k, value []byte) error {
			var r record
			if err := json.Unmarshal(value, &r); err != nil {
				return fmt.Errorf("read function %q: %w", k, err)
			}
			functions[string(k)] = &function{
				latest: r.Latest, serving: r.Serving, tags: r.Tags, next: r.Next, source: r.Source,
				aliases: make(map[string]Alias),
			}
			return nil
		}); err != nil {
			return err
		}
		if err := loadVersions(tx, functions); err != nil {
			return err
		}
		return loadAliases(tx, functions)
	})
	return functions, err
}

func loadVersions(tx *bbolt.Tx, functions map[string]*function) error {
	return tx.Bucket(versionsBucket).ForEach(func(k, value []byte) error {
		var v Version
		f, err := decodeOwned(k, value, &v, functions)
		if err == nil {
			f.versions = append(f.versions, v)
		}
		return err
	})
}

func loadAliases(tx *bbolt.Tx, functions map[string]*function) error {
	return tx.Bucket(aliasesBucket).ForEach(func(k, value []byte) error {
		var a Alias
		f, err := decodeOwned(k, value, &a, functions)
		if err == nil {
			f.aliases[a.Name] = a
		}
		return err
	})
}

// decodeOwned decodes the value of a "name NUL ..." key and finds its function.
func decodeOwned(k, value []byte, into any, functions map[string]*function) (*function, error) {
	name, _, _ := strings.Cut(string(k), "\x00")
	f := functions[name]
	if f == nil {
		return nil, fmt.Errorf("entry %q belongs to no function", k)
	}
	if err := json.Unmarshal(value, into); err != nil {
		return nil, fmt.Errorf("read entry %q: %w", k, err)
	}
	return f, nil
}

func versionKey(name, version string) []byte {
	return fmt.Appendf(nil, "%s\x00%020d", name, number(version))
}

func aliasKey(name, alias string) []byte { return []byte(name + "\x00" + alias) }

func putJSON(tx *bbolt.Tx, bucket, key []byte, value any) error {
	b, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return tx.Bucket(bucket).Put(key, b)
}

func putFunction(tx *bbolt.Tx, name string, f *function) error {
	return putJSON(tx, functionsBucket, []byte(name), record{
		Latest: f.latest, Serving: f.serving, Tags: f.tags, Next: f.next, Source: f.source,
	})
}

func putVersion(tx *bbolt.Tx, v *Version) error {
	return putJSON(tx, versionsBucket, versionKey(v.FunctionName, v.Version), v)
}

func deleteVersion(tx *bbolt.Tx, name, number string) error {
	return tx.Bucket(versionsBucket).Delete(versionKey(name, number))
}

func putAlias(tx *bbolt.Tx, a Alias) error {
	return putJSON(tx, aliasesBucket, aliasKey(a.FunctionName, a.Name), a)
}

func deleteAlias(tx *bbolt.Tx, name, alias string) error {
	return tx.Bucket(aliasesBucket).Delete(aliasKey(name, alias))
}

// deleteFunction removes the function with its versions and aliases.
func deleteFunction(tx *bbolt.Tx, name string) error {
	for _, bucket := range [][]byte{versionsBucket, aliasesBucket} {
		prefix := []byte(name + "\x00")
		var keys [][]byte
		cursor := tx.Bucket(bucket).Cursor()
		for k, _ := cursor.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = cursor.Next() {
			keys = append(keys, slices.Clone(k))
		}
		for _, k := range keys {
			if err := tx.Bucket(bucket).Delete(k); err != nil {
				return err
			}
		}
	}
	return tx.Bucket(functionsBucket).Delete([]byte(name))
}

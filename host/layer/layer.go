// Package layer keeps layers: archives that functions are given beside their own
// code. What is in a function's layers is its /opt, and what is in their folders
// extensions are its extensions.
//
// A layer version never changes and its number is never given again. Deleting one
// hides it; functions that use it keep it, as on Lambda, and its files go with the
// next deletion, or restart, when none does any more. Archives and their unpacked trees are files
// named by digest (files.go); several layers make one tree of links (tree.go).
// The package starts no goroutine. Rules and messages follow the Lambda API
// 2018-10-31. Read next: package environment, which leases trees.
package layer

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"github.com/lambent-host/lambent/host/deployment"
	"github.com/lambent-host/lambent/host/store"
)

// Version is one version of a layer.
type Version struct {
	Name string `json:"name"`
	// Number counts from 1.
	Number        int64     `json:"number"`
	ARN           string    `json:"arn"` // with the number
	Description   string    `json:"description,omitempty"`
	License       string    `json:"license,omitempty"`
	Runtimes      []string  `json:"runtimes,omitempty"`
	Architectures []string  `json:"architectures,omitempty"`
	Created       time.Time `json:"created"`
	// SHA256 is that of the archive in base64, Digest the same in hex.
	SHA256 string `json:"sha256"`
	Digest string `json:"digest"`
	// Size is that of the archive, Unpacked that of what is in it, in bytes.
	Size     int64 `json:"size"`
	Unpacked int64 `json:"unpacked"`
	// Deleted versions serve the functions that have them, and nobody else.
	Deleted bool `json:"deleted,omitempty"`
}

// LayerARN is the ARN without the number.
func (v Version) LayerARN() string {
	return v.ARN[:len(v.ARN)-len(strconv.FormatInt(v.Number, 10))-1]
}

// Input is what is told of a new version; what it holds has been checked but for
// the archive.
type Input struct {
	Archive                 []byte
	Description, License    string
	Runtimes, Architectures []string
}

// NotFoundError tells that there is no such layer version.
type NotFoundError struct{ Message string }

// Error is the message.
func (e *NotFoundError) Error() string { return e.Message }

// InvalidError refuses layers of a function.
type InvalidError struct{ Message string }

// Error is the message.
func (e *InvalidError) Error() string { return e.Message }

// Config tells a store where it is.
type Config struct {
	// Dir is the folder of the archives and trees, this store's alone; it is made.
	Dir string
	// Region and AccountID go into ARNs.
	Region, AccountID string
	// Used tells whether a function has the layer version of this ARN; nil means none.
	Used func(arn string) bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Store is the layers of a host. It is safe for concurrent use.
type Store struct {
	cfg   Config
	st    *store.Store
	files *files
	trees *trees

	publishing sync.Mutex // versions get their numbers one after the other

	mu     sync.RWMutex
	layers map[string]*history
}

// history is what there is of one layer, ascending by number.
type history struct {
	next     int64
	versions []Version
}

// Open reads the layers from the store and removes files that belong to none.
func Open(st *store.Store, cfg Config) (*Store, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Used == nil {
		cfg.Used = func(string) bool { return false }
	}
	layers, err := load(st)
	if err != nil {
		return nil, fmt.Errorf("open layers: %w", err)
	}
	s := &Store{cfg: cfg, st: st, layers: layers}
	var digests []string
	for _, l := range layers {
		for _, v := range l.versions {
			digests = append(digests, v.Digest)
		}
	}
	if s.files, err = openFiles(cfg.Dir, digests); err != nil {
		return nil, fmt.Errorf("open layers: %w", err)
	}
	s.trees = newTrees(s.files)
	if err := s.retain(context.Background()); err != nil {
		return nil, fmt.Errorf("open layers: %w", err)
	}
	return s, nil
}

// Publish stores a new version of the layer, the first one too. The version is on
// disk, unpacked, when it returns. What is wrong with the archive is a
// *deployment.Error.
func (s *Store) Publish(ctx context.Context, name string, in Input) (Version, error) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	stored := describe(in.Archive)
	s.trees.revive(stored.digest)
	stored, err := s.files.put(stored, in.Archive)
	if err != nil {
		return Version{}, err
	}
	number := int64(1)
	s.mu.RLock()
	if l := s.layers[name]; l != nil {
		number = l.next
	}
	s.mu.RUnlock()
	v := Version{
		Name: name, Number: number, ARN: s.arn(name) + ":" + strconv.FormatInt(number, 10),
		Description: in.Description, License: in.License, Runtimes: in.Runtimes, Architectures: in.Architectures,
		Created: s.cfg.Now().UTC(), SHA256: stored.sha256, Digest: stored.digest, Size: stored.size, Unpacked: stored.unpacked,
	}
	err = s.st.Update(ctx, func(tx *bbolt.Tx) error { return putVersion(tx, v, number+1) })
	if err != nil {
		s.dropUnused(v.Digest)
		return Version{}, fmt.Errorf("store layer %s: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.layers[name]
	if l == nil {
		l = &history{}
		s.layers[name] = l
	}
	l.next, l.versions = number+1, append(l.versions, v)
	return v, nil
}

// Delete hides a version. One that is not there is no error, as on Lambda.
func (s *Store) Delete(ctx context.Context, name string, number int64) error {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if v, ok := s.find(name, number); ok && !v.Deleted {
		v.Deleted = true
		if err := s.replace(ctx, v); err != nil {
			return fmt.Errorf("delete layer %s: %w", v.ARN, err)
		}
	}
	return s.retain(ctx)
}

func (s *Store) replace(ctx context.Context, v Version) error {
	s.mu.RLock()
	next := s.layers[v.Name].next
	s.mu.RUnlock()
	if err := s.st.Update(ctx, func(tx *bbolt.Tx) error { return putVersion(tx, v, next) }); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.layers[v.Name]
	versions := slices.Clone(l.versions)
	for i := range versions {
		if versions[i].Number == v.Number {
			versions[i] = v
		}
	}
	l.versions = versions
	return nil
}

// retain removes deleted versions that no function has. Their numbers stay taken.
func (s *Store) retain(ctx context.Context) error {
	var gone []Version
	s.mu.RLock()
	for _, l := range s.layers {
		for _, v := range l.versions {
			if v.Deleted && !s.cfg.Used(v.ARN) {
				gone = append(gone, v)
			}
		}
	}
	s.mu.RUnlock()
	for _, v := range gone {
		if err := s.st.Update(ctx, func(tx *bbolt.Tx) error { return deleteVersion(tx, v) }); err != nil {
			return fmt.Errorf("remove layer %s: %w", v.ARN, err)
		}
		s.mu.Lock()
		l := s.layers[v.Name]
		l.versions = slices.DeleteFunc(slices.Clone(l.versions), func(o Version) bool { return o.Number == v.Number })
		s.mu.Unlock()
		s.dropUnused(v.Digest)
	}
	return nil
}

// dropUnused removes an archive and its tree unless a version has it.
func (s *Store) dropUnused(digest string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, l := range s.layers {
		if slices.ContainsFunc(l.versions, func(v Version) bool { return v.Digest == digest }) {
			return
		}
	}
	s.trees.drop(digest)
}

// Archive returns an archive as it was uploaded.
func (s *Store) Archive(digest string) ([]byte, error) { return s.files.read(digest) }

func (s *Store) arn(name string) string {
	return "arn:aws:lambda:" + s.cfg.Region + ":" + s.cfg.AccountID + ":layer:" + name
}

// maxLayers is how many a function can have, maxUnpacked how many bytes they can
// unpack to (Lambda quotas; the function's own code is not counted in here).
const (
	maxLayers   = 5
	maxUnpacked = deployment.MaxUnzippedBytes
)

var arnPattern = regexp.MustCompile(`^arn:aws[a-zA-Z-]*:lambda:([a-z0-9-]+):(\d{12}):layer:([a-zA-Z0-9-_]+):(\d+)$`)

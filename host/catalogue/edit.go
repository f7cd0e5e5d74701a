package catalogue

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"go.etcd.io/bbolt"
)

// edit is one change of one function while it is being made. f is a private
// copy; the helpers below change it and note what must be written.
type edit struct {
	c    *Catalogue
	name string
	f    *function // nil: there is none, or it is to be deleted
	ops  []func(tx *bbolt.Tx) error
}

// edit runs change on a copy of the function, writes what it noted in one
// transaction, and shows the copy to readers. Nothing happened when it errs.
// Only one change of a function runs at a time, so what change has checked
// still holds when it is written; the transaction itself has nothing to refuse.
func (c *Catalogue) edit(ctx context.Context, name string, change func(e *edit) error) error {
	unlock := c.locks.lock(name)
	defer unlock()
	before := c.lookup(name)
	e := &edit{c: c, name: name, f: before.clone()}
	if err := change(e); err != nil {
		return err
	}
	if err := c.st.Update(ctx, e.write); err != nil {
		return fmt.Errorf("store function %s: %w", name, err)
	}
	c.show(name, e.f)
	c.code.swap(before.digests(), e.f.digests())
	if c.cfg.Changed != nil {
		c.cfg.Changed(name, e.f.present())
	}
	c.signal()
	return nil
}

// editExisting is edit for a function that must exist.
func (c *Catalogue) editExisting(ctx context.Context, name string, change func(e *edit) error) error {
	return c.edit(ctx, name, func(e *edit) error {
		if e.f == nil {
			return c.notFound(name, "")
		}
		return change(e)
	})
}

// write may run more than once (see store.Update), so it only reads e.
func (e *edit) write(tx *bbolt.Tx) error {
	for _, op := range e.ops {
		if err := op(tx); err != nil {
			return err
		}
	}
	if e.f == nil {
		return deleteFunction(tx, e.name)
	}
	return putFunction(tx, e.name, e.f)
}

// show replaces the function readers see.
func (c *Catalogue) show(name string, f *function) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i, known := slices.BinarySearch(c.names, name)
	switch {
	case f == nil:
		delete(c.functions, name)
		if known {
			c.names = slices.Delete(c.names, i, i+1)
		}
		return
	case !known:
		c.names = slices.Insert(c.names, i, name)
	}
	c.functions[name] = f
}

func (f *function) clone() *function {
	if f == nil {
		return nil
	}
	g := *f
	g.versions = slices.Clone(f.versions)
	g.aliases = maps.Clone(f.aliases)
	g.tags = maps.Clone(f.tags)
	return &g
}

// touch gives $LATEST a new revision.
func (e *edit) touch() { e.f.latest.RevisionID = e.c.cfg.NewRevision() }

func (e *edit) addVersion(v Version) {
	e.f.versions = append(e.f.versions, v)
	e.ops = append(e.ops, func(tx *bbolt.Tx) error { return putVersion(tx, &v) })
}

func (e *edit) replaceVersion(v Version) {
	for i := range e.f.versions {
		if e.f.versions[i].Version == v.Version {
			e.f.versions[i] = v
		}
	}
	e.ops = append(e.ops, func(tx *bbolt.Tx) error { return putVersion(tx, &v) })
}

func (e *edit) dropVersion(number string) {
	e.f.versions = slices.DeleteFunc(e.f.versions, func(v Version) bool { return v.Version == number })
	e.ops = append(e.ops, func(tx *bbolt.Tx) error { return deleteVersion(tx, e.name, number) })
}

func (e *edit) putAlias(a Alias) {
	if e.f.aliases == nil {
		e.f.aliases = make(map[string]Alias)
	}
	e.f.aliases[a.Name] = a
	e.ops = append(e.ops, func(tx *bbolt.Tx) error { return putAlias(tx, a) })
}

func (e *edit) dropAlias(name string) {
	delete(e.f.aliases, name)
	e.ops = append(e.ops, func(tx *bbolt.Tx) error { return deleteAlias(tx, e.name, name) })
}

package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var bucket = []byte("b")

func open(t testing.TB) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "data", "lambent.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func put(key, value string) func(*bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucket)
		if err != nil {
			return err
		}
		return b.Put([]byte(key), []byte(value))
	}
}

func get(t testing.TB, s *Store, key string) (value string) {
	t.Helper()
	if err := s.View(func(tx *bbolt.Tx) error {
		if b := tx.Bucket(bucket); b != nil {
			value = string(b.Get([]byte(key)))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return value
}

// hold occupies the writer until release is called, so that a test can fill the
// next group.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	entered, gate, finished := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		if err := s.Update(context.Background(), func(*bbolt.Tx) error {
			close(entered)
			<-gate
			return nil
		}); err != nil {
			t.Error(err)
		}
	}()
	<-entered
	return func() { close(gate); <-finished }
}

// queued waits until n updates wait for the writer.
func queued(t *testing.T, s *Store, n int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		s.mu.Lock()
		have := len(s.pending)
		s.mu.Unlock()
		if have == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d updates wait, want %d", have, n)
		}
	}
}

func commits(t *testing.T, s *Store) (id int) {
	t.Helper()
	if err := s.View(func(tx *bbolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestUpdateSurvivesReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lambent.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Update(context.Background(), put("k", "v")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if v := get(t, s, "k"); v != "v" {
		t.Errorf("value is %q after reopening", v)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file mode is %v, %v; want 0600", info.Mode(), err)
	}
}

func TestWaitingUpdatesShareACommit(t *testing.T) {
	s := open(t)
	release := hold(t, s)
	before := commits(t, s)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := s.Update(context.Background(), put(fmt.Sprint(i), "x")); err != nil {
				t.Error(err)
			}
		})
	}
	queued(t, s, 20)
	release()
	wg.Wait()
	if n := commits(t, s) - before; n != 2 { // the holder's and one for all
		t.Errorf("%d commits for a holder and 20 waiting updates, want 2", n)
	}
	for i := range 20 {
		if get(t, s, fmt.Sprint(i)) != "x" {
			t.Errorf("update %d is missing", i)
		}
	}
}

func TestFailureLeavesNeighboursAlone(t *testing.T) {
	s := open(t)
	refused := errors.New("refused")
	release := hold(t, s)
	errs := make([]error, 12)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			errs[i] = s.Update(context.Background(), func(tx *bbolt.Tx) error {
				if err := put(fmt.Sprint(i), "x")(tx); err != nil {
					return err
				}
				if i%3 == 0 {
					return refused
				}
				return nil
			})
		})
	}
	queued(t, s, len(errs))
	release()
	wg.Wait()
	for i, err := range errs {
		want, value := error(nil), "x"
		if i%3 == 0 {
			want, value = refused, ""
		}
		if !errors.Is(err, want) || (want == nil && err != nil) {
			t.Errorf("update %d: %v, want %v", i, err, want)
		}
		if v := get(t, s, fmt.Sprint(i)); v != value {
			t.Errorf("update %d left %q, want %q", i, v, value)
		}
	}
}

func TestPanicReachesItsCallerOnly(t *testing.T) {
	s := open(t)
	release := hold(t, s)
	var wg sync.WaitGroup
	var got any
	wg.Go(func() {
		defer func() { got = recover() }()
		_ = s.Update(context.Background(), func(*bbolt.Tx) error { panic("boom") })
	})
	queued(t, s, 1)
	wg.Go(func() {
		if err := s.Update(context.Background(), put("k", "v")); err != nil {
			t.Error(err)
		}
	})
	queued(t, s, 2)
	release()
	wg.Wait()
	if got == nil {
		t.Error("the panic did not reach its caller")
	}
	if get(t, s, "k") != "v" {
		t.Error("the neighbour's update is missing")
	}
}

func TestContextEndsAWaitingUpdate(t *testing.T) {
	s := open(t)
	release := hold(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	go func() { result <- s.Update(ctx, put("k", "v")) }()
	queued(t, s, 1)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	release()
	if err := s.Update(ctx, put("k", "v")); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: got %v", err)
	}
	if get(t, s, "k") != "" {
		t.Error("a withdrawn update was written")
	}
}

func TestContextDoesNotInterruptACommit(t *testing.T) {
	s := open(t)
	ctx, cancel := context.WithCancel(context.Background())
	if err := s.Update(ctx, func(tx *bbolt.Tx) error {
		cancel()
		return put("k", "v")(tx)
	}); err != nil {
		t.Errorf("an update whose turn had come answers %v", err)
	}
	if get(t, s, "k") != "v" {
		t.Error("value is missing")
	}
}

func TestCloseCommitsWhatWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lambent.db")
	s, err := Open(path, Options{MaxGroup: 2})
	if err != nil {
		t.Fatal(err)
	}
	release := hold(t, s)
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			if err := s.Update(context.Background(), put(fmt.Sprint(i), "x")); err != nil {
				t.Error(err)
			}
		})
	}
	queued(t, s, 5)
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	release()
	wg.Wait()
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if err := s.Update(context.Background(), put("k", "v")); !errors.Is(err, ErrClosed) {
		t.Errorf("update after close: %v", err)
	}
	if err := s.View(func(*bbolt.Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("view after close: %v", err)
	}
	if s, err = Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 5 {
		if get(t, s, fmt.Sprint(i)) != "x" {
			t.Errorf("update %d is missing", i)
		}
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	s := open(t)
	_, err := Open(s.db.Path(), Options{LockTimeout: 20 * time.Millisecond})
	if !errors.Is(err, ErrInUse) {
		t.Errorf("second open: %v, want %v", err, ErrInUse)
	}
}

func TestOpenRefusesAForeignFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lambent.db")
	if err := os.WriteFile(path, []byte("not a database, but long enough to look at"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("a foreign file: %v, want %v", err, ErrDamaged)
	}
}

// TestOpenRefusesACutFile: touching a page that is gone would end the process.
func TestOpenRefusesACutFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lambent.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Update(context.Background(), func(tx *bbolt.Tx) error {
		for i := range 100 {
			if err := put(fmt.Sprint(i), strings.Repeat("x", 5000))(tx); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var used int64
	if err := s.View(func(tx *bbolt.Tx) error { used = tx.Size(); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, used); err != nil { // only unused pages are lost
		t.Fatal(err)
	}
	if s, err = Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{used - 1, used / 2, 20_000, 5000, 100} {
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, Options{}); !errors.Is(err, ErrDamaged) {
			t.Errorf("file of %d bytes cut to %d: %v, want %v", used, size, err, ErrDamaged)
		}
	}
}

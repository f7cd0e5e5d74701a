package catalogue

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/lambent-host/lambent/host/store"
)

func TestOpenRefusesANewerSchema(t *testing.T) {
	fx := open(t)
	if err := fx.st.Update(ctx, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("meta")).Put([]byte("catalogue.schema"), []byte("2"))
	}); err != nil {
		t.Fatal(err)
	}
	_, err := Open(fx.st, filepath.Join(fx.dir, "code"), Config{})
	var schema *store.SchemaError
	if !errors.As(err, &schema) || schema.Found != "2" || !strings.Contains(err.Error(), "use a newer version") {
		t.Errorf("got %v", err)
	}
}

func TestOpenNamesADamagedRecord(t *testing.T) {
	for name, damage := range map[string]func(tx *bbolt.Tx) error{
		`"fn"`:           func(tx *bbolt.Tx) error { return tx.Bucket(functionsBucket).Put([]byte("fn"), []byte(`{"latest":`)) },
		`"gone\x00live"`: func(tx *bbolt.Tx) error { return tx.Bucket(aliasesBucket).Put(aliasKey("gone", "live"), []byte("{}")) },
		`"fn\x00000000`:  func(tx *bbolt.Tx) error { return tx.Bucket(versionsBucket).Put(versionKey("fn", "1"), []byte("x")) },
	} {
		fx := open(t)
		fx.active("fn")
		if err := fx.st.Update(ctx, damage); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(fx.st, filepath.Join(fx.dir, "code"), Config{}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error is %v, want it to name %s", err, name)
		}
	}
}

func TestOpenRemovesWhatNothingRefersTo(t *testing.T) {
	fx := open(t)
	v := fx.active("fn")
	orphan := digestOf([]byte("orphan")).digest
	for _, name := range []string{orphan, ".upload-123", "README"} {
		if err := os.WriteFile(filepath.Join(fx.dir, "code", name), []byte("orphan"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fx.reopen()
	if files := strings.Join(fx.codeFiles(), " "); files != v.CodeDigest+" README" && files != "README "+v.CodeDigest {
		t.Errorf("files are %s", files)
	}
}

func TestCodeIsVerified(t *testing.T) {
	fx := open(t)
	v := fx.active("fn")
	if err := os.WriteFile(filepath.Join(fx.dir, "code", v.CodeDigest), []byte("damaged!!!"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := fx.Code(v.CodeDigest); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("damaged code: %v", err)
	}
	var missing *NotFoundError
	if _, err := fx.Code(digestOf(nil).digest); !errors.As(err, &missing) {
		t.Errorf("missing code: %v", err)
	}
	if _, err := fx.Code("../lambent.db"); err == nil || !strings.Contains(err.Error(), "not a digest") {
		t.Errorf("path as digest: %v", err)
	}
}

// TestAFailedWriteChangesNothing: what could not be stored is not shown, and
// its code does not stay.
func TestAFailedWriteChangesNothing(t *testing.T) {
	fx := open(t)
	before := fx.active("fn")
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := fx.UpdateCode(ended, "fn", UpdateCodeInput{Code: code("two")}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
	if err := fx.st.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := fx.UpdateCode(ctx, "fn", UpdateCodeInput{Code: code("two")}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("closed store: %v", err)
	}
	if _, err := fx.Create(ctx, CreateInput{Name: "new", Code: code("three")}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("closed store: %v", err)
	}
	if err := fx.Delete(ctx, "fn", ""); !errors.Is(err, store.ErrClosed) {
		t.Errorf("closed store: %v", err)
	}
	if now := fx.get("fn", ""); now.RevisionID != before.RevisionID {
		t.Errorf("function is %+v", now)
	}
	if _, err := fx.Get("new", ""); err == nil {
		t.Error("a function that was not stored is shown")
	}
	if files := fx.codeFiles(); len(files) != 1 || files[0] != before.CodeDigest {
		t.Errorf("code files are %v", files)
	}
}

// TestConcurrentChanges: of many creations of one name one succeeds; functions
// that share code and come and go never lose a file that is still referred to.
func TestConcurrentChanges(t *testing.T) {
	fx := open(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	created := 0
	for range 8 {
		wg.Go(func() {
			if _, err := fx.Create(ctx, CreateInput{Name: "one", Code: code("shared")}); err == nil {
				mu.Lock()
				created++
				mu.Unlock()
			}
		})
	}
	for w := range 8 {
		name := fmt.Sprint("fn", w)
		wg.Go(func() {
			for range 20 {
				v, err := fx.Create(ctx, CreateInput{Name: name, Code: code("shared")})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := fx.Code(v.CodeDigest); err != nil {
					t.Error(err)
				}
				if err := errors.Join(fx.Settle(ctx, v, nil), fx.Delete(ctx, name, "")); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 50 {
				if _, _, err := fx.List("", 3, true); err != nil {
					t.Error(err)
				}
				fx.Unsettled()
			}
		})
	}
	wg.Wait()
	if created != 1 {
		t.Errorf("%d of 8 creations of one name succeeded", created)
	}
	if _, err := fx.Code(fx.get("one", "").CodeDigest); err != nil {
		t.Error(err)
	}
	if err := fx.Delete(ctx, "one", ""); err != nil {
		t.Fatal(err)
	}
	if files := fx.codeFiles(); len(files) != 0 {
		t.Errorf("code files are %v", files)
	}
	if len(fx.locks.held) != 0 {
		t.Errorf("%d locks are kept", len(fx.locks.held))
	}
}

package layer

import (
	"archive/zip"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lambent-host/lambent/host/deployment"
	"github.com/lambent-host/lambent/host/store"
)

// archive is a zip file with these files, name and content in turn.
func archive(t *testing.T, files ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

type fixture struct {
	*testing.T
	*Store
	dir  string
	st   *store.Store
	used string // the ARN that a function has
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{T: t, dir: t.TempDir()}
	f.open()
	t.Cleanup(func() { _ = f.st.Close() })
	return f
}

func (f *fixture) open() {
	f.Helper()
	var err error
	if f.st, err = store.Open(filepath.Join(f.dir, "db"), store.Options{}); err != nil {
		f.Fatal(err)
	}
	f.Store, err = Open(f.st, Config{Dir: filepath.Join(f.dir, "layers"), Region: "us-east-1", AccountID: "000000000000", Used: func(arn string) bool { return arn == f.used }})
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) reopen() {
	f.Helper()
	if err := f.st.Close(); err != nil {
		f.Fatal(err)
	}
	f.open()
}

func (f *fixture) publish(name string, files ...string) Version {
	f.Helper()
	v, err := f.Publish(f.Context(), name, Input{Archive: archive(f.T, files...)})
	if err != nil {
		f.Fatal(err)
	}
	return v
}

// files lists what is in the store's folder.
func (f *fixture) files() (names []string) {
	f.Helper()
	entries, err := os.ReadDir(filepath.Join(f.dir, "layers"))
	if err != nil {
		f.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func arns(versions ...Version) (all []string) {
	for _, v := range versions {
		all = append(all, v.ARN)
	}
	return all
}

func TestVersionsCountUpAndSurviveARestart(t *testing.T) {
	f := newFixture(t)
	one, two := f.publish("tools", "a", "1"), f.publish("tools", "a", "2")
	if one.ARN != "arn:aws:lambda:us-east-1:000000000000:layer:tools:1" || two.Number != 2 || two.LayerARN() != "arn:aws:lambda:us-east-1:000000000000:layer:tools" {
		t.Errorf("published %+v and %+v", one, two)
	}
	if err := f.Delete(t.Context(), "tools", 2); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	if got, err := f.Get("tools", 1); err != nil || got.Digest != one.Digest {
		t.Errorf("after a restart %+v, %v", got, err)
	}
	if three := f.publish("tools", "a", "3"); three.Number != 3 {
		t.Errorf("number %d was given twice", three.Number)
	}
	content, err := f.Archive(one.Digest)
	if err != nil || !bytes.Equal(content, archive(t, "a", "1")) {
		t.Errorf("the archive is not what was uploaded: %v", err)
	}
}

func TestOfTwoFilesOfOneNameTheLaterLayersIsSeen(t *testing.T) {
	f := newFixture(t)
	under := f.publish("under", "extensions/x", "under", "lib/a", "under", "swap/file", "under", "plain", "under")
	over := f.publish("over", "extensions/x", "over", "lib/b", "over", "swap", "over", "plain/file", "over")
	dir, release, err := f.Lease(arns(under, over))
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for name, want := range map[string]string{"extensions/x": "over", "lib/a": "under", "lib/b": "over", "swap": "over", "plain/file": "over"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != want {
			t.Errorf("%s is %q, %v; want %q", name, text, err, want)
		}
	}
	again, releaseAgain, err := f.Lease(arns(under, over))
	if err != nil || again != dir {
		t.Errorf("a second lease has %s, %v", again, err)
	}
	releaseAgain()
	if alone, releaseAlone, err := f.Lease(arns(under)); err != nil || alone == dir {
		t.Errorf("one layer has %s, %v", alone, err)
	} else {
		releaseAlone()
	}
	if dir, _, err := f.Lease(nil); err != nil || dir != "" {
		t.Errorf("no layers have %q, %v", dir, err)
	}
}

func TestADeletedVersionStaysForThoseWhoHaveIt(t *testing.T) {
	f := newFixture(t)
	v, other := f.publish("v", "a", "v"), f.publish("other", "b", "o")
	f.used = v.ARN
	if err := errors.Join(f.Delete(t.Context(), "v", 1), f.Delete(t.Context(), "v", 7)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get("v", 1); err == nil {
		t.Error("a deleted version is there")
	}
	dir, release, err := f.Lease(arns(v, other))
	if err != nil {
		t.Fatalf("a function cannot use its deleted layer: %v", err)
	}
	f.used = ""
	if err := f.Delete(t.Context(), "other", 2); err != nil { // any deletion looks for what nobody has any more
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "a")); err != nil {
		t.Errorf("the tree went while it was used: %v", err)
	}
	release()
	release() // does nothing
	if left := f.files(); len(left) != 2 || !slices.Contains(left, other.Digest) {
		t.Errorf("left are %v, want the other layer's files", left)
	}
}

func TestADroppedLayerThatIsPublishedAgainStays(t *testing.T) {
	f := newFixture(t)
	v := f.publish("v", "a", "1")
	_, release, err := f.Lease(arns(v))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(t.Context(), "v", 1); err != nil {
		t.Fatal(err)
	}
	same := f.publish("v", "a", "1")
	release()
	if dir, _, err := f.Lease(arns(same)); err != nil {
		t.Error(err)
	} else if _, err := os.Stat(filepath.Join(dir, "a")); err != nil {
		t.Error(err)
	}
}

func TestOpeningRemovesWhatBelongsToNothing(t *testing.T) {
	f := newFixture(t)
	v, w := f.publish("v", "a", "1"), f.publish("w", "b", "1")
	if _, _, err := f.Lease(arns(v, w)); err != nil { // killed without giving it back
		t.Fatal(err)
	}
	for _, name := range []string{unfinished + "x", strings.Repeat("0", 64) + archiveSuffix} {
		if err := os.WriteFile(filepath.Join(f.dir, "layers", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.reopen()
	if left := f.files(); len(left) != 4 {
		t.Errorf("left are %v, want archive and tree of two layers", left)
	}
}

func TestBadArchivesAreRefused(t *testing.T) {
	f := newFixture(t)
	_, err := f.Publish(t.Context(), "bad", Input{Archive: []byte("PK")})
	var refused *deployment.Error
	if !errors.As(err, &refused) {
		t.Errorf("error %v", err)
	}
	if left := f.files(); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
	v := f.publish("good", "a", "1")
	if err := os.WriteFile(filepath.Join(f.dir, "layers", v.Digest+archiveSuffix), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Archive(v.Digest); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a damaged archive: %v", err)
	}
}

package publish

import (
	"bytes"
	"testing"

	"github.com/lambent-host/lambent/sandbox"
)

func TestMessages(t *testing.T) {
	var b bytes.Buffer
	if err := writeMessage(&b, ready{true}); err != nil {
		t.Fatal(err)
	}
	if err := writeMessage(&b, answer{Refused: &sandbox.ModuleError{Section: "s", Reason: "r"}}); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	isReady, a := readAnswer(bytes.NewReader(whole))
	if !isReady || a == nil || *a.Refused != (sandbox.ModuleError{Section: "s", Reason: "r"}) {
		t.Errorf("%v %+v", isReady, a)
	}
	for n := range whole {
		if _, a := readAnswer(bytes.NewReader(whole[:n])); a != nil {
			t.Errorf("an answer in %d bytes of %d", n, len(whole))
		}
	}
	if err := writeMessage(&b, string(make([]byte, maxMessage))); err == nil {
		t.Error("a message that is too long was written")
	}
}

// FuzzAnswer holds that whatever a child says, the host neither panics nor takes
// more memory than a message may have, and that an answer says one thing.
func FuzzAnswer(f *testing.F) {
	hello := "lmp1\x0e\x00\x00\x00{\"ready\":true}"
	f.Add([]byte(hello + "lmp1\x0d\x00\x00\x00{\"failed\":\"\"}"))
	f.Add([]byte(hello + "lmp1\x0f\x00\x00\x00{\"prepared\":{}}"))
	f.Add([]byte(hello + "lmp1\xff\xff\xff\xff"))
	f.Add([]byte("lmp2\x02\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, said []byte) {
		if isReady, a := readAnswer(bytes.NewReader(said)); a != nil && (!isReady || a.Prepared == nil && a.Refused == nil && a.Failed == "") {
			t.Errorf("%+v", a)
		}
	})
}

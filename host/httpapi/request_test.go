package httpapi

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/lambent-host/lambent/host/lambdaapi"
)

// TestReadAllMakesRoomAsItComes: what a client announces and does not send must
// cost next to nothing, on however many connections.
func TestReadAllMakesRoomAsItComes(t *testing.T) {
	const calls = 32
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range calls {
		body, err := readAll(strings.NewReader("{"), lambdaapi.MaxSyncPayloadBytes)
		if !errors.Is(err, io.ErrUnexpectedEOF) || string(body) != "{" {
			t.Fatalf("read %q, %v", body, err)
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / calls; each > 4*firstRoom {
		t.Errorf("a body of one byte took %d bytes", each)
	}
}

func TestReadAll(t *testing.T) {
	for _, size := range []int{0, 1, firstRoom - 1, firstRoom, firstRoom + 1, 2 * firstRoom, 5*firstRoom + 7} {
		want := bytes.Repeat([]byte("0123456"), size/7+1)[:size]
		for _, length := range []int64{-1, int64(size)} {
			got, err := readAll(iotest.HalfReader(bytes.NewReader(want)), length)
			if err != nil || !bytes.Equal(got, want) || length >= 0 && cap(got) > max(2*size, 1) {
				t.Errorf("%d bytes announced as %d: %d bytes, room %d, %v", size, length, len(got), cap(got), err)
			}
		}
		if _, err := readAll(bytes.NewReader(want), int64(size)+1); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes announced as one more: %v", size, err)
		}
	}
}

package abitest

import (
	"testing"
)

// Snapshots holds a guest of the test protocol, and a host whose instances are
// [Snapshotter]s, to what the ABI says of snapshots: the hooks run once and in
// their place, the guest goes on where it stood, and a hook that fails stops what
// it is for.
func Snapshots(t *testing.T, runner Runner, module []byte) {
	t.Run("hooks", func(t *testing.T) {
		s := begin(t, runner, module)
		s.answers("hooks", "0 0")
		s.answers("count", "2")
		copied, err := s.capture().Restore(s.ctx, t)
		if err != nil {
			t.Fatalf("restore: %v\n%s", err, s.log)
		}
		s.inst = copied
		s.answers("hooks", "1 1")
		s.answers("count", "4")
		s.answers("echo still here", "still here")
	})
	t.Run("before fails", func(t *testing.T) {
		s := begin(t, runner, module, "FAIL_HOOK=before")
		if _, err := s.snapshotter().Snapshot(s.ctx, t); err == nil {
			t.Error("a guest whose hook failed was captured")
		}
	})
	t.Run("after fails", func(t *testing.T) {
		s := begin(t, runner, module, "FAIL_HOOK=after")
		if _, err := s.capture().Restore(s.ctx, t); err == nil {
			t.Error("a copy whose hook failed was restored")
		}
	})
}

func (s *subject) snapshotter() Snapshotter {
	s.Helper()
	instance, ok := s.inst.(Snapshotter)
	if !ok {
		s.Fatalf("%T makes no snapshots", s.inst)
	}
	return instance
}

func (s *subject) capture() Snapshot {
	s.Helper()
	snapshot, err := s.snapshotter().Snapshot(s.ctx, s)
	if err != nil {
		s.Fatalf("snapshot: %v\n%s", err, s.log)
	}
	return snapshot
}

package keeper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of a test.
const patience = 20 * time.Second

// pair is both ends of a pipe.
func pair(t testing.TB) (a, b pipe) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ends := make([]pipe, 0, 2)
	for _, fd := range fds {
		file := os.NewFile(uintptr(fd), "end")
		conn, err := net.FileConn(file)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		ends = append(ends, pipe{conn.(*net.UnixConn)})
	}
	return ends[0], ends[1]
}

func TestMessagesCarryFiles(t *testing.T) {
	a, b := pair(t)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := a.send(message{What: doStart, ID: 7, Path: "/p", Env: []string{"A=b"}}, writer, writer); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	var m message
	files, err := b.receive(&m)
	if err != nil || len(files) != 2 || m.What != doStart || m.ID != 7 || m.Path != "/p" || len(m.Env) != 1 {
		t.Fatalf("received %+v with %d files (%v)", m, len(files), err)
	}
	for _, f := range files {
		flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("a received file would be inherited (%v)", err)
		}
		fmt.Fprint(f, "x")
	}
	closeAll(files)
	if text, err := io.ReadAll(reader); string(text) != "xx" || err != nil {
		t.Errorf("through them came %q (%v)", text, err)
	}
}

func TestMessagesAreBounded(t *testing.T) {
	a, b := pair(t)
	if err := a.send(message{Path: strings.Repeat("x", maxMessage)}); !errors.Is(err, errTooLong) {
		t.Errorf("sending too much: %v", err)
	}
	if err := a.send(message{Path: strings.Repeat("x", maxMessage-200)}); err != nil {
		t.Errorf("sending much: %v", err)
	}
	var m message
	if _, err := b.receive(&m); err != nil || len(m.Path) != maxMessage-200 {
		t.Errorf("receiving much: %d bytes, %v", len(m.Path), err)
	}
	if _, err := a.conn.Write(make([]byte, maxMessage+100)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.receive(&m); !errors.Is(err, errTooLong) {
		t.Errorf("receiving too much: %v", err)
	}
	a.conn.Close()
	if _, err := b.receive(&m); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestErrorsCrossThePipe(t *testing.T) {
	if err := answerTo(1, nil).failure(); err != nil {
		t.Error(err)
	}
	err := answerTo(1, &os.PathError{Op: "fork/exec", Path: "/p", Err: syscall.EACCES}).failure()
	if !errors.Is(err, fs.ErrPermission) || err.Error() != "fork/exec /p: permission denied" {
		t.Errorf("an error of the system arrives as %v", err)
	}
	if err := answerTo(1, errors.New("other")).failure(); err == nil || err.Error() != "other" {
		t.Errorf("another arrives as %v", err)
	}
}

// against returns a Keeper whose keeper is the test.
func against(t *testing.T) (*Keeper, pipe) {
	t.Helper()
	host, child := pair(t)
	k := &Keeper{host: host, cmd: exec.Command("sleep", "1000"), said: &tail{}, done: make(chan struct{}), waiting: map[uint64]chan answered{}, running: map[uint64]*Process{}}
	if err := k.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(k.done)
		k.cmd.Wait()
	}()
	k.tasks.Go(k.listen)
	t.Cleanup(k.Close)
	return k, child
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestAKeeperThatLiesHarmsNobody: answers to nothing, ends of nothing, files for nobody.
func TestAKeeperThatLiesHarmsNobody(t *testing.T) {
	k, child := against(t)
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	before := openFiles(t)
	for id := range uint64(50) {
		for _, what := range []string{isAnswer, isExit, doStart, "nonsense", ""} {
			if err := child.send(message{What: what, ID: 1000 + id}, file, file); err != nil {
				t.Fatal(err)
			}
		}
	}
	go func() { // an honest answer, with more than was asked for
		var m message
		child.receive(&m)
		child.send(answerTo(m.ID, nil), file, file)
	}()
	if conn, err := k.Dial(t.Context(), 1); err == nil {
		conn.Close()
		t.Error("two files are a connection")
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d files are open, %d were", after, before)
	}
	// What it cannot mean is its end.
	if _, err := child.conn.Write([]byte("{")); err != nil {
		t.Fatal(err)
	}
	<-k.done
	if _, err := k.Dial(t.Context(), 1); err == nil {
		t.Error("it is asked although it has ended")
	}
	k.Close()
	if err := k.cmd.Process.Signal(syscall.Signal(0)); err == nil {
		t.Error("it lives")
	}
}

// TestAKeeperThatIsSilentHoldsUpNobody longer than they want to wait.
func TestAKeeperThatIsSilentHoldsUpNobody(t *testing.T) {
	k, child := against(t)
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		_, err := k.Dial(ctx, 1)
		asked <- err
	}()
	var m message
	if _, err := child.receive(&m); err != nil || m.What != doDial || m.Port != 1 {
		t.Fatalf("it is asked for %+v (%v)", m, err)
	}
	cancel()
	if err := <-asked; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	// An answer that comes too late leaves nothing.
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	before := openFiles(t)
	if err := child.send(answerTo(m.ID, nil), file); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); openFiles(t) > before; {
		if time.Now().After(end) {
			t.Fatal("a late file stays open")
		}
	}
	// Whoever waits when it ends waits no longer.
	go func() {
		_, err := k.Dial(t.Context(), 1)
		asked <- err
	}()
	if _, err := child.receive(&m); err != nil {
		t.Fatal(err)
	}
	k.Close()
	if err := <-asked; !errors.Is(err, errGone) {
		t.Errorf("error %v, want that it is gone", err)
	}
}

func TestOnlyWhoKnowsItsKeepersStartsThem(t *testing.T) {
	if _, _, err := Start(t.Context(), Setup{}, false); err == nil || !strings.Contains(err.Error(), "ExitIfChild") {
		t.Errorf("error %v", err)
	}
}

func TestEndsAreDescribed(t *testing.T) {
	for status, want := range map[syscall.WaitStatus]string{0: "exit status 0", 3 << 8: "exit status 3", 9: "signal: killed", 6 | 0x80: "signal: aborted (core dumped)"} {
		if got := describe(status); got != want {
			t.Errorf("%#x is %q, want %q", uint32(status), got, want)
		}
	}
}

// TestNetlinkMessages are those of rtnetlink(7), written down byte by byte.
func TestNetlinkMessages(t *testing.T) {
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"address 4": {newAddress(2, netip.MustParsePrefix("169.254.76.2/24")), "02 18 02 00 02000000 0800 0200 a9fe4c02 0800 0100 a9fe4c02"},
		"address 6": {newAddress(3, netip.MustParsePrefix("fd00::2/64")), "0a 40 02 00 03000000 1400 0200 fd000000000000000000000000000002 1400 0100 fd000000000000000000000000000002"},
		"pair": {newPair("out0", "out1"), "00000000000000000000000000000000 0900 0300 6f75743000 000000" + // IFLA_IFNAME
			"3000 1200 0800 0100 76657468" + // IFLA_LINKINFO: IFLA_INFO_KIND
			"2400 0200 2000 0100 00000000000000000000000000000000 0900 0300 6f75743100 000000"}, // IFLA_INFO_DATA: VETH_INFO_PEER
		"route 4": {newDefault(2, netip.MustParseAddr("169.254.76.2")), "02 00 00 00 fe 03 fd 01 00000000 0800 0400 02000000"},
		"route 6": {newDefault(2, netip.MustParseAddr("fd00::2")), "0a 00 00 00 fe 03 fd 01 00000000 0800 0400 02000000"},
	} {
		if got := fmt.Sprintf("%x", c.got); got != strings.ReplaceAll(c.want, " ", "") {
			t.Errorf("%s is %s, want %s", name, got, c.want)
		}
	}
}

func TestTheEndOfWhatAKeeperSaysIsKept(t *testing.T) {
	var said tail
	for i := range 1000 {
		fmt.Fprintf(&said, "line %d\n", i)
	}
	if text := said.String(); len(text) != maxTail || !strings.HasSuffix(text, "line 999\n") {
		t.Errorf("%d bytes are kept", len(text))
	}
}

// FuzzHear has a keeper say anything.
func FuzzHear(f *testing.F) {
	f.Add([]byte(`{"What":"answer","ID":1}`))
	f.Add([]byte(`{"What":"exit","ID":2,"Status":"exit status 1"}`))
	f.Add([]byte(`{"What":"answer","ID":1,"Error":"x","Errno":13}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, b := pair(t)
		if len(data) == 0 || len(data) > maxMessage {
			return
		}
		if _, err := a.conn.Write(data); err != nil {
			t.Skip(err)
		}
		answer := make(chan answered, 1)
		k := &Keeper{waiting: map[uint64]chan answered{1: answer}, running: map[uint64]*Process{2: {exit: make(chan struct{})}}}
		var m message
		files, err := b.receive(&m)
		if err != nil {
			return
		}
		k.hear(m, files)
		k.hear(m, nil)
		_ = m.failure()
	})
}

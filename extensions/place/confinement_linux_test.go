package place

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lambent-host/lambent/extensions/place/egress"
	"github.com/lambent-host/lambent/extensions/place/keeper"
)

// TestAnExtensionSeesItsOwnFiles: the layers at /opt, the function's /tmp, the names,
// the system; and nothing of it is the host's to be changed.
func TestAnExtensionSeesItsOwnFiles(t *testing.T) {
	opt, tmp := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"lib/data": "layer", "extensions/it": "#!/bin/sh\n. /opt/extensions/parts/more\n", "extensions/parts/more": ""} {
		path := filepath.Join(opt, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	more := `echo "name $0"; echo "layer $(cat /opt/lib/data) $(cat /opt/linked)"
cat /tmp/of-the-function; echo written >/tmp/of-the-extension
for file in /opt/new /opt/lib/data /opt/extensions/it /new /etc/new /usr/new /etc/hosts /dev/new; do echo x 2>/dev/null >>$file && echo "wrote $file"; done
cat /etc/hosts; pwd; hostname; grep -c . /proc/1/cmdline; ls /proc | grep -c '^[0-9]'
`
	if err := os.WriteFile(filepath.Join(opt, "extensions/parts/more"), []byte(more), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("lib/data", filepath.Join(opt, "linked")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tmp, "of-the-function"), []byte("shared\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(opt, "extensions/it")
	room, listener, err := isolated(t, nil).Open(t.Context(), Environment{Extensions: []string{path}, Opt: opt, Tmp: tmp})
	if err != nil {
		t.Fatal(err)
	}
	defer room.Close()
	defer listener.Close()
	out := &lines{}
	process, err := room.Start(Command{Path: path, Env: []string{"PATH=/usr/bin:/bin"}, Stdout: out, Stderr: out})
	if err != nil {
		t.Fatal(err)
	}
	process.Wait()
	said := out.String()
	for _, want := range []string{"name /opt/extensions/it\n", "layer layer layer\n", "shared\n", "127.0.0.1 localhost sandbox sandbox.localdomain\n", "\n/\nsandbox\n"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in what it said", want)
		}
	}
	if strings.Contains(said, "wrote") {
		t.Error("it wrote where it must not")
	}
	if text, err := os.ReadFile(filepath.Join(tmp, "of-the-extension")); err != nil || string(text) != "written\n" {
		t.Errorf("in /tmp it wrote %q (%v)", text, err)
	}
	if t.Failed() {
		t.Log(said)
	}
}

// TestTheHostsFilesAreNotThere: whatever is not the system's, others' /tmp included.
func TestTheHostsFilesAreNotThere(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(secret, []byte("secret"), 0o666); err != nil {
		t.Fatal(err)
	}
	p := isolated(t, nil)
	other := open(t, p, nil)
	if err := os.WriteFile(filepath.Join(other.tmp, "theirs"), []byte("secret"), 0o666); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The last two folders: a number alone may be a mount's as well.
	dir := filepath.Join(filepath.Base(filepath.Dir(filepath.Dir(secret))), filepath.Base(filepath.Dir(secret)))
	out := says(t, p, fmt.Sprintf(`cat %s %s/theirs 2>/dev/null; for file in %s /old /proc/1/root/etc /proc/1/environ /proc/1/cwd/ /proc/1/fd/3 /etc/shadow /etc/ssh /sys/kernel /home/* /root/* /var/*/*; do
if ls $file >/dev/null 2>&1 && [ -n "$(ls $file 2>/dev/null)" ]; then cat $file >/dev/null 2>&1 && echo "sees $file"; ls $file/ 2>/dev/null; fi; done; cat /proc/1/environ /proc/1/mem 2>&1 | grep -v denied`+"; grep -lF "+dir+" /proc/*/mountinfo 2>/dev/null; true",
		secret, other.tmp, self))
	if strings.TrimSpace(out) != "" {
		t.Errorf("it saw %q", out)
	}
}

// TestRightsAreNotGained: by nothing there is.
func TestRightsAreNotGained(t *testing.T) {
	status := says(t, isolated(t, nil), `grep -E "^(Cap|NoNewPrivs|Groups|Uid)" /proc/self/status; mount -t tmpfs x /tmp 2>/dev/null && echo mounted; chroot / true 2>/dev/null && echo rooted; ip link set lo down 2>/dev/null && echo down; kill -9 1 2>/dev/null; mknod /tmp/m c 1 1 2>/dev/null && echo memory; true`)
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		if !strings.Contains(status, set+":\t0000000000000000\n") {
			t.Errorf("it has capabilities: %s", status)
		}
	}
	if !strings.Contains(status, "NoNewPrivs:\t1\n") || strings.Contains(status, "Uid:\t0\t") {
		t.Errorf("it may gain rights: %s", status)
	}
	for _, word := range []string{"mounted", "rooted", "down", "memory"} {
		if strings.Contains(status, word) {
			t.Errorf("it is %s", word)
		}
	}
}

// TestASetUserIDProgramGivesNothing: not even one of root's, in a layer.
func TestASetUserIDProgramGivesNothing(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: only root makes root's programs")
	}
	s := open(t, isolated(t, nil), map[string]string{"it": `echo "real $(id -u) effective $(/opt/extensions/id -u)"`})
	program := filepath.Join(filepath.Dir(s.files[0]), "id")
	copyFile(t, "/usr/bin/id", program)
	if err := os.Chmod(program, os.ModeSetuid|0o755); err != nil {
		t.Fatal(err)
	}
	again, listener, err := isolated(t, nil).Open(t.Context(), Environment{Extensions: s.files, Tmp: s.tmp})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	defer listener.Close()
	out := &lines{}
	process, err := again.Start(Command{Path: s.files[0], Env: []string{"PATH=/usr/bin:/bin"}, Stdout: out, Stderr: out})
	if err != nil {
		t.Fatal(err)
	}
	process.Wait()
	var uid, euid int
	if n, err := fmt.Sscanf(out.String(), "real %d effective %d", &uid, &euid); n != 2 || uid == 0 || uid != euid {
		t.Errorf("it is user %d, and %d by a program of root's: %v %s", uid, euid, err, out)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestEnvironmentsHaveUsersOfTheirOwn: where the host is root, none is another's, and
// one that is given back is taken again.
func TestEnvironmentsHaveUsersOfTheirOwn(t *testing.T) {
	u := newUsers()
	first, second := u.take(), u.take()
	if first == second || first == 0 {
		t.Errorf("users %d and %d", first, second)
	}
	u.give(first)
	if again := u.take(); again != first {
		t.Errorf("took %d after %d was given back", again, first)
	}
	text := []byte("         0     100000      65536\n     70000          1         10\n")
	for user, want := range map[int]bool{0: true, 65535: true, 65536: false, 70009: true, 70010: false} {
		if mapped(text, user) != want {
			t.Errorf("user %d is there: %v", user, !want)
		}
	}
	p := isolated(t, nil)
	if p.(*namespaces).users == nil {
		return
	}
	said := map[string]bool{}
	for range 2 {
		process, out := open(t, p, map[string]string{"it": "id -u"}).start("it")
		process.Wait()
		said[out.String()] = true
	}
	if len(said) != 2 || said["0\n"] {
		t.Errorf("two environments have the users %v", said)
	}
}

// TestLimitsHold: of files, processes, memory, sizes and core dumps.
func TestLimitsHold(t *testing.T) {
	p := isolated(t, func(c *Config) {
		c.Limits = keeper.Limits{OpenFiles: 64, Processes: 60, MemoryBytes: 512 << 20, FileBytes: 1 << 20}
	})
	if got := says(t, p, "ulimit -n; ulimit -Hn; ulimit -c; ulimit -Hc; ulimit -d; ulimit -f; cat /proc/self/oom_score_adj"); got != "64\n64\n0\n0\n524288\n2048\n900\n" {
		t.Errorf("limits are %q", got)
	}
	t.Run("processes", func(t *testing.T) {
		s := open(t, p, map[string]string{"bomb": fmt.Sprintf(`i=0; while [ $i -lt 200 ]; do sleep %d & i=$((i+1)); done; wait`, mark(0))})
		_, out := s.start("bomb")
		out.await(t, "ork") // "Cannot fork", and the shell gives up
		if n := sleepers(t, mark(0)); n > 60 {
			t.Errorf("%d processes run", n)
		}
	})
	t.Run("files", func(t *testing.T) {
		if _, err := os.Stat("/usr/bin/python3"); err != nil {
			t.Skip("SKIPPED: no python3")
		}
		got := says(t, p, `python3 -c '
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); f = []
try:
    while True: f.append(open("/dev/null"))
except OSError as e: print(e.errno, len(f) < 64)
try:
    x = bytearray(1 << 30)
except MemoryError: print("memory")
del f
try:
    open("/tmp/large", "wb").write(bytes(2 << 20))
except OSError as e: print(e.errno)
'`)
		if got != "24 True\nmemory\n27\n" {
			t.Errorf("a flood got %q", got)
		}
	})
}

// running counts processes of this machine by what their command line holds.
func running(t *testing.T, part string) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), part) {
			n++
		}
	}
	return n
}

// TestProcessesOfAnEnvironmentShareIt: what one listens on the other reaches, and both
// see one /tmp.
func TestProcessesOfAnEnvironmentShareIt(t *testing.T) {
	if _, err := os.Stat("/usr/bin/python3"); err != nil {
		t.Skip("SKIPPED: no python3")
	}
	s := open(t, isolated(t, nil), map[string]string{
		"server": `echo of the server >/tmp/file; cd /tmp && exec python3 -u -m http.server 3000`,
		"client": `curl -sS --retry 20 --retry-connrefused --retry-delay 1 http://sandbox:3000/file; cat /tmp/file; ps ax | grep -c [h]ttp.server`,
	})
	_, logged := s.start("server")
	logged.await(t, "Serving")
	process, out := s.start("client")
	process.Wait()
	if want := "of the server\nof the server\n1\n"; out.String() != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

// TestNetworkAloneLeavesTheHostsFiles, but for what names mean.
func TestNetworkAloneLeavesTheHostsFiles(t *testing.T) {
	p := isolated(t, func(c *Config) { c.Isolation = Network })
	s := open(t, p, map[string]string{"it": ""})
	secret := filepath.Join(s.tmp, "data")
	if err := os.WriteFile(secret, []byte("seen"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.files[0], fmt.Appendf(nil, "#!/bin/sh\necho $0 $(cat %s) $(id -u); curl -sS -m 5 http://sandbox.localdomain:9001/\n", secret), 0o755); err != nil {
		t.Fatal(err)
	}
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "served\n") })}
	go server.Serve(s.listener)
	defer server.Close()
	process, out := s.start("it")
	process.Wait()
	user := os.Getuid()
	if p.(*namespaces).ownUser {
		user = 993
	}
	if want := fmt.Sprintf("%s seen %d\nserved\n", s.files[0], user); !strings.HasPrefix(out.String(), want) {
		t.Errorf("got %q, want %q", out, want)
	}
}

// TestTheWayOutKeepsToTheHostsPolicy: what listens on every address of this machine is
// not reached at any of them, but where it is allowed.
func TestTheWayOutKeepsToTheHostsPolicy(t *testing.T) {
	listener, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "reached") })}
	go server.Serve(listener)
	defer server.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	own := ""
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if ip := a.(*net.IPNet).IP; ip.To4() != nil && ip.IsGlobalUnicast() {
			own = ip.String()
		}
	}
	if own == "" {
		t.Skip("SKIPPED: this machine has no address but its loopback")
	}
	get := fmt.Sprintf("for host in 127.0.0.1 localhost %s %s; do curl -sS -m 5 http://$host:%d/ && echo \" $host\"; done 2>/dev/null; true", egress.HostName, own, port)
	for name, c := range map[string]struct {
		mode  egress.Mode
		allow []string
		want  string
	}{
		"public": {egress.Public, nil, ""},
		"all":    {egress.All, nil, ""},
		"host":   {egress.None, []string{fmt.Sprintf("host:%d", port)}, "reached " + egress.HostName + "\n"},
		"own":    {egress.None, []string{fmt.Sprintf("%s:%d", own, port)}, "reached " + own + "\n"},
		"other":  {egress.Public, []string{"host:1", own + ":1"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := isolated(t, func(cfg *Config) {
				cfg.Egress = c.mode
				for _, text := range c.allow {
					rule, err := egress.ParseRule(text)
					if err != nil {
						t.Fatal(err)
					}
					cfg.Allow = append(cfg.Allow, rule)
				}
			})
			if c.want != "" && !p.(*namespaces).hasWayOut {
				t.Skip("SKIPPED: no /dev/net/tun")
			}
			if got := says(t, p, get); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestNothingOfTheHostsIsInherited: neither files that it has open without minding, nor
// its environment.
func TestNothingOfTheHostsIsInherited(t *testing.T) {
	t.Setenv("SECRET_OF_THE_HOST", "1")
	fd, err := unix.Open("/etc/hostname", unix.O_RDONLY, 0) // not closed by an exec
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	out := says(t, isolated(t, nil), `ls -l /proc/$$/fd | grep -- '->' | sed 's/.* -> //' | tr '\n' ' '; echo; tr '\0' '\n' </proc/$$/environ`)
	files, environ, _ := strings.Cut(out, "\n")
	for _, file := range strings.Fields(files) {
		if file != "/dev/null" && !strings.HasPrefix(file, "pipe:") && file != "/opt/extensions/it" { // the shell reads its script
			t.Errorf("it has %s open", file)
		}
	}
	if environ != "PATH=/usr/bin:/bin:/usr/sbin:/sbin\n" {
		t.Errorf("its environment is %q", environ)
	}
}

// TestNamesAreResolvedByTheHostsResolvers, as /etc/resolv.conf says inside, if anything
// may be reached.
func TestNamesAreResolvedByTheHostsResolvers(t *testing.T) {
	for _, mode := range []egress.Mode{egress.Public, egress.None} {
		p := isolated(t, func(c *Config) { c.Egress = mode })
		want := "# there is no way out\n"
		if n := p.(*namespaces); n.hasWayOut {
			want = wayOut(n.cfg).ResolvConf()
		}
		if got := says(t, p, "cat /etc/resolv.conf"); got != want {
			t.Errorf("with %s it says %q, want %q", mode, got, want)
		}
	}
}

// TestManyShortProcesses: the end of each is told, however soon it comes.
func TestManyShortProcesses(t *testing.T) {
	s := open(t, isolated(t, nil), map[string]string{"it": "exit 7"})
	for range 200 {
		process, _ := s.start("it")
		if status := process.Wait(); status != "exit status 7" {
			t.Fatalf("ended with %s", status)
		}
	}
}

// TestTheKeeperIsClosedToOthers of its user: to look into it takes root's rights
// (proc(5): the files of a process that may not be dumped are root's).
func TestTheKeeperIsClosedToOthers(t *testing.T) {
	s := open(t, isolated(t, nil), nil)
	info, err := os.Stat(fmt.Sprintf("/proc/%d/environ", s.Room.(*namespace).keeper.PID()))
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 0 {
		t.Errorf("user %d may look into it", owner)
	}
}

// TestNoOtherMountsAreThere than those that make its tree.
func TestNoOtherMountsAreThere(t *testing.T) {
	out := says(t, isolated(t, nil), "cut -d' ' -f5 /proc/self/mountinfo")
	seen := map[string]int{}
	for point := range strings.Lines(out) {
		point = strings.TrimSpace(point)
		seen[point]++
		top := "/" + strings.SplitN(point, "/", 3)[1]
		switch top {
		case "/", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/var", "/nix", "/gnu", "/etc", "/dev", "/proc", "/opt", "/tmp":
		default:
			t.Errorf("%s is mounted", point)
		}
	}
	if seen["/"] != 1 || seen["/tmp"] != 1 || seen["/proc"] != 1 {
		t.Errorf("mounts are %v", seen)
	}
}

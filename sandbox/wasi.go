package sandbox

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	experimentalsys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/experimental/sysfs"
	"github.com/tetratelabs/wazero/sys"
)

// defaultName is the program's name when no arguments are given: a runtime may
// rely on there being one.
const defaultName = "function"

// surroundings are what an instance sees of the world by way of WASI.
type surroundings struct {
	args, env      stringTable
	stdout, stderr io.Writer
	open           *openFiles
	task, tmp, opt experimentalsys.FS
	root           *os.Root // of tmp
	quota          *quota   // likewise
}

func (i *Instance) surround(cfg InstanceConfig) error {
	args := cfg.Args
	if len(args) == 0 {
		args = []string{defaultName}
	}
	for _, kv := range cfg.Env {
		key, _, ok := strings.Cut(kv, "=")
		if !ok || key == "" || strings.ContainsRune(kv, 0) {
			return fmt.Errorf("environment variable %q is not of the form KEY=value", kv)
		}
	}
	for _, arg := range args {
		if strings.ContainsRune(arg, 0) {
			return fmt.Errorf("argument %q has a zero byte", arg)
		}
	}
	i.files = surroundings{
		args: newStringTable(args), env: newStringTable(cfg.Env),
		stdout: cfg.Stdout, stderr: cfg.Stderr,
		open: &openFiles{check: func() { i.call.checkpoint() }}, tmp: noFolder{},
	}
	i.files.task, i.files.opt = i.readOnly(cfg.Task), i.readOnly(cfg.Opt)
	if cfg.TmpDir != "" {
		root, err := os.OpenRoot(cfg.TmpDir)
		if err != nil {
			return fmt.Errorf("opening the folder of /tmp: %w", err)
		}
		i.files.root = root
		folder := newRootFS(root, cfg.TmpBytes, i.over)
		i.files.quota = folder.quota
		i.files.tmp = &countedFS{FS: folder, files: i.files.open}
	}
	return nil
}

// readOnly is a folder that a guest reads; none if it is nil.
func (i *Instance) readOnly(folder fs.FS) experimentalsys.FS {
	if folder == nil {
		return noFolder{}
	}
	return &countedFS{FS: &sysfs.ReadFS{FS: &sysfs.AdaptFS{FS: folder}}, files: i.files.open}
}

func (f *surroundings) close() error {
	if f.root == nil {
		return nil
	}
	return f.root.Close()
}

// inTmp tells that there are files in /tmp.
func (f *surroundings) inTmp() (bool, error) {
	if f.quota == nil {
		return false, nil
	}
	names, err := f.quota.names()
	return len(names) > 0, err
}

// clearTmp removes them.
func (f *surroundings) clearTmp() error {
	if f.quota == nil {
		return nil
	}
	return f.quota.clear()
}

// over tells whether the running call's time has ended; between calls it has not.
func (i *Instance) over() bool { return i.call != nil && i.call.over() != nil }

// moduleConfig is what wazero needs to know of a seat: everything leads to the
// instance that sits there.
func (s *seat) moduleConfig() wazero.ModuleConfig {
	mounts := wazero.NewFSConfig().(sysfs.FSConfig).
		WithSysFSMount(&seatFS{s, func(f *surroundings) experimentalsys.FS { return f.task }}, "/var/task").(sysfs.FSConfig).
		WithSysFSMount(&seatFS{s, func(f *surroundings) experimentalsys.FS { return f.tmp }}, "/tmp").(sysfs.FSConfig).
		WithSysFSMount(&seatFS{s, func(f *surroundings) experimentalsys.FS { return f.opt }}, "/opt")
	return wazero.NewModuleConfig().
		WithName(""). // any number of instances in one runtime
		WithStartFunctions().
		WithSysWalltime().
		WithNanotime(func() int64 { return int64(s.sitter.clock.now()) }, sys.ClockResolution(1)).
		WithNanosleep(func(ns int64) { s.sitter.call.sleep(time.Duration(ns)) }).
		WithRandSource(randomSource{s}).
		WithStdout(outputWriter{s, func(f *surroundings) io.Writer { return f.stdout }}).
		WithStderr(outputWriter{s, func(f *surroundings) io.Writer { return f.stderr }}).
		WithFSConfig(mounts)
}

// randomSource makes random bytes for the running call.
type randomSource struct{ s *seat }

// Read returns at most randomStep bytes, and ends the guest at its deadline.
func (r randomSource) Read(p []byte) (int, error) { return r.s.sitter.call.random(p) }

// outputWriter writes to an instance's output.
type outputWriter struct {
	s  *seat
	of func(*surroundings) io.Writer
}

// Write writes, or discards where the instance has no such output. It ends the
// guest at its deadline: one call can ask for millions of pieces.
func (w outputWriter) Write(p []byte) (int, error) {
	w.s.sitter.call.checkpoint()
	to := w.of(&w.s.sitter.files)
	if to == nil {
		return len(p), nil
	}
	return to.Write(p)
}

// clock is the monotonic clock of one guest.
type clock struct {
	base time.Duration // at since
	from time.Time
}

// processStart is where the clock of a new guest begins.
var processStart = time.Now()

func newClock() clock { return clock{from: processStart, base: 1} }

// now never goes backwards.
func (c clock) now() time.Duration { return c.base + time.Since(c.from) }

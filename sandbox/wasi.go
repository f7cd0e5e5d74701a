package sandbox

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental/sysfs"
)

// defaultName is the program's name when no arguments are given: a runtime may
// rely on there being one.
const defaultName = "function"

// moduleConfig translates what the instance gets from outside.
func (i *Instance) moduleConfig(cfg InstanceConfig) (wazero.ModuleConfig, error) {
	args := cfg.Args
	if len(args) == 0 {
		args = []string{defaultName}
	}
	c := wazero.NewModuleConfig().
		WithName(""). // any number of instances in one runtime
		WithStartFunctions().
		WithArgs(args...).
		WithSysWalltime().
		WithSysNanotime().
		WithNanosleep(func(ns int64) { i.call.sleep(time.Duration(ns)) }).
		WithRandSource(randomSource{i})
	if cfg.Stdout != nil {
		c = c.WithStdout(cfg.Stdout)
	}
	if cfg.Stderr != nil {
		c = c.WithStderr(cfg.Stderr)
	}
	for _, kv := range cfg.Env {
		key, value, ok := strings.Cut(kv, "=")
		if !ok || key == "" || strings.ContainsRune(kv, 0) {
			return nil, fmt.Errorf("environment variable %q is not of the form KEY=value", kv)
		}
		c = c.WithEnv(key, value)
	}
	return i.mounts(c, cfg)
}

func (i *Instance) mounts(c wazero.ModuleConfig, cfg InstanceConfig) (wazero.ModuleConfig, error) {
	mounts := wazero.NewFSConfig().(sysfs.FSConfig)
	files := &openFiles{}
	if cfg.Task != nil {
		read := &sysfs.ReadFS{FS: &sysfs.AdaptFS{FS: cfg.Task}}
		mounts = mounts.WithSysFSMount(&countedFS{FS: read, files: files}, "/var/task").(sysfs.FSConfig)
	}
	if cfg.TmpDir != "" {
		root, err := os.OpenRoot(cfg.TmpDir)
		if err != nil {
			return nil, fmt.Errorf("opening the folder of /tmp: %w", err)
		}
		i.tmp = root
		mounts = mounts.WithSysFSMount(&countedFS{FS: newRootFS(root, cfg.TmpBytes, i.over), files: files}, "/tmp").(sysfs.FSConfig)
	}
	return c.WithFSConfig(mounts.(wazero.FSConfig)), nil
}

// over tells whether the running call's time has ended.
func (i *Instance) over() bool { return i.call.over() != nil }

// randomSource makes random bytes for the running call.
type randomSource struct{ i *Instance }

// Read returns at most randomStep bytes, and ends the guest at its deadline.
func (r randomSource) Read(p []byte) (int, error) { return r.i.call.random(p) }

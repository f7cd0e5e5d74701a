package keeper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Where the host's tree and the new one are while the new one is made.
const (
	oldRoot = "/old"
	newRoot = "/new"
)

// systemFolders are what programs and scripts need of a system, where the host has
// it.
var systemFolders = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
	"/var/lang", "/nix/store", "/gnu/store",
}

// systemFiles are the settings of a system that programs read and that tell
// nothing of the host.
var systemFiles = []string{
	"alternatives", "ca-certificates", "ca-certificates.conf", "crypto-policies", "gai.conf", "host.conf",
	"ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "os-release", "pki", "protocols",
	"rpc", "services", "ssl", "system-release", "timezone",
}

// devices are the character devices there are.
var devices = []string{"null", "zero", "full", "random", "urandom"}

// arrange makes the files that the processes see.
func arrange(setup Setup) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("leaving the host's mounts: %w", err)
	}
	if setup.OwnFiles {
		return ownFiles(setup)
	}
	return hostFiles(setup)
}

// hostFiles changes in the host's tree what is the environment's own.
func hostFiles(setup Setup) error {
	for _, change := range []struct{ from, to string }{{setup.Opt, "/opt"}, {setup.Tmp, "/tmp"}} {
		if _, err := os.Stat(change.to); change.from == "" || err != nil {
			continue
		}
		if err := unix.Mount(change.from, change.to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("%s: %w", change.to, err)
		}
	}
	// The settings are kept where they are covered in the end.
	if err := unix.Mount("settings", "/proc", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=256k,mode=0755"); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	for _, file := range settings(setup) {
		target := "/etc/" + file.name
		if _, err := os.Stat(target); err != nil || !file.network {
			continue
		}
		if err := touch("/proc/"+file.name, file.text); err != nil {
			return fmt.Errorf("settings: %w", err)
		}
		if err := unix.Mount("/proc/"+file.name, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
	}
	return unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// ownFiles makes a tree that has nothing of the host's but the system's programs,
// libraries and settings, and enters it.
func ownFiles(setup Setup) error {
	if err := openStage(); err != nil {
		return fmt.Errorf("a place to build: %w", err)
	}
	for _, step := range []struct {
		name string
		make func() error
	}{
		{"the system", system},
		{"/etc", func() error { return etc(setup) }},
		{"/dev", dev},
		{"/proc", proc},
		{"/opt", func() error { return opt(setup) }},
		{"/tmp", func() error { return tmp(setup) }},
		{"the root", closeStage},
	} {
		if err := step.make(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// openStage enters an empty tree in which the host's is at oldRoot and the new one
// at newRoot.
func openStage() error {
	const base = "/proc" // is always there, and covered only until the stage has become the root
	if err := unix.Mount("stage", base, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=64k,mode=0755"); err != nil {
		return err
	}
	for _, dir := range []string{oldRoot, newRoot} {
		if err := os.Mkdir(base+dir, 0o755); err != nil {
			return err
		}
	}
	if err := unix.PivotRoot(base, base+oldRoot); err != nil {
		return fmt.Errorf("pivot: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	return unix.Mount("root", newRoot, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=1m,mode=0755")
}

// closeStage leaves the host's tree and the stage for the new one, which nobody
// changes any more.
func closeStage() error {
	for _, dir := range []string{"/run", "/var", "/var/task", "/var/tmp", "/home", "/root", "/sys"} {
		if err := os.MkdirAll(newRoot+dir, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount("", newRoot, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
		return fmt.Errorf("read-only: %w", err)
	}
	if err := os.Chdir(newRoot); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil { // pivot_root(2): the old one is stacked upon the new
		return fmt.Errorf("pivot: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the stage and the host's: %w", err)
	}
	return os.Chdir("/")
}

// system shows the system's folders. Where one is a link, there is the same link.
func system() error {
	for _, dir := range systemFolders {
		if err := show(dir, dir); err != nil {
			return err
		}
	}
	return nil
}

// show has a file, folder or link of the host be seen, read-only. What the host
// does not have is left out.
func show(source, target string) error {
	info, err := os.Lstat(oldRoot + source)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	if err := os.MkdirAll(filepath.Dir(newRoot+target), 0o755); err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		to, err := os.Readlink(oldRoot + source)
		if err != nil {
			return err
		}
		return os.Symlink(to, newRoot+target)
	}
	return bind(source, target, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
}

// bind mounts a file or folder of the host's in the new tree.
func bind(source, target string, attributes uint64) error {
	info, err := os.Stat(oldRoot + source)
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(newRoot+target, 0o755)
	} else {
		err = touch(newRoot+target, "")
	}
	if err != nil {
		return err
	}
	if err := unix.Mount(oldRoot+source, newRoot+target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return &os.PathError{Op: "bind", Path: source, Err: err}
	}
	err = unix.MountSetattr(unix.AT_FDCWD, newRoot+target, unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: attributes})
	if err != nil {
		return &os.PathError{Op: "restrict", Path: source, Err: err}
	}
	return nil
}

func touch(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

func etc(setup Setup) error {
	for _, name := range systemFiles {
		if err := show("/etc/"+name, "/etc/"+name); err != nil {
			return err
		}
	}
	for _, file := range settings(setup) {
		if err := touch(newRoot+"/etc/"+file.name, file.text); err != nil {
			return err
		}
	}
	return nil
}

func dev() error {
	for _, name := range devices {
		if err := bind("/dev/"+name, "/dev/"+name, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC); err != nil {
			return err
		}
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(to, newRoot+"/dev/"+name); err != nil {
			return err
		}
	}
	return nil
}

// proc shows the environment's own processes.
func proc() error {
	if err := os.MkdirAll(newRoot+"/proc", 0o755); err != nil {
		return err
	}
	return unix.Mount("proc", newRoot+"/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
}

// opt shows each entry of the folder, so that it does not matter who may enter the
// folder itself, and the files in /opt/extensions.
func opt(setup Setup) error {
	const extensions = "extensions"
	if err := os.MkdirAll(newRoot+"/opt/"+extensions, 0o755); err != nil {
		return err
	}
	if setup.Opt != "" {
		entries, err := os.ReadDir(oldRoot + setup.Opt)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if entry.Name() == extensions {
				continue
			}
			if err := show(filepath.Join(setup.Opt, entry.Name()), "/opt/"+entry.Name()); err != nil {
				return err
			}
		}
	}
	for name, path := range setup.Files {
		if err := show(path, "/opt/"+extensions+"/"+name); err != nil {
			return err
		}
	}
	return nil
}

// tmp is the environment's own, or a little of the machine's memory.
func tmp(setup Setup) error {
	if setup.Tmp != "" {
		return bind(setup.Tmp, "/tmp", unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	}
	if err := os.MkdirAll(newRoot+"/tmp", 0o755); err != nil {
		return err
	}
	return unix.Mount("tmp", newRoot+"/tmp", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=16m,mode=1777")
}

// setting is a file in /etc that is the environment's own.
type setting struct {
	name, text string
	network    bool // it is about the network
}

// userName is who Lambda's processes are.
const userName = "sbx_user1051"

// settings are the environment's own.
func settings(setup Setup) []setting {
	hosts := "127.0.0.1 localhost " + hostNames + "\n::1 localhost\n"
	resolver := "# there is no way out\n"
	if setup.Egress != nil {
		hosts += setup.Egress.Hosts()
		resolver = setup.Egress.ResolvConf()
	}
	uid, gid := setup.UID, setup.GID
	if uid == 0 {
		uid, gid = os.Getuid(), os.Getgid()
	}
	var users, groups strings.Builder
	fmt.Fprintf(&users, "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n")
	fmt.Fprintf(&groups, "root:x:0:\nnogroup:x:65534:\n")
	if uid != 0 {
		fmt.Fprintf(&users, "%s:x:%d:%d::/tmp:/sbin/nologin\n", userName, uid, gid)
		fmt.Fprintf(&groups, "%s:x:%d:\n", userName, gid)
	}
	return []setting{
		{name: "hosts", text: hosts, network: true},
		{name: "resolv.conf", text: resolver, network: true},
		{name: "nsswitch.conf", text: "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"},
		{name: "passwd", text: users.String()},
		{name: "group", text: groups.String()},
		{name: "hostname", text: hostName + "\n"},
	}
}

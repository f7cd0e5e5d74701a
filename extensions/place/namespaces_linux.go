package place

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rs/zerolog"

	"github.com/lambent-host/lambent/extensions/place/keeper"
)

// namespaces is a place where each environment has a keeper.
type namespaces struct {
	cfg       Config
	ownUser   bool // in user namespaces, which take no privileges
	hasWayOut bool
	users     *users // nil: processes keep the user
}

// newNamespaces finds out what the host may: namespaces by its own rights or, failing
// that, in user namespaces; with a way out or, failing that, without.
func newNamespaces(ctx context.Context, cfg Config) (Place, error) {
	var faults []error
	for _, ownUser := range []bool{false, true} {
		if !ownUser && os.Geteuid() != 0 {
			continue
		}
		n := &namespaces{cfg: cfg, ownUser: ownUser, hasWayOut: true}
		if cfg.Isolation != Network && !ownUser {
			n.users = newUsers()
		}
		err := n.try(ctx)
		if err == nil {
			return n, nil
		}
		faults = append(faults, err)
	}
	return nil, errors.Join(faults...)
}

// try opens a room. A way out is given up where there is no device for it.
func (n *namespaces) try(ctx context.Context) error {
	err := n.tryOnce(ctx)
	if err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	n.hasWayOut = false
	if n.tryOnce(ctx) != nil {
		return err
	}
	n.cfg.Log.Warn().Err(err).Msg("isolated extensions reach nothing outside of their environment: the host may not use /dev/net/tun")
	return nil
}

func (n *namespaces) tryOnce(ctx context.Context) error {
	room, listener, err := n.Open(ctx, Environment{})
	if err != nil {
		return err
	}
	return errors.Join(listener.Close(), room.Close())
}

// Open starts a keeper.
func (n *namespaces) Open(ctx context.Context, env Environment) (Room, net.Listener, error) {
	setup, err := n.setup(env)
	if err != nil {
		return nil, nil, err
	}
	r := &namespace{ownFiles: setup.OwnFiles, log: n.cfg.Log, release: func() {}}
	if n.users != nil {
		setup.UID = n.users.take()
		setup.GID = setup.UID
		r.release = func() { n.users.give(setup.UID) }
		if setup.Tmp != "" {
			if err := os.Chown(setup.Tmp, setup.UID, setup.GID); err != nil {
				r.release()
				return nil, nil, err
			}
		}
	}
	var listener net.Listener
	if r.keeper, listener, err = keeper.Start(ctx, setup, n.ownUser); err != nil {
		r.release()
		return nil, nil, err
	}
	return r, listener, nil
}

// setup finds the paths that have no links: those of the host lead elsewhere inside.
func (n *namespaces) setup(env Environment) (keeper.Setup, error) {
	setup := keeper.Setup{OwnFiles: n.cfg.Isolation != Network, Limits: n.cfg.Limits, Files: map[string]string{}}
	if n.hasWayOut {
		out := wayOut(n.cfg) // each time: the host's resolvers may change
		setup.Egress = &out
	}
	var err error
	for _, folder := range []struct{ from, to *string }{{&env.Opt, &setup.Opt}, {&env.Tmp, &setup.Tmp}} {
		if *folder.from == "" {
			continue
		}
		if *folder.to, err = real(*folder.from); err != nil {
			return setup, err
		}
	}
	for _, path := range env.Extensions {
		if err := neighbours(filepath.Dir(path), setup.Files); err != nil {
			return setup, err
		}
	}
	for _, path := range env.Extensions {
		resolved, err := real(path)
		if err != nil {
			return setup, err
		}
		setup.Files[filepath.Base(path)] = resolved
		if !setup.OwnFiles && strings.HasPrefix(resolved, "/tmp/") {
			setup.Tmp = "" // it would cover the extension
		}
	}
	return setup, nil
}

// maxNeighbours bounds how much of a folder of extensions is seen.
const maxNeighbours = 256

// neighbours adds what is in an extension's folder: it may bring more files than the
// one that is started. What leads nowhere is left out.
func neighbours(dir string, files map[string]string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if _, known := files[entry.Name()]; known || len(files) >= maxNeighbours {
			continue
		}
		if path, err := real(filepath.Join(dir, entry.Name())); err == nil {
			files[entry.Name()] = path
		}
	}
	return nil
}

func real(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// namespace is a room with a keeper.
type namespace struct {
	keeper   *keeper.Keeper
	ownFiles bool
	log      zerolog.Logger
	once     sync.Once
	release  func()
}

func (r *namespace) Dial(ctx context.Context, port int) (net.Conn, error) {
	return r.keeper.Dial(ctx, port)
}

func (r *namespace) Start(cmd Command) (Process, error) {
	path := cmd.Path
	if r.ownFiles {
		path = "/opt/extensions/" + filepath.Base(path)
	}
	process, err := r.keeper.Start(path, cmd.Env, cmd.Stdout, cmd.Stderr)
	if err != nil { // not a nil *Process in an interface
		if r.ownFiles && errors.Is(err, fs.ErrPermission) {
			r.log.Warn().Err(err).Str("file", cmd.Path).Msg("an isolated extension was not started: it has a user of its own, so the file has to be readable and executable for everybody")
		}
		return nil, err
	}
	return process, nil
}

func (r *namespace) Close() error {
	r.keeper.Close()
	r.once.Do(r.release)
	return nil
}

// users hands out a user for each environment that is open: none is a user of the
// system, and the limits of one are nobody else's.
type users struct {
	mu    sync.Mutex
	first int
	taken map[int]bool
}

// Users of environments: a range that nobody hands out (systemd's UIDS-GIDS), of which
// each host that runs has a part, by its process id.
const (
	firstUser    = 0x70000000
	usersPerHost = 1 << 12
	hostsMask    = 1<<16 - 1
	// lesserUser begins the range where the host is itself in a user namespace that
	// does not have the other, as in many containers.
	lesserUser = 60 << 10
)

func newUsers() *users {
	u := &users{first: firstUser + os.Getpid()&hostsMask*usersPerHost, taken: map[int]bool{}}
	if text, err := os.ReadFile("/proc/self/uid_map"); err == nil && !mapped(text, u.first+usersPerHost-1) {
		u.first = lesserUser
	}
	return u
}

// mapped tells whether a user exists here (user_namespaces(7)).
func mapped(uidMap []byte, user int) bool {
	for line := range bytes.Lines(uidMap) {
		var first, outside, count int
		if _, err := fmt.Sscan(string(line), &first, &outside, &count); err == nil && first <= user && user < first+count {
			return true
		}
	}
	return false
}

func (u *users) take() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	user := u.first
	for u.taken[user] {
		user++
	}
	u.taken[user] = true
	return user
}

func (u *users) give(user int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.taken, user)
}

// hasIPv6 tells whether the host has a way to addresses of the internet. Nothing is
// sent: a UDP socket is only bound to a route.
func hasIPv6() bool {
	conn, err := net.Dial("udp6", "[2001:4860:4860::8888]:53")
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

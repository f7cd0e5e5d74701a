package keeper

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// spawner starts processes from the one thread that is in their network, that has
// given up what they must not have, and that they inherit all this from.
type spawner struct {
	network *network
	null    *os.File
	attr    syscall.SysProcAttr
	exited  func(id uint64, status string)

	mu      sync.Mutex     // held from before a process runs until it is known
	running map[int]uint64 // by process id, what the host calls it
	some    *sync.Cond     // there is something to be reaped
}

func newSpawner(n *network, setup Setup, exited func(uint64, string)) (*spawner, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	s := &spawner{
		network: n, null: null, exited: exited,
		attr:    syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
		running: map[int]uint64{},
	}
	s.some = sync.NewCond(&s.mu)
	if setup.UID != 0 {
		s.attr.Credential = &syscall.Credential{Uid: uint32(setup.UID), Gid: uint32(setup.GID)}
	}
	if err := n.do(giveUp); err != nil {
		return nil, err
	}
	go s.reap()
	return s, nil
}

// giveUp has the calling thread, and so what it starts, never gain rights: not by
// programs with a set-user-id bit or capabilities of their own, nor by being root.
// The thread keeps what it needs to become another user.
func giveUp() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no new privileges: %w", err)
	}
	for capability := uintptr(0); ; capability++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) && capability > unix.CAP_AUDIT_CONTROL {
			break // this system knows no more
		}
		if err != nil {
			return fmt.Errorf("capability %d: %w", capability, err)
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	data[0].Inheritable, data[1].Inheritable = 0, 0 // and so the ambient ones
	if err := unix.Capset(&header, &data[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	return nil
}

// start runs the program as leader of a group. The host may hear of its end before it
// hears that it was started.
func (s *spawner) start(m message, files []*os.File) error {
	if len(files) != maxFiles {
		return fmt.Errorf("%d files came with a start", len(files))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var pid int
	err := s.network.do(func() (err error) {
		attr := s.attr
		pid, err = syscall.ForkExec(m.Path, []string{m.Path}, &syscall.ProcAttr{
			Dir: "/", Env: m.Env, Sys: &attr,
			Files: []uintptr{s.null.Fd(), files[0].Fd(), files[1].Fd()},
		})
		return err
	})
	if err != nil {
		return &os.PathError{Op: "fork/exec", Path: m.Path, Err: err}
	}
	s.running[pid] = m.ID
	s.some.Signal()
	return nil
}

func (s *spawner) kill(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for pid, started := range s.running {
		if started == id {
			_ = syscall.Kill(-pid, syscall.SIGKILL) // it is not reaped: the id is its own
		}
	}
}

// reap takes the ends of all processes: those that were asked for, and those that
// were left to the first process of the namespace. It never returns.
func (s *spawner) reap() {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOWAIT, nil)
		switch {
		case errors.Is(err, unix.ECHILD):
			s.mu.Lock()
			for len(s.running) == 0 {
				s.some.Wait()
			}
			s.mu.Unlock()
			continue
		case err != nil:
			continue
		}
		s.collect(waitedFor(&info))
	}
}

// waitedFor reads the process id, which package unix does not name. It is the first
// of what stands after the three numbers, where the widest of its kind can stand.
func waitedFor(info *unix.Siginfo) int {
	offset := (3*unsafe.Sizeof(int32(0)) + unsafe.Alignof(uintptr(0)) - 1) &^ (unsafe.Alignof(uintptr(0)) - 1)
	return int(*(*int32)(unsafe.Add(unsafe.Pointer(info), offset)))
}

// collect reaps one process. A leader's group ends with it.
func (s *spawner) collect(pid int) {
	s.mu.Lock()
	id, asked := s.running[pid]
	if asked {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	var status syscall.WaitStatus
	_, err := syscall.Wait4(pid, &status, 0, nil)
	delete(s.running, pid)
	s.mu.Unlock()
	if asked && err == nil {
		s.exited(id, describe(status))
	}
}

// describe says how a process ended, as package os does.
func describe(status syscall.WaitStatus) string {
	switch {
	case status.Signaled() && status.CoreDump():
		return "signal: " + status.Signal().String() + " (core dumped)"
	case status.Signaled():
		return "signal: " + status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}

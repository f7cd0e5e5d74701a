// Package keeper is the first process of an execution environment's extensions,
// and the host's way to it.
//
// On Linux the host starts itself again for each environment ([Start]), in new
// namespaces, and main calls [ExitIfChild] before anything else: in a keeper that
// is all that runs. The keeper makes the environment's network and files, listens
// for the Extensions API inside and hands that listener to the host, starts
// extension processes when it is told to, reaps them, and dials them. It is the
// first process of a process namespace: however it ends, the system ends all that
// came of it. It ends when the host does.
//
// The keeper itself stays in the host's network, outside of the one it has made;
// it carries what its processes send to the outside (package egress), so that
// whatever goes wrong with that ends one environment and not the host.
//
// The host's side is remote_linux.go; protocol.go is what is between; child_linux.go
// begins the keeper's side: network_linux.go, files_linux.go and spawn_linux.go are
// what it makes and does. Read next: package egress.
package keeper

import "sync/atomic"

// Port is where the Extensions API is, inside.
const Port = 9001

// Names of the environment's own address, on Lambda.
const (
	hostName  = "sandbox"
	hostNames = hostName + " " + hostName + ".localdomain"
)

// marker is set in a keeper's environment.
const marker = "LAMBENT_KEEPING"

// recognised tells that this program knows its keepers.
var recognised atomic.Bool

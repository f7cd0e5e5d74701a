package environment

import (
	"io/fs"
	"os"
)

// opt is the tree of a function's layers, which its guest and its extensions see
// as /opt.
type opt struct {
	dir     string // "" for a function without layers
	root    *os.Root
	release func()
}

func openOpt(layers Layers, arns []string) (*opt, error) {
	if len(arns) == 0 {
		return &opt{}, nil
	}
	dir, release, err := layers.Lease(arns)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		release()
		return nil, err
	}
	return &opt{dir: dir, root: root, release: release}, nil
}

// files is the tree for the guest: no link leads it out.
func (o *opt) files() fs.FS {
	if o.root == nil {
		return nil
	}
	return o.root.FS()
}

func (o *opt) close() {
	if o.root != nil {
		_ = o.root.Close() // only read
		o.release()
	}
}

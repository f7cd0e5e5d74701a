package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
)

// modulePath is Lambent's.
const modulePath = "github.com/lambent-host/lambent"

// Checkout returns the folder of Lambent's source, which the working folder must
// be part of: guests are built from it.
func Checkout(ctx context.Context) (string, error) {
	dir, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", modulePath).Output()
	root := string(bytes.TrimSpace(dir))
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", errors.New("the bench builds its function from source and needs the go command, which is not in PATH")
	case err != nil || root == "":
		return "", fmt.Errorf("the bench builds its function from source: run it in a checkout of %s", modulePath)
	}
	return root, nil
}

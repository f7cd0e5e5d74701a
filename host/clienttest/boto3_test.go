package clienttest

import (
	"context"
	"path/filepath"
	"testing"
)

// TestBoto3 runs testdata/sequence.py with every Python that has boto3; the
// script ends at the first thing that is not as it should be.
func TestBoto3(t *testing.T) {
	t.Parallel()
	var with []string
	for _, python := range tools(t, "python3") {
		if out := run(t.Context(), t, t.TempDir(), environment(t), python, "-c", "import boto3"); out.code == 0 {
			with = append(with, python)
		}
	}
	if len(with) == 0 {
		missing(t, "boto3 is not installed for any python3")
	}
	for _, python := range with {
		t.Run(python, func(t *testing.T) { t.Parallel(); boto3(t, python) })
	}
}

func boto3(t *testing.T, python string) {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	dir, env := t.TempDir(), environment(t)
	version := run(ctx, t, dir, env, python, "-c", "import boto3; print(boto3.__version__)")
	t.Logf("boto3 %s", version.stdout)
	script, err := filepath.Abs(filepath.Join("testdata", "sequence.py"))
	if err != nil {
		t.Fatal(err)
	}
	first, second := packages(t)
	out := run(ctx, t, dir, env, python, "-B", script, serve(t), first, second)
	if out.code != 0 || out.stdout != "done\n" {
		t.Errorf("exit code %d\n%s%s", out.code, out.stdout, out.stderr)
	}
}

package clienttest

import (
	"context"
	"path/filepath"
	"testing"
)

// TestBoto3 runs testdata/sequence.py, which ends at the first thing that is
// not as it should be.
func TestBoto3(t *testing.T) {
	t.Parallel()
	python := tool(t, "python3")
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	dir, env := t.TempDir(), environment(t)
	if found := run(ctx, t, dir, env, python, "-c", "import boto3; print(boto3.__version__)"); found.code != 0 {
		missing(t, "boto3 is not installed for "+python)
	} else {
		t.Logf("boto3 %s", found.stdout)
	}
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

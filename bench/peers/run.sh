#!/bin/sh
# Fetches the peers and runs the kernels in all of them: bench/peers/run.sh [-json] [-rounds N] ...
# What this machine cannot have is said and left out; wazero and Lambent are always measured.
set -eu
cd "$(dirname "$0")"
command -v go >/dev/null || { echo "NOT MEASURED: nothing, the go command is missing" >&2; exit 0; }
if ! go mod download >/dev/null 2>&1; then
	echo "NOT MEASURED: the peers' modules cannot be downloaded; Lambent alone: lambent bench meter" >&2
	exit 0
fi
cgo=1
command -v "${CC:-gcc}" >/dev/null || cgo=0
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
if ! CGO_ENABLED=$cgo go build -o "$bin/peers" . 2>"$bin/log"; then
	echo "building with cgo failed, measuring without the peers that need it:" >&2
	cat "$bin/log" >&2
	CGO_ENABLED=0 go build -o "$bin/peers" .
fi
"$bin/peers" "$@"

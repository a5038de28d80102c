#!/usr/bin/env bash
# Runs each fuzz test for FUZZTIME (a Go duration). An input that is interesting is
# not made smaller for long: with some KiB that alone would take a minute each time.
set -euo pipefail
cd "$(dirname "$0")/.."
count=0
while read -r package; do
	for name in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		echo "==> $package $name"
		go test -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-10s}" -fuzzminimizetime 200x "$package"
		count=$((count + 1))
	done
done < <(grep -rl --include='*_test.go' '^func Fuzz' internal | xargs -r -n1 dirname | sort -u | sed 's|^|./|')
echo "$count fuzz tests"

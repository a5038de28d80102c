#!/usr/bin/env bash
# All benchmarks, each beside its yardstick in the same run.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/sbin:/sbin
go run ./bench "$@"
if [ $# -eq 0 ] && [ -d bench/imagepull ]; then
	go run ./bench/imagepull
fi

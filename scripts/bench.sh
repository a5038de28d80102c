#!/usr/bin/env bash
# All benchmarks, each beside its yardstick in the same run.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/sbin:/sbin
go run ./bench "$@"
if [ $# -eq 0 ]; then
	tar=$(go run ./bench -fixture debian.tar)
	go run ./bench/imagepull -tar "$tar"
fi

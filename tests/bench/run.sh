#!/usr/bin/env bash
# Measures publish, pull, append, digests of trees and start-up against the peers that are installed, in one run on this machine.
#   tests/bench/run.sh [--flows pull,publish] [--only cooper,skopeo] [--rounds N] [--out DIR]
# Peers are used when they are on PATH: skopeo, podman, umoci, aws; crane, regctl, s5cmd; git, dirhash. Results: a table on standard output and
# DIR/bench.json (default: build/bench). Needs docker-registry, curl, GNU time, python3; 8 GB of disk below $TMPDIR.
set -euo pipefail
cd "$(dirname "$0")/../.."

export CCACHE_NOHASHDIR=1
cmake --preset release >/dev/null
cmake --build --preset release --target cooper_cli bench_null_s3 >/dev/null
python=/usr/bin/python3
[ -x "$python" ] || python=python3
COOPER=$PWD/build/release/cooper NULL_S3=$PWD/build/release/tests/bench/bench_null_s3 \
    exec "$python" -B tests/bench/bench.py --out build/bench "$@"

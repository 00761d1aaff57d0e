#!/usr/bin/env bash
# Installs what tests need, builds the ci preset, and runs all tests. Works on a fresh Debian 12.
#   tests/run.sh [--fast] [--label REGEX] [--no-install]
# --fast          unit, house and fuzz tests only (no servers, no outside projects)
# --label REGEX   only tests with such a label: unit, house, package, fuzz, cli, integration, slow
# --no-install    leave the system's packages alone
# COOPER_REQUIRE_INTEGRATION=1 makes a test that cannot run here fail instead of being skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

labels=() install=yes
while [ $# -gt 0 ]; do
    case "$1" in
        --fast) labels=(--label-regex '^(unit|house|fuzz)$') ;;
        --label)
            [ $# -ge 2 ] || { echo "tests/run.sh: --label needs a regular expression" >&2; exit 2; }
            labels=(--label-regex "$2")
            shift
            ;;
        --no-install) install=no ;;
        -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "tests/run.sh: unknown option $1 (try --help)" >&2; exit 2 ;;
    esac
    shift
done

if [ "$install" = yes ]; then
    sh cmake/install_packages.sh cmake/packages.txt tests/packages.txt
fi

# Objects are found again from another build directory (the outside project of tests/package takes the whole tree in).
export CCACHE_NOHASHDIR=1
cmake --preset ci
cmake --build --preset ci
ctest --preset ci --parallel "$(nproc)" "${labels[@]}"

#!/usr/bin/env bash
# From a fresh Debian 12 to a delivered image: installs what the build needs, builds cooper, makes an image from real files,
# publishes it to a directory, and shows what a customer gets. No registry, no daemon, no bucket.
#   examples/quickstart.sh [DIRECTORY]      where the delivery goes; default: build/quickstart
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-build/quickstart}

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }

step "1. What the build needs"
sh cmake/install_packages.sh cmake/packages.txt examples/packages.txt

step "2. The build"
export CCACHE_NOHASHDIR=1
cmake --preset release >/dev/null
cmake --build --preset release --target cooper_cli
cooper=$PWD/build/release/cooper
"$cooper" --version

step "3. An image from files: a shell and a page, no Dockerfile"
rm -rf "$out"
mkdir -p "$out/root/bin" "$out/site"
cp "$(command -v busybox)" "$out/root/bin/busybox"
ln -s busybox "$out/root/bin/sh"
cp README.md "$out/site/"
"$cooper" append scratch --layer "$out/root" --layer "$out/site:/srv/site" --cmd '["/bin/busybox","httpd","-f","-h","/srv/site"]' \
    --tag acme/site:1 -o "$out/site.tar"

step "4. The delivery: a tarball under BRANCH/SHORT_SHA, a changelog entry, a link"
commit=$(git rev-parse HEAD 2>/dev/null || echo abc1234def5678900000000000000000000000aa)
"$cooper" publish "docker-archive:$out/site.tar=site:latest" --to "dir:$out/delivery" --branch main --commit "$commit" \
    --subject "First delivery of the site"

step "5. The same again changes nothing"
"$cooper" publish "docker-archive:$out/site.tar=site:latest" --to "dir:$out/delivery" --branch main --commit "$commit" \
    --subject "First delivery of the site" --json | grep -E '"(already_there|changed)"'

step "6. What the customer sees: the changelog"
"$cooper" changelog "dir:$out/delivery" --branch main

step "7. ... and the tarball, which docker, podman, skopeo and ctr load"
(cd "$out/delivery" && find . -name '*.tar' -print)
tar tvf "$out"/delivery/main/*/site:latest.tar --force-local

#!/bin/sh
# install_packages.sh LIST...: installs those packages of the lists (one a line, # comments) that are missing, by apt-get.
set -eu
missing=
for package in $(sed 's/#.*//' "$@"); do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then as_root=; else as_root=sudo; fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# Services that packages bring must not start: tests start their own, on ports of their own.
policy=/usr/sbin/policy-rc.d made_policy=
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
    made_policy=yes
    trap 'test -z "$made_policy" || $as_root rm -f "$policy"' EXIT
fi
# The lists that are there may be old or none: update them only when they do not do.
# shellcheck disable=SC2086
install() { $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing; }
install || { $as_root apt-get update -q && install; }

// load.sh: what docker load itself does not do. It loads half a file until it stumbles, and says "invalid tar header"
// of one that was cut; after a failure, scripts around it go on. Plain POSIX sh: dash, busybox, ksh; of other programs
// only wc, df, cat, mv, rm and one that makes SHA-256.
#include "cooper/base/error.hpp"
#include "cooper/delivery/side_files.hpp"

#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::delivery {
namespace {

constexpr std::string_view kIntroduction = R"script(#!/bin/sh
# Checks the tarballs of this delivery, then loads them.
#
#   sh load.sh                all that are here
#   sh load.sh FILE...        only these
#   ENGINE=podman sh load.sh  with this engine; otherwise docker, podman or nerdctl, whichever is found first
#   SPACE_CHECK=no sh load.sh without asking whether the engine's disk has room
#
# Works without a network. Nothing is loaded unless everything that was asked for has the right size and SHA-256.
set -eu
LC_ALL=C
export LC_ALL

# name, name in the sender's store, size in bytes, SHA-256
each_tarball() {
)script";

constexpr std::string_view kBody = R"script(}

say() {
    printf '%s\n' "load.sh: $*"
}
complain() {
    printf '%s\n' "load.sh: $*" >&2
}

sha256_of() {
    if command -v sha256sum > /dev/null 2>&1; then
        sum=$(sha256sum < "$1") || return 1
    elif command -v shasum > /dev/null 2>&1; then
        sum=$(shasum -a 256 < "$1") || return 1
    else
        sum=$(openssl dgst -sha256 -r < "$1") || return 1
    fi
    printf '%s\n' "${sum%% *}"
}

# KiB that are free where the directory $1 lies; nothing where that cannot be told.
free_kib() {
    df -Pk "$1" 2> /dev/null | {
        read -r skipped && read -r skipped skipped skipped free skipped || exit 0
        case $free in
            '' | *[!0-9]*) ;;
            *) printf '%s\n' "$free" ;;
        esac
    }
}

# Fails when the disk of directory $1 has less than $2 KiB for $3.
has_room() {
    free=$(free_kib "$1")
    if [ -n "$free" ] && [ "$free" -lt "$2" ]; then
        complain "$3 needs $(($2 / 1024)) MiB in $1, and $((free / 1024)) MiB are free"
        return 1
    fi
}

# The file $1, which is to become $2, has $3 bytes and the SHA-256 $4.
is_right() {
    actual=$(($(wc -c < "$1"))) || return 1
    if [ "$actual" -ne "$3" ]; then
        complain "$2: $actual bytes, not $3: it was cut or replaced, fetch it again"
        return 1
    fi
    actual=$(sha256_of "$1") || return 1
    if [ "$actual" != "$4" ]; then
        complain "$2: SHA-256 is $actual, not $4: it was damaged or replaced, fetch it again"
        return 1
    fi
}

# Parts are called NAME.partNNNofMMM. The set of $2 parts of $1 is complete.
is_complete() {
    number=1
    while [ "$number" -le "$2" ]; do
        part=$(printf "%s.part%0${#2}dof%s" "$1" "$number" "$2")
        if [ ! -f "$part" ]; then
            missing=$part
            return 1
        fi
        number=$((number + 1))
    done
}

# Sets `parts` to the MMM of the one complete set of parts of $1.
choose_parts() {
    parts='' seen=' ' missing=''
    for file in "$1".part*of*; do
        count=${file##*of}
        case $count in
            '' | *[!0-9]* | ?????* | 0 | 00 | 000 | 0000) continue ;;
        esac
        case $seen in
            *" $count "*) continue ;;
        esac
        seen="$seen$count "
        if [ -f "$file" ] && is_complete "$1" "$count"; then
            if [ -n "$parts" ]; then
                complain "$1: parts of two splits lie here, of$parts and of$count: remove those of one"
                return 1
            fi
            parts=$count
        fi
    done
    if [ -z "$parts" ]; then
        complain "$1: its part ${missing:-001} is missing"
        return 1
    fi
}

has_parts() {
    for file in "$1".part*of*; do
        if [ -f "$file" ]; then
            return 0
        fi
    done
    return 1
}

join_parts() { # name, size, SHA-256
    choose_parts "$1" || return 1
    has_room . "$(($2 / 1024 + 1))" "$1 (its parts joined)" || return 1
    joined=$1.joining
    rm -f "$joined"
    number=1
    while [ "$number" -le "$parts" ]; do
        cat "$(printf "%s.part%0${#parts}dof%s" "$1" "$number" "$parts")" >> "$joined" || return 1
        number=$((number + 1))
    done
    is_right "$joined" "$1 (joined from parts)" "$2" "$3" || return 1
    mv "$joined" "$1" || return 1
    joined=''
}

check() { # name, name in the sender's store, size, SHA-256
    if [ ! -f "$1" ] && [ -f "$2" ]; then
        mv "$2" "$1" || return 1
        say "$2 is called $1 from now on"
    fi
    if [ -f "$1" ]; then
        is_right "$1" "$1" "$3" "$4" || return 1
    elif has_parts "$1"; then
        join_parts "$1" "$3" "$4" || return 1
    else
        complain "$1 is not here"
        return 1
    fi
    say "$1: size and SHA-256 are right"
}

check_chosen() {
    if check "$@"; then
        checked="$checked$1 "
    else
        failed=$((failed + 1))
    fi
}

check_if_here() {
    if [ -f "$1" ] || [ -f "$2" ] || has_parts "$1"; then
        check_chosen "$@"
    else
        say "$1: not here, left out"
    fi
}

check_if_asked() {
    if [ "$asked" = "$1" ] || [ "$asked" = "$2" ]; then
        known=yes
        check_chosen "$@"
    fi
}

# Where the engine keeps images; nothing where that cannot be told, or is on another machine.
storage_of_engine() {
    case ${DOCKER_HOST:-}${CONTAINER_HOST:-} in
        '' | unix:*) ;;
        *) return 0 ;;
    esac
    case ${ENGINE##*/} in
        podman*) "$ENGINE" info --format '{{.Store.GraphRoot}}' 2> /dev/null || : ;;
        *) "$ENGINE" info --format '{{.DockerRootDir}}' 2> /dev/null || : ;;
    esac
}

load() { # name, name in the sender's store, size
    if [ -n "$storage" ] && [ -d "$storage" ]; then
        # A copy while it loads, and the layers: 2.2 times the tarball's size.
        if ! has_room "$storage" "$(($3 / 1024 * 22 / 10 + 1))" "loading $1"; then
            complain "if the engine needs less, as it has most of its layers: SPACE_CHECK=no sh load.sh"
            return 1
        fi
    fi
    "$ENGINE" load -i "$1" || return 1
}

load_if_checked() {
    case $checked in
        *" $1 "*) ;;
        *) return 0 ;;
    esac
    if [ "$failed" -ne 0 ]; then
        complain "$1: NOT loaded"
        return 0
    fi
    if load "$@"; then
        say "$1: loaded"
        loaded=$((loaded + 1))
    else
        complain "$1: $ENGINE could not load it"
        failed=1
    fi
}

case $0 in
    */*) CDPATH='' cd -- "${0%/*}/" ;;
esac
joined='' checked=' ' failed=0 loaded=0
trap 'if [ -n "$joined" ]; then rm -f "$joined"; fi' EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM

if [ -z "${ENGINE:-}" ]; then
    ENGINE=''
    for candidate in docker podman nerdctl; do
        if [ -z "$ENGINE" ] && command -v "$candidate" > /dev/null 2>&1; then
            ENGINE=$candidate
        fi
    done
fi
if [ -z "$ENGINE" ] || ! command -v "$ENGINE" > /dev/null 2>&1; then
    complain "there is no ${ENGINE:-docker, podman or nerdctl} here; ENGINE=COMMAND sh load.sh names another one"
    exit 1
fi

if [ "$#" -eq 0 ]; then
    each_tarball check_if_here
fi
for asked in "$@"; do
    known=no
    each_tarball check_if_asked
    if [ "$known" = no ]; then
        complain "$asked is no tarball of this delivery"
        failed=$((failed + 1))
    fi
done
if [ "$failed" -ne 0 ]; then
    complain "$failed failed: nothing is loaded"
    exit 1
fi
if [ "$checked" = ' ' ]; then
    complain "no tarball of this delivery is here"
    exit 1
fi

storage=''
if [ "${SPACE_CHECK:-yes}" != no ]; then
    storage=$(storage_of_engine)
fi
each_tarball load_if_checked
if [ "$failed" -ne 0 ]; then
    exit 1
fi
say "$loaded loaded with $ENGINE"
)script";

/// Letters, digits and what no shell gives a meaning to; not "-x", not hidden.
bool is_plain_word(std::string_view text, bool colon) {
    const auto alphanumeric = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    };
    return !text.empty() && alphanumeric(text.front()) && std::all_of(text.begin(), text.end(), [&](char c) {
        return alphanumeric(c) || c == '.' || c == '_' || c == '-' || (colon && c == ':');
    });
}

void check_word(std::string_view text, bool colon) {
    if (!is_plain_word(text, colon) || !text.ends_with(".tar")) {
        throw Error(ErrorCode::InvalidInput,
                    "\"" + oci::printable(text) + "\" cannot be the name of a tarball in a script");
    }
}

}  // namespace

std::string load_script(const std::vector<DeliveredFile>& files) {
    std::string text(kIntroduction);
    for (const DeliveredFile& file : files) {
        check_word(file.name, false);
        check_word(file.key_name, true);
        text += "    \"$@\" " + file.name + " " + file.key_name + " " + std::to_string(file.size) + " " +
                std::string(file.sha256.hex()) + "\n";
    }
    return text + std::string(kBody);
}

}  // namespace cooper::delivery

#!/bin/sh
# What may not lie in the tree: paths of one machine, hosts of package mirrors, left-over markers, secrets that look real,
# generated files. Patterns are spelt with brackets so that this file does not find itself.
set -u
cd "$(dirname "$0")/.." || exit 2
failed=0

if ! git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    echo "SKIPPED: not a git work tree, so nothing is tracked"
    exit 0
fi

forbid() { # WHY REGEX [PATHS...]
    why=$1 regex=$2
    shift 2
    found=$(git ls-files -z -- "$@" | xargs -0 -r grep -nIE -e "$regex" -- 2>/dev/null | head -n 10)
    if [ -n "$found" ]; then
        printf '%s:\n%s\n\n' "$why" "$found"
        failed=1
    fi
}

forbid 'a path of one machine' '(^|[^A-Za-z0-9_.])/([w]ork|[f]arm|[r]oot)/' ':!tests/golden'
forbid 'the name of a package host' 'deb\.[d]ebian|archive\.[u]buntu|registry\.[n]pmjs|[p]ypi\.org' ':!tests/golden'
forbid 'a left-over marker' '(^|[^A-Za-z])([T]ODO|[F]IXME|[H]ACK|[X]XX)([^A-Za-z]|$)' lib cli include tests cmake examples ':!tests/golden'
forbid "a semicolon in a test's name, at which CMake cuts it in two" 'TEST_CASE\("[^"]*;' '*.cpp'
forbid 'a merge conflict' '^(<<<<<<<|>>>>>>>) '
forbid 'a tab in C++ code' '	' '*.cpp' '*.hpp'
forbid 'space at the end of a line' '[[:blank:]]+$' '*.cpp' '*.hpp' '*.cmake' '*.sh' '*.py' 'CMakeLists.txt' '*/CMakeLists.txt'

generated=$(git ls-files ':!tests/golden' | grep -E '(\.o|\.a|\.so|\.pyc|~|\.orig|\.rej)$' | head -n 10)
if [ -n "$generated" ]; then
    printf 'generated files are tracked:\n%s\n' "$generated"
    failed=1
fi
[ "$failed" = 0 ] && echo "the tree is clean"
exit "$failed"

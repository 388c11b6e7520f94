#!/usr/bin/env bash
# Formatter, linter and type checker over everything; all three, even when one fails.
#
# With a command as arguments they run beside it, since the type checker keeps one core busy and
# tests wait a good deal; what they say comes after what the command says.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" check

main() {
    if [ "$#" -eq 0 ]; then
        check
    else
        beside "$@"
    fi
}

check() {
    failed=()
    try ruff format --check .
    try ruff check .
    try mypy
    if [ "${#failed[@]}" -gt 0 ]; then
        say "failed: ${failed[*]}" >&2
        exit 1
    fi
}

try() {
    say "$*"
    ".venv/bin/$1" "${@:2}" || failed+=("$1")
}

beside() {
    local checks tested=0 checked=0
    check >"$SETUP_DIR/check.log" 2>&1 &
    checks=$!
    "$@" || tested=$?
    wait "$checks" || checked=$?
    cat "$SETUP_DIR/check.log"
    exit $((tested > 0 ? tested : checked))
}

main "$@"

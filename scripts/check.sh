#!/usr/bin/env bash
# Formatter, linter and type checker over everything; all three, even when one fails.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" check

main() {
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

main "$@"

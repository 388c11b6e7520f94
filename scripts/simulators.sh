#!/usr/bin/env bash
# Installs SimFaaS, Ciw and libCacheSim, each in a virtual environment of its own.
#
# Only nightly tests, new recordings (tests/domains/faas/differential) and one row of the benchmark `faas`
# need them. About 750 MB of disk.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" simulators

LOCKS=$ROOT/tests/domains/faas/differential
LOG=$SETUP_DIR/simulators.log

main() {
    local lock
    take_setup_lock
    : >"$LOG"
    for lock in "$LOCKS"/*.lock; do
        install_other "$(basename "$lock" .lock)" "$lock"
    done
}

# install_other NAME LOCK
install_other() {
    local venv=$SETUP_DIR/simulators/$1 key
    key=$(sha256sum <"$2" | cut -c1-64)
    if [ "$(cat "$venv/.assay-stamp" 2>/dev/null)" = "$key" ]; then
        say "$1 is up to date"
        return 0
    fi
    say "installing $1 in $venv (log: $LOG)"
    logged .venv/bin/python -m venv --clear "$venv" || fail "no virtual environment could be made"
    logged "$venv/bin/python" -m pip --disable-pip-version-check install \
        --no-deps --only-binary :all: --require-hashes -r "$2" ||
        fail "the packages in $2 could not be installed"
    printf '%s\n' "$key" >"$venv/.assay-stamp"
}

logged() {
    watched "$LOG" "$@"
}

fail() {
    tail -n 20 "$LOG" >&2
    give_up "$1 (log: $LOG)"
}

main "$@"

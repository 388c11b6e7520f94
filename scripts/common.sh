# Shared by the set-up scripts: where things are, how to speak, how to stop.
#
# Sourced with the name of the step as its argument; the caller is then in the project's folder.
# shellcheck shell=bash
set -euo pipefail

STEP=$1
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SETUP_DIR=${ASSAY_SETUP_DIR:-$ROOT/.assay-setup}
EXIT_UNAVAILABLE=4

cd "$ROOT"
mkdir -p "$SETUP_DIR"

say() {
    printf '%s: %s\n' "$STEP" "$*"
}

# Says on standard error what is missing, one line per argument, and stops with exit code 4.
give_up() {
    printf "$STEP: %s\n" "$@" >&2
    exit "$EXIT_UNAVAILABLE"
}

# The words that make a command run as root; fails where there is no way to become root.
root_prefix() {
    if [ "$(id -u)" -eq 0 ]; then
        return 0
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        printf 'sudo -n'
    else
        return 1
    fi
}

can_apt_install() {
    command -v apt-get >/dev/null && root_prefix >/dev/null
}

# Installs Debian packages quietly; the end of the log is shown only when that fails.
apt_install() {
    local prefix log=$SETUP_DIR/apt.log
    prefix="$(root_prefix) env DEBIAN_FRONTEND=noninteractive apt-get -q"
    say "installing with apt-get: $*"
    # An update can fail for a source that has nothing to do with us; the installation decides.
    # shellcheck disable=SC2086
    $prefix update >"$log" 2>&1 </dev/null || true
    # shellcheck disable=SC2086
    if ! $prefix -y -o Dpkg::Options::=--force-confold install --no-install-recommends "$@" \
        >>"$log" 2>&1 </dev/null 9>&-; then
        tail -n 20 "$log" >&2
        return 1
    fi
}

# Lets only one run of this step work in a checkout; held until the calling script ends.
take_setup_lock() {
    if command -v flock >/dev/null; then
        exec 9>"$SETUP_DIR/$STEP.lock"
        flock 9
    fi
}

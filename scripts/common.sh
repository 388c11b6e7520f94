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

# watched LOG COMMAND...: adds what the command prints to a log and shows meanwhile how long it has
# run and what it said last. Ctrl-C ends the command with all that it started.
watched() {
    local log=$1 pid status=0
    shift
    set -m # a process group of its own
    "$@" >>"$log" 2>&1 </dev/null 9>&- &
    pid=$!
    set +m
    # shellcheck disable=SC2064
    trap "end_work; stop_group $pid; exit 130" INT TERM
    begin_work
    while kill -0 "$pid" 2>/dev/null || [ -d "/proc/$pid" ]; do
        sleep 0.2
        how_far "$log"
    done
    end_work
    wait "$pid" || status=$?
    trap - INT TERM
    return "$status"
}

stop_group() {
    kill -- "-$1" 2>/dev/null || $(root_prefix) kill -- "-$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
    local tries=20 # what it started may take a moment longer
    while [ $((tries--)) -gt 0 ] && kill -0 -- "-$1" 2>/dev/null; do
        sleep 0.1
    done
}

EVERY_S=${ASSAY_EVERY_S:-5}

begin_work() {
    WORK_BEGAN=$SECONDS WORK_SAID=$SECONDS
}

# On a terminal one line that is written over, elsewhere a new line every few seconds.
how_far() {
    local last line
    if ! draws && [ $((SECONDS - WORK_SAID)) -lt "$EVERY_S" ]; then
        return 0
    fi
    WORK_SAID=$SECONDS last=$(last_line "$1")
    line="$((SECONDS - WORK_BEGAN)) s${last:+: $last}"
    if draws; then
        line="$STEP: $line"
        printf '\r\033[K%s' "${line:0:79}"
    else
        say "${line:0:100}"
    fi
}

end_work() {
    ! draws || printf '\r\033[K'
}

draws() {
    [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]
}

# The last line of a log, without what could move the cursor.
last_line() {
    tail -c 400 "$1" 2>/dev/null | tr '\r' '\n' | tr -cd '[:print:]\n' | grep . | tail -n 1 || true
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
    : >"$log"
    # shellcheck disable=SC2086
    watched "$log" $prefix update || true
    # shellcheck disable=SC2086
    if ! watched "$log" $prefix -y -o Dpkg::Options::=--force-confold install \
        --no-install-recommends "$@"; then
        tail -n 20 "$log" >&2
        return 1
    fi
}

# Lets only one run of this step work in a checkout; held until the calling script ends.
take_setup_lock() {
    local began=$SECONDS
    if command -v flock >/dev/null; then
        exec 9>"$SETUP_DIR/$STEP.lock"
        until flock -w "$EVERY_S" 9; do
            say "$((SECONDS - began)) s: waiting for another run of this step"
        done
    fi
}

#!/usr/bin/env bash
# Makes sure that a Docker engine answers: the user's own, or one installed and started here.
#
# Exit code 0: an engine answers. Exit code 4: none can be had; standard error says what to do.
# Paths and waiting time can be overridden, which is how the tests try the awkward cases.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" engine

RUN_DIR=${ASSAY_DOCKER_RUN_DIR:-/var/run}
SOCKET=$RUN_DIR/docker.sock
LOG=${ASSAY_DOCKERD_LOG:-/var/log/assay-dockerd.log}
WAIT_S=${ASSAY_ENGINE_WAIT_S:-60}
ANSWER_S=20
JOIN_GROUP="sudo usermod -aG docker \"$(id -un)\" && newgrp docker"

main() {
    use_answering_engine
    refuse_if_engine_was_named
    take_setup_lock
    use_answering_engine
    wait_for_living_daemon
    install_engine
    remove_stale_files
    start_engine
    say "started a Docker engine (version $(engine_version)), its log is $LOG"
}

use_answering_engine() {
    local version began=$SECONDS
    if version=$(engine_version); then
        say "using the Docker engine that answers (version $version)"
        exit 0
    elif [ $((SECONDS - began)) -ge "$ANSWER_S" ]; then
        say "the Docker engine has not answered for $ANSWER_S s"
    fi
}

engine_version() {
    command -v docker >/dev/null &&
        timeout "$ANSWER_S" docker version --format '{{.Server.Version}}' 2>/dev/null </dev/null |
        grep -E '^[0-9]'
}

# An engine that the user named is the user's to start: nothing is installed in its place.
# The order is that of the docker command and of sandbox/daemon.py.
refuse_if_engine_was_named() {
    local config=${DOCKER_CONFIG:-${HOME:-}/.docker}/config.json name=DOCKER_HOST value other
    value=${DOCKER_HOST:-}
    other="'unset DOCKER_HOST' to have a local one found or started."
    if [ -z "$value" ]; then
        name="the Docker context (DOCKER_CONTEXT)" value=${DOCKER_CONTEXT:-}
        other="'unset DOCKER_CONTEXT' to have a local one found or started."
    fi
    if [ -z "$value" ] && [ -f "$config" ]; then
        name="the Docker context (in $config)"
        value=$(tr -d '\n' <"$config" | sed -n 's/.*"currentContext"[^"]*"\([^"]*\)".*/\1/p')
        other="go back to the local one: docker context use default"
    fi
    if [ -z "$value" ] || { [ "$value" = default ] && [ "$name" != DOCKER_HOST ]; }; then
        return 0
    elif ! command -v docker >/dev/null; then
        give_up "$name is '$value', but there is no docker command to reach it with." \
            "install one (on Debian or Ubuntu: sudo apt-get install -y docker.io)."
    fi
    give_up "$name is '$value', but no Docker engine answers there." \
        "start that engine, or $other"
}

# A daemon that is starting (or that an init system restarts) gets time before anything is done.
wait_for_living_daemon() {
    local pid
    if ! pid=$(daemon_pid) || ! command -v docker >/dev/null; then
        return 0
    fi
    if [ -S "$SOCKET" ] && [ ! -w "$SOCKET" ]; then
        give_up "a Docker engine is running, but you may not use its socket $SOCKET." \
            "type: $JOIN_GROUP" \
            "or name another engine: export DOCKER_HOST=..."
    fi
    say "dockerd (process $pid) is running but does not answer yet, waiting up to $WAIT_S s"
    if wait_until_answers "$pid"; then
        use_answering_engine
    elif [ -d "/proc/$pid" ]; then
        give_up "dockerd (process $pid) runs but has not answered on $SOCKET for $WAIT_S s." \
            "look at its log (journalctl -u docker, or $LOG), stop it, and try again."
    fi
}

daemon_pid() {
    [ "$RUN_DIR" = /var/run ] &&
        { grep -lx dockerd /proc/[0-9]*/comm 2>/dev/null || true; } | cut -d/ -f3 | grep -m1 .
}

install_engine() {
    if command -v dockerd >/dev/null && command -v docker >/dev/null; then
        return 0
    fi
    if ! can_apt_install; then
        give_up "no Docker engine answers, and none can be installed here: that needs root" \
            "on Debian or Ubuntu. There, type: sudo apt-get install -y docker.io && $JOIN_GROUP" \
            "elsewhere install Docker Engine 20.10 or newer, start it, check with: docker version" \
            "or name an engine on another address: export DOCKER_HOST=..."
    fi
    say "there is no Docker engine; installing the one of this system's packages"
    apt_install docker.io iptables ca-certificates ||
        give_up "apt-get could not install docker.io (all of its log: $SETUP_DIR/apt.log)."
    # Newer Debian releases ship the command in a package of its own.
    if ! command -v docker >/dev/null; then
        apt_install docker-cli ||
            give_up "apt-get could not install docker-cli (all of its log: $SETUP_DIR/apt.log)."
    fi
}

# A dead daemon leaves its pid file and socket; a new one refuses to start beside them.
remove_stale_files() {
    local prefix file pid
    prefix=$(root_prefix) || return 0
    for file in "$RUN_DIR/docker.pid" "$RUN_DIR/docker/containerd/containerd.pid"; do
        [ -e "$file" ] || continue
        pid=$($prefix cat "$file" | tr -cd 0-9)
        if ! is_docker_process "$pid"; then
            say "removing $file, left by a daemon that is gone"
            $prefix rm -f "$file"
        fi
    done
    if [ -S "$SOCKET" ] && ! daemon_pid >/dev/null; then
        say "removing $SOCKET, left by a daemon that is gone"
        $prefix rm -f "$SOCKET"
    fi
}

is_docker_process() {
    [ -n "$1" ] && grep -qxE 'dockerd|containerd' "/proc/$1/comm" 2>/dev/null
}

start_engine() {
    local prefix
    prefix=$(root_prefix) || give_up \
        "a Docker engine is installed but not running, and starting it needs root." \
        "type: sudo systemctl start docker   (where there is no systemd: sudo dockerd &)" \
        "and once: $JOIN_GROUP"
    if [ -d /run/systemd/system ]; then
        say "starting the service docker"
        # shellcheck disable=SC2086
        if watched "$SETUP_DIR/systemctl.log" $prefix systemctl start docker &&
            wait_until_answers ""; then
            return 0
        fi
    fi
    mount_cgroups_if_missing "$prefix"
    # Cells need no network, so an engine without bridge and firewall rules serves as well; where
    # the kernel has no overlay mounts, the storage that copies does.
    try_dockerd "$prefix" ||
        try_dockerd "$prefix" --iptables=false --bridge=none ||
        try_dockerd "$prefix" --iptables=false --bridge=none --storage-driver=vfs ||
        give_up "dockerd does not start here; the end of its log is above, all of it in $LOG." \
            "start a Docker engine by hand, then check with: docker version"
}

mount_cgroups_if_missing() {
    if ! grep -qE '^[^ ]+ [^ ]+ cgroup2? ' /proc/mounts; then
        say "no cgroup file system is mounted; mounting it"
        if apt_install cgroupfs-mount; then
            $1 cgroupfs-mount || true
        fi
    fi
}

# Starts dockerd with the given options and waits for it; on failure shows the end of its log.
try_dockerd() {
    local prefix=$1 pid group=()
    shift
    say "starting dockerd $* (log: $LOG)"
    [ -z "$prefix" ] || group=(--group "$(id -gn)")
    # The lock is not for the daemon, which outlives this script.
    # shellcheck disable=SC2016,SC2086
    setsid $prefix sh -c 'log=$1; shift; exec nohup dockerd "$@" >>"$log" 2>&1' \
        sh "$LOG" "${group[@]}" "$@" </dev/null >/dev/null 2>&1 9>&- &
    pid=$!
    if wait_until_answers "$pid"; then
        return 0
    fi
    say "dockerd $* did not come up; the end of its log:" >&2
    $prefix tail -n 15 "$LOG" >&2 || true
    $prefix kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    remove_stale_files
    return 1
}

# Polls until the engine answers, the process (if one is given) is gone, or the time is over.
wait_until_answers() {
    local pid=$1 deadline=$((SECONDS + WAIT_S)) status=1
    begin_work
    while [ "$SECONDS" -lt "$deadline" ]; do
        if engine_version >/dev/null; then
            status=0
            break
        elif [ -n "$pid" ] && [ ! -d "/proc/$pid" ]; then
            break
        fi
        how_far "$LOG"
        sleep 0.5
    done
    end_work
    return "$status"
}

main "$@"

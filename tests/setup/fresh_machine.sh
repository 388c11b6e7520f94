#!/usr/bin/env bash
# In mount, network and process namespaces of its own this is another machine, with an engine of its
# own that ends with the namespaces: one that died, one that is killed, one for other users.
set -euo pipefail

project=$1
log=$2
unset DOCKER_HOST DOCKER_CONTEXT

mount --make-rprivate /
mount -t tmpfs none /run
mkdir -p /var/lib/docker
mount -t tmpfs none /var/lib/docker
mkdir -m 777 /run/project
cp -r "$project/scripts" /run/project/
export ASSAY_SETUP_DIR=/run/project/setup ASSAY_DOCKERD_LOG=$log
engine=/run/project/scripts/engine.sh

echo "== a pid that another program has now, and a dead socket"
echo 1 >/run/docker.pid
python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('/run/docker.sock')"
"$engine"

echo "== an engine that answers"
"$engine"

echo "== an engine that another user may not use"
ASSAY_SETUP_DIR=/run/project/theirs setpriv --reuid 65534 --regid 65534 --clear-groups \
    "$engine" || echo "exit code $?"

echo "== an engine that was killed"
daemon=$(cat /run/docker.pid)
kill -KILL "$daemon"
while grep -qs dockerd "/proc/$daemon/comm" && ! grep -qs 'State:.*Z' "/proc/$daemon/status"; do :; done
"$engine"
echo "images: $(docker image ls --quiet | wc -l)"

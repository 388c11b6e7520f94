#!/usr/bin/env bash
# Makes the base image: a Linux with Python 3.11 and nothing of ours, from a registry or, where
# none answers, from Debian's packages.
#
# With --name it only prints the image's name. Exit code 4: no base image can be had; standard error
# says what to do.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" base

OFFICIAL=${ASSAY_OFFICIAL_IMAGE:-python:3.11-slim-bookworm}
SUITE=bookworm
# Raised when this script puts something else into the image, so that it is made anew.
RECIPE=1
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
CACHE=${XDG_CACHE_HOME:-${HOME:-$SETUP_DIR}/.cache}/assay
NO_ANSWER_S=20
NO_PROGRESS_S=180

NAME=assay-base:py311-$(printf '%s' "$OFFICIAL $SUITE $RECIPE" | sha256sum | cut -c1-12)
TARBALL=$CACHE/${NAME//:/-}.tar.gz

main() {
    if [ "${1:-}" = --name ]; then
        printf '%s\n' "$NAME"
    elif is_there; then
        say "$NAME is there"
    else
        take_setup_lock
        is_there || from_cache || from_registry || from_packages
        say "$NAME is ready"
    fi
}

is_there() {
    docker image inspect "$NAME" >/dev/null 2>&1
}

from_cache() {
    [ -s "$TARBALL" ] || return 1
    say "importing $TARBALL"
    import_tarball
}

from_registry() {
    say "pulling $OFFICIAL"
    if ! pull_while_it_moves; then
        say "no registry gave $OFFICIAL; making a base from Debian's packages instead"
        return 1
    fi
    docker tag "$OFFICIAL" "$NAME"
}

# A registry that cannot be reached must not hold the set-up for minutes; one that is slow may.
pull_while_it_moves() {
    local log=$SETUP_DIR/pull.log patience=$NO_ANSWER_S size=0 last=$SECONDS pid
    : >"$log"
    docker pull "$OFFICIAL" >"$log" 2>&1 </dev/null 9>&- &
    pid=$!
    # shellcheck disable=SC2064
    trap "end_work; kill $pid; exit 130" INT TERM
    begin_work
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.2
        how_far "$log"
        if [ "$(wc -c <"$log")" -ne "$size" ]; then
            size=$(wc -c <"$log") last=$SECONDS
            ! grep -q Pulling "$log" || patience=$NO_PROGRESS_S
        elif [ $((SECONDS - last)) -ge "$patience" ]; then
            kill "$pid" 2>/dev/null || true
        fi
    done
    end_work
    trap - INT TERM
    wait "$pid" 2>/dev/null
}

from_packages() {
    local prefix mirror log=$SETUP_DIR/debootstrap.log
    prefix=$(root_prefix) || give_up \
        "no registry gives $OFFICIAL, and making a base image from packages needs root." \
        "run 'make base' as root, or, once a registry can be reached: docker pull $OFFICIAL"
    need_debootstrap
    mirror=$(debian_mirror)
    mkdir -p "$CACHE"
    TARGET=$(mktemp -d "${TMPDIR:-/var/tmp}/assay-base.XXXXXX")
    # shellcheck disable=SC2064
    trap "$prefix rm -rf '$TARGET' '$TARBALL.part'" EXIT
    say "running debootstrap $SUITE${mirror:+ from $mirror} (about a minute; log: $log)"
    : >"$log"
    # shellcheck disable=SC2046
    if ! watched "$log" $prefix env $(proxy_settings) debootstrap --variant=minbase \
        --include=python3 --keyring="$KEYRING" "$SUITE" "$TARGET" ${mirror:+"$mirror"}; then
        tail -n 20 "$log" >&2
        give_up "debootstrap could not make a base image (all of its log: $log)."
    fi
    strip_root "$prefix"
    say "packing it"
    watched "$log" pack "$prefix"
    mv "$TARBALL.part" "$TARBALL"
    import_tarball
}

need_debootstrap() {
    if command -v debootstrap >/dev/null && [ -r "$KEYRING" ]; then
        return 0
    fi
    can_apt_install || give_up \
        "no registry gives $OFFICIAL, and there is no debootstrap to make a base image with." \
        "install debootstrap and debian-archive-keyring, or type: docker pull $OFFICIAL"
    apt_install debootstrap debian-archive-keyring ||
        give_up "apt-get could not install debootstrap (all of its log: $SETUP_DIR/apt.log)."
}

# The mirror this machine's apt uses, where it is one of Debian's.
debian_mirror() {
    local mirror=
    if grep -qx 'ID=debian' /etc/os-release && command -v apt-get >/dev/null; then
        # shellcheck disable=SC2016
        mirror=$(apt-get indextargets --format '$(SITE)' 'Label: Debian' 'Created-By: Packages' \
            2>/dev/null | sed -n 1p)
    fi
    case $mirror in
        http://* | https://*) printf '%s' "$mirror" ;;
        *) ;; # debootstrap knows Debian's own
    esac
}

# debootstrap fetches with wget, which does not know of apt's proxy.
proxy_settings() {
    local proxy
    proxy=$(apt-config dump --format '%v' Acquire::http::Proxy 2>/dev/null || true)
    if [ -z "${http_proxy:-}" ] && [ -n "$proxy" ] && [ "$proxy" != DIRECT ]; then
        printf 'http_proxy=%s' "$proxy"
    fi
}

# Nothing in a cell needs documents, package lists or programs that change their user.
strip_root() {
    $1 find "$TARGET" -xdev -type f -perm /6000 -exec chmod ug-s {} +
    $1 rm -rf "$TARGET"/{debootstrap,var/cache/apt,var/lib/apt/lists} \
        "$TARGET"/usr/share/{doc,man,info,locale}
}

pack() {
    # shellcheck disable=SC2086
    $1 tar -C "$TARGET" --numeric-owner --one-file-system -cf - . | gzip -1 >"$TARBALL.part"
}

import_tarball() {
    local log=$SETUP_DIR/import.log
    : >"$log"
    watched "$log" docker import --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin' \
        --message "Debian $SUITE with Python 3.11" "$TARBALL" "$NAME" || {
        tail -n 5 "$log" >&2
        give_up "docker import of $TARBALL failed: remove that file, then type the command again."
    }
}

main "$@"

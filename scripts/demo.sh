#!/usr/bin/env bash
# Sets up what is missing and runs the demo; where no Docker engine can be had, in embedded cells,
# and loudly so.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" demo

main() {
    scripts/venv.sh
    local status=0
    make_ready || status=$?
    if [ "$status" -eq 0 ]; then
        exec .venv/bin/assay demo
    elif [ "$status" -ne "$EXIT_UNAVAILABLE" ]; then
        exit "$status"
    fi
    cat >&2 <<'END'

*** No cell can be had in a Docker container here; the lines above say why.
*** The demo goes on in embedded cells: the same sealed worker, but no container around it.
*** Enough to see how Assay works; not for policies that you do not trust.

END
    exec .venv/bin/assay demo --cell process
}

make_ready() {
    scripts/engine.sh && scripts/base-image.sh && build_image
}

build_image() {
    .venv/bin/assay image --work "$SETUP_DIR/image" \
        --base "$(scripts/base-image.sh --name)"
}

main "$@"

#!/usr/bin/env bash
# Removes what set-up and tests made in this folder, and the cell's images.
#
# Results (.assay), the base image and the Docker engine stay.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" clean

main() {
    local images
    images=$(docker image ls --format '{{.Repository}}:{{.Tag}}' assay-sim 2>/dev/null || true)
    if [ -n "$images" ]; then
        say "removing the cell's images"
        # shellcheck disable=SC2086
        docker image rm $images >/dev/null
    fi
    say "removing .venv, .assay-setup, builds and caches; results in .assay stay"
    find flows sandbox simulator tests -name __pycache__ -type d -prune -exec rm -rf {} +
    rm -rf .venv "$SETUP_DIR" build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis \
        .coverage htmlcov
}

main "$@"

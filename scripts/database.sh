#!/usr/bin/env bash
# Makes sure that PostgreSQL's programs are there, with which `make cluster-test` keeps Prefect's runs.
#
# Exit code 0 always: where they cannot be had, it says how to get them, and the tests of a cluster
# fail with the same words; everything else works without. No database of the machine is touched.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" database

main() {
    use_installed_programs
    if ! can_apt_install; then
        do_without "there is no PostgreSQL, and none can be installed here"
    fi
    take_setup_lock
    use_installed_programs
    if ! apt_install postgresql; then
        do_without "apt-get could not install postgresql"
    fi
    use_installed_programs
    do_without "postgresql is installed, but there is no initdb under /usr/lib/postgresql"
}

use_installed_programs() {
    local folder
    for folder in /usr/lib/postgresql/*/bin; do
        if [ -x "$folder/initdb" ]; then
            say "using PostgreSQL in $folder"
            exit 0
        fi
    done
}

do_without() {
    say "$1." >&2
    say "tests of a cluster will fail; leave them out with: pytest --ignore tests/cluster" >&2
    say "or, as root on Debian, type: apt-get install postgresql" >&2
    exit 0
}

main "$@"

#!/usr/bin/env bash
# Makes sure that Chromium and its driver are there, with which tests open the report.
#
# Exit code 0 always: where they cannot be had, it says how to get them, and the tests marked
# "browser" fail with the same words; everything else works without.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" browser

main() {
    use_installed_browser
    if ! can_apt_install; then
        do_without "there is no Chromium with its driver, and none can be installed here"
    fi
    take_setup_lock
    use_installed_browser
    if ! apt_install chromium chromium-driver; then
        do_without "apt-get could not install chromium and chromium-driver"
    fi
    use_installed_browser
    do_without "chromium and chromium-driver are installed, but there is no chromedriver command"
}

use_installed_browser() {
    local program driver
    program=$(first_command chromium chromium-browser google-chrome google-chrome-stable) &&
        driver=$(first_command chromedriver chromium.chromedriver) || return 0
    say "using $program with $driver"
    exit 0
}

first_command() {
    local name
    for name in "$@"; do
        if command -v "$name"; then
            return 0
        fi
    done
    return 1
}

do_without() {
    say "$1." >&2
    say "tests of the report in a browser will fail; leave them out with: pytest -m 'not browser'" >&2
    say "or, as root on Debian, type: apt-get install chromium chromium-driver" >&2
    exit 0
}

main "$@"

"""What `scripts/browser.sh` does: use a browser, install one, or say how to get it."""

from tests.setup.fake_programs import Machine

APT = """
echo "apt-get $*" >>"$STATE/calls"
case "$*" in *install*chromium*)
    for name in chromium chromedriver; do
        printf '#!/bin/bash\\n' >"$PROGRAMS/$name"
        chmod 755 "$PROGRAMS/$name"
    done ;;
esac
"""


def test_a_browser_with_its_driver_is_used(machine: Machine) -> None:
    machine.add("google-chrome", "")
    machine.add("chromedriver", "")
    machine.add("apt-get", APT)

    ended = machine.run("browser.sh")

    assert ended.code == 0
    assert ended.out.endswith(
        "/google-chrome with " + str(machine.programs / "chromedriver") + "\n"
    )
    assert ended.calls == ""


def test_a_missing_browser_is_installed_once(machine: Machine) -> None:
    machine.add("apt-get", APT)

    first = machine.run("browser.sh", PROGRAMS=str(machine.programs))
    second = machine.run("browser.sh", PROGRAMS=str(machine.programs))

    assert (first.code, second.code) == (0, 0), first.err
    assert "installing with apt-get: chromium chromium-driver" in first.out
    assert "using " in second.out and second.calls == first.calls


def test_without_root_the_rest_works_and_one_message_says_what_to_type(
    user_machine: Machine,
) -> None:
    user_machine.add("apt-get", APT)

    ended = user_machine.run("browser.sh")

    assert ended.code == 0
    assert "tests of the report in a browser will fail" in ended.err
    assert "apt-get install chromium chromium-driver" in ended.err
    assert ended.calls == ""

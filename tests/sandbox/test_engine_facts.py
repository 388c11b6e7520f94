"""Whether an engine is good enough, decided on answers in the form that engines give."""

from dataclasses import replace
from typing import Any

import pytest

from sandbox.daemon import EngineFacts, facts_from, shortcomings, warnings_about

INFO: dict[str, Any] = {
    "OSType": "linux",
    "Architecture": "x86_64",
    "KernelVersion": "6.8.0",
    "CgroupDriver": "systemd",
    "CgroupVersion": "2",
    "NCPU": 8,
    "MemoryLimit": True,
    "SwapLimit": True,
    "PidsLimit": True,
    "CPUSet": True,
    "SecurityOptions": ["name=apparmor", "name=seccomp,profile=builtin", "name=cgroupns"],
    "Runtimes": {"runc": {}, "io.containerd.runc.v2": {}},
    "DefaultRuntime": "runc",
}
VERSION: dict[str, Any] = {
    "Version": "28.3.0",
    "Components": [{"Name": "Engine", "Version": "28.3.0"}, {"Name": "runc", "Version": "1.3.3"}],
}


def facts(**changes: Any) -> EngineFacts:
    return facts_from(INFO | changes, VERSION)


def test_a_modern_engine_is_good_enough() -> None:
    assert shortcomings(facts()) == ()
    assert warnings_about(facts()) == ()


def test_an_old_engine_on_cgroup_v1_is_good_enough() -> None:
    old = facts(CgroupDriver="cgroupfs", CgroupVersion="1", SecurityOptions=["name=seccomp"])

    assert shortcomings(old) == ()


def test_a_rootless_engine_with_delegated_limits_is_good_enough() -> None:
    rootless = facts(SecurityOptions=["name=seccomp,profile=builtin", "name=rootless"])

    assert rootless.rootless
    assert shortcomings(rootless) == ()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"CgroupDriver": "none"}, "ignores every limit"),
        ({"MemoryLimit": False}, "cannot limit memory"),
        ({"PidsLimit": False}, "cannot limit processes"),
        ({"SecurityOptions": ["name=apparmor"]}, "cannot filter system calls"),
        ({"SecurityOptions": None}, "cannot filter system calls"),
        ({"OSType": "windows"}, "runs windows containers"),
        ({"Architecture": "riscv64"}, "machine is 'riscv64'"),
    ],
)
def test_an_engine_that_cannot_protect_is_refused(changes: dict[str, Any], told: str) -> None:
    (found,) = shortcomings(facts(**changes))

    assert told in found


def test_a_runtime_that_is_not_there_is_refused() -> None:
    (found,) = shortcomings(facts(), runtime="runsc")

    assert "no runtime 'runsc'" in found


@pytest.mark.parametrize(
    ("version", "warned"),
    [("1.1.5+ds1", True), ("1.2.7", True), ("1.2.8", False), ("1.4.0-rc3", False), ("", False)],
)
def test_an_old_runc_is_worth_a_warning(version: str, warned: bool) -> None:
    told = warnings_about(replace(facts(), runc_version=version))

    assert bool(told) is warned


def test_answers_without_any_fact_are_refused_not_crashed_on() -> None:
    assert len(shortcomings(facts_from({}, {}))) >= 4

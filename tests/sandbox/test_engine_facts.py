"""Whether an engine is good enough, decided on answers in the form that engines give."""

from dataclasses import replace
from typing import Any

import pytest

from sandbox import doctor
from sandbox.daemon import EngineFacts, facts_from, shortcomings, warnings_about
from sandbox.doctor import examine
from sandbox.hardening import container_options, seccomp_profile
from sandbox.limits import Limits
from simulator.cell.seal import SPLIT
from tests.sandbox.recorded_engines import BAD, GOOD, OTHER_KERNELS, Answers, docker

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
    [
        *(("1.1.5+ds1", True), ("1.2.7", True), ("1.3.0", True), ("1.3.2", True)),
        *(("1.2.8", False), ("1.3.3", False), ("1.4.0-rc3", False), ("", False)),
    ],
)
def test_an_old_runc_is_worth_a_warning(version: str, warned: bool) -> None:
    told = warnings_about(replace(facts(), runc_version=version))

    assert bool(told) is warned


def test_an_engine_that_reports_nothing_is_refused() -> None:
    assert len(shortcomings(facts_from({}, {}))) >= 4


@pytest.mark.parametrize(("answers", "told"), GOOD.values(), ids=GOOD)
def test_an_engine_that_can_protect_a_cell_is_accepted_with_its_warnings(
    answers: Answers, told: tuple[str, ...]
) -> None:
    facts = facts_from(*answers)

    warnings = warnings_about(facts)

    assert shortcomings(facts) == ()
    assert len(warnings) == len(told)
    assert all(part in warning for part, warning in zip(told, warnings, strict=True))


@pytest.mark.parametrize(("answers", "told"), BAD.values(), ids=BAD)
def test_an_engine_that_cannot_protect_a_cell_is_refused_with_the_reason(
    answers: Answers, told: str
) -> None:
    (found,) = shortcomings(facts_from(*answers))

    assert told in found


@pytest.mark.parametrize("runtime", OTHER_KERNELS)
def test_a_runtime_with_its_own_kernel_is_accepted_with_a_warning(
    runtime: str,
) -> None:
    facts = facts_from(*docker(Runtimes={"runc": {}, **OTHER_KERNELS}))

    (warning,) = warnings_about(facts, runtime)

    assert shortcomings(facts, runtime) == ()
    assert "whose cell cannot prove its system call filters is refused" in warning
    assert shortcomings(facts_from(*docker()), runtime) != ()


@pytest.mark.parametrize(("answers", "_told"), GOOD.values(), ids=GOOD)
def test_every_engine_gets_the_filter_of_its_own_machine(
    answers: Answers, _told: tuple[str, ...]
) -> None:
    facts = facts_from(*answers)

    (machine,) = seccomp_profile(facts.architecture)["architectures"]

    assert machine == {"x86_64": "SCMP_ARCH_X86_64"}.get(facts.architecture, "SCMP_ARCH_AARCH64")


def test_without_cpuset_a_cell_is_not_pinned() -> None:
    options = container_options(
        image_id="sha256:abc",
        workers=1,
        isolation=SPLIT,
        domain="/opt/assay/simulator/domains/pipelines",
        limits=Limits(),
        seccomp=seccomp_profile("aarch64"),
        cpu=None,
        labels={},
    )

    assert options["HostConfig"]["CpusetCpus"] == ""


class RecordedDaemon:
    """An engine that is only its answers."""

    answers: Answers

    def facts(self) -> EngineFacts:
        return facts_from(*self.answers)

    def image_id(self, name: str) -> str:
        return "sha256:abc"

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(("answers", "told"), BAD.values(), ids=BAD)
def test_the_doctor_says_what_such_an_engine_lacks(
    answers: Answers, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = RecordedDaemon()
    daemon.answers = answers
    monkeypatch.setattr(doctor, "Daemon", lambda **_: daemon)

    report = examine()

    (failed,) = [check for check in report.checks if not check.ok]
    assert failed.name == "engine protections"
    assert told in failed.detail
    assert failed.remedy

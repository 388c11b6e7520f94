"""Hosts of a bed are apart but for their cables, and nothing of them outlives their opener."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.cluster.bed import ROOT, awaited, open_bed

GREET = "import socket; print(socket.gethostname(), socket.gethostbyname('two'))"
REACH = ("timeout", "2", "bash", "-c", ": </dev/tcp/two/9")


ENGINE = ("/var/lib/docker/", "/run/docker/", "/var/run/docker/")
"""Where the machine's own engine mounts and unmounts while other tests use it."""


def machine(opener: int) -> dict[str, object]:
    """Return what the bed of a process could leave on a machine."""
    mounted = [
        line.split()[1] for line in Path("/proc/self/mounts").read_text("utf-8").splitlines()
    ]
    links = subprocess.run(["ip", "-oneline", "link"], capture_output=True, text=True).stdout
    return {
        "mounts": [point for point in mounted if not point.startswith(ENGINE)],
        "links": [line.split(":")[1] for line in links.splitlines()],
        "folders": sorted(Path("/tmp").glob(f"assay-bed-{opener}-*")),
        "groups": sorted(Path("/sys/fs/cgroup").glob(f"**/assay-bed-{opener}-*")),
        "namespaces": sorted(Path("/run/netns").glob("*")),
    }


def test_hosts_have_names_addresses_and_cables_that_can_be_pulled() -> None:
    before = machine(os.getpid())

    with open_bed("one", "two") as bed:
        one, two = bed["one"], bed["two"]
        greeting = one.run(sys.executable, "-c", GREET).split()
        two.keep("answers", sys.executable, "-m", "http.server", "9")
        awaited(lambda: one.can(*REACH) or None, "an answer")
        two.plug(plugged=False)
        cut_off = one.can(*REACH)
        two.plug(plugged=True)
        awaited(lambda: one.can(*REACH) or None, "an answer again")
        private = one.run("ls", "/run", "/srv")

    assert greeting == ["one", two.address]
    assert not cut_off
    assert private.split() == ["/run:", "mount", "/srv:", "assay"]
    assert machine(os.getpid()) == before


def test_a_killed_bed_leaves_nothing() -> None:
    before = machine(0)
    opener = subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.bed", "one", "two"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert opener.stdout is not None and opener.stdin is not None
    lines = [opener.stdout.readline().split() for _ in range(2)]
    assert opener.stdout.readline() == "ready\n"
    inside = [int(line[line.index("--target") + 1]) for line in lines]
    entered = subprocess.Popen([*lines[0][2:], "sleep", "1000"], stdout=subprocess.DEVNULL)

    os.killpg(opener.pid, signal.SIGKILL)
    opener.communicate()

    assert entered.wait() != 0
    awaited(lambda: not any(Path(f"/proc/{pid}").exists() for pid in inside) or None, "the end")
    awaited(lambda: machine(opener.pid) == before or None, "nothing to be left", 30)

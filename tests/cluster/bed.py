"""Three hosts on one machine: each with an address, an engine, files and processes of its own.

A host is a set of namespaces: processes, mounts, network and name. Virtual cables join the hosts at
a switch, which is a network namespace too, so the machine's own network, mounts and ``/run`` never
change. All of it ends with the process that opened the bed, even where that is killed: the first
process of each host waits for the end of a pipe that only its opener holds.

``python -m tests.cluster.bed`` opens one to look around in, until standard input ends.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import docker

from sandbox.daemon import engine_address
from sandbox.hardening import LABEL
from tests.cluster.units import unit

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
FIRST = Path(__file__).with_name("first_process.py")
NAMES = ("head", "one", "two")
"""Prefect's server and its database are on the first, the scheduler is on the second."""
NAMESPACES = ("unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--mount-proc")
INSIDE = ("--mount", "--net", "--uts", "--pid")
PREFIX = "10.77.0"
CGROUPS = Path("/sys/fs/cgroup")
PRIVATE = ("/run", "/srv", "/var/lib/docker", "/var/lib/postgresql")
"""Folders that each host has for itself, in memory, where the machine has them."""
PREPARE = (
    f"for each in {' '.join(PRIVATE)}; do [ ! -d $each ] || mount -t tmpfs none $each; done; "
    'mount --bind "$0" /etc/hosts; mkdir /srv/assay; ln -s "$1" /srv/assay/.venv'
)
ENGINE = ("dockerd", "--bridge=none", "--iptables=false", "--exec-opt=native.cgroupdriver=cgroupfs")
MACHINES_ENGINE = engine_address(os.environ).host
IN_GROUP = 'for f in $0; do echo 0 >"$f"; done; exec "$@"'
FOR_EVER = 'while :; do while [ -e "$0" ]; do sleep 0.2; done; "$@"; sleep 1; done'
"""What ``Restart=always`` and ``RestartSec=1`` do, unless somebody stopped the unit."""
PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 0.1
INHERITED = ("PATH", "HOME", "LANG", "DO_NOT_TRACK")


def why_no_bed() -> str | None:
    """Return why this machine cannot hold a bed, None if it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "namespaces of a network need Linux and root"
    lacking = [each for each in ("unshare", "nsenter", "ip") if shutil.which(each) is None]
    if lacking:
        return f"there is no {' and no '.join(lacking)}"
    tried = subprocess.run([*NAMESPACES, "true"], capture_output=True, text=True)
    return tried.stderr.strip() or None


def why_no_engines() -> str | None:
    """Return why hosts cannot have engines, and so use embedded cells; None if they can."""
    if shutil.which("dockerd") is None or shutil.which("docker") is None:
        return "there is no dockerd"
    if "\toverlay\n" not in Path("/proc/filesystems").read_text("ascii"):
        return "the kernel has no overlay file system"
    return None if _groups("x") else "no control groups are mounted"


class Service:
    """A program that a host keeps running, as systemd does with ``Restart=always``."""

    def __init__(self, host: "Host", name: str, command: list[str], **settings: Any) -> None:
        self.host, self.name = host, name
        self.log = host.files / f"{name}.log"
        self._stop = host.files / f"{name}.stop"
        keeper = ("sh", "-c", FOR_EVER, str(self._stop))
        self._keeper = host.start(*keeper, *command, log=self.log, **settings)

    @property
    def pid(self) -> int | None:
        """The program itself, None while it is between two lives."""
        found = _children(self._keeper.pid)  # nsenter's only child is the shell that keeps it
        found = _children(found[0]) if found else []
        return found[0] if found and _name(found[0]) != "sleep" else None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program; wait until another one runs in its place."""
        before = awaited(lambda: self.pid, f"{self.name} on {self.host.name}")
        os.kill(before, number)
        awaited(lambda: (self.pid or before) != before or None, f"{self.name} to start again")

    @contextmanager
    def stopped(self, number: signal.Signals) -> Iterator[None]:
        """End the program by a signal, and start it again after the block."""
        self._stop.touch()
        before = awaited(lambda: self.pid, f"{self.name} on {self.host.name}")
        os.kill(before, number)
        awaited(lambda: self.pid is None or None, f"the end of {self.name}")
        try:
            yield
        finally:
            self._stop.unlink()
            awaited(lambda: self.pid, f"{self.name} to start again")

    def says(self, text: str) -> int:
        """Return how often its log has ``text``."""
        return self.log.read_text("utf-8", "replace").count(text)

    def wait(self) -> None:
        """Wait for the end of what keeps it running, which comes with that of its host."""
        self._keeper.wait()


@dataclass(kw_only=True)
class Host:
    """A machine of its own, as far as its processes can tell."""

    name: str
    address: str
    files: Path
    """Where its logs are. Hosts see the machine's folders, but for those that are in memory."""
    init: "subprocess.Popen[bytes]"
    groups: tuple[Path, ...]
    switch: int
    services: dict[str, Service] = field(default_factory=dict)

    def start(
        self, *command: str, log: Path, user: str | None = None, **environment: str
    ) -> "subprocess.Popen[bytes]":
        """Start a program on this host, in a session of its own."""
        as_user = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups") * bool(user)
        group_files = " ".join(str(folder / "cgroup.procs") for folder in self.groups)
        with log.open("ab") as out:
            return subprocess.Popen(
                [
                    *("nsenter", "--target", str(self.pid), *INSIDE),
                    *("sh", "-c", IN_GROUP, group_files, *as_user, *command),
                ],
                cwd="/",
                env=self.environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def run(self, *command: str, **settings: Any) -> str:
        """Return what a program printed that ran on this host."""
        with tempfile.NamedTemporaryFile(dir=self.files, suffix=".out") as out:
            code = self.start(*command, log=Path(out.name), **settings).wait()
            said = Path(out.name).read_text("utf-8", "replace")
        assert code == 0, f"{self.name}: {' '.join(command)}: {code}\n{said}"
        return said

    def can(self, *command: str, **settings: Any) -> bool:
        """Return whether a program succeeds on this host."""
        return self.start(*command, log=Path(os.devnull), **settings).wait() == 0

    @property
    def pid(self) -> int:
        """Its first process, as the machine numbers it."""
        [child] = _children(self.init.pid)
        return child

    @property
    def environment(self) -> dict[str, str]:
        """What every program of this host inherits."""
        kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return kept | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}

    def serve(self, name: str, **environment: str) -> Service:
        """Start the unit of this name of docs/scale-out.md."""
        shown = unit(name, self.name)
        return self.keep(name, *shown.command, **{**shown.environment, **environment})

    def keep(self, name: str, *command: str, **settings: str) -> Service:
        """Keep a program running that has no unit of ours."""
        self.services[name] = Service(self, name, list(command), **settings)
        return self.services[name]

    def plug(self, *, plugged: bool) -> None:
        """Pull this host's cable out of the switch, or put it back in."""
        _in_network(self.switch, f"link set {self.name} {'up' if plugged else 'down'}")

    def slow_down(self, percent: int | None) -> None:
        """Give all programs and cells of this host so much of one core; None is no limit."""
        period = 100_000
        for folder in self.groups:
            quota = -1 if percent is None else period * percent // 100
            old, new = folder / "cpu.cfs_quota_us", folder.parent / "cpu.max"
            if old.exists():
                old.write_text(str(quota), "ascii")
            elif new.exists():
                new.write_text(f"{'max' if quota < 0 else quota} {period}", "ascii")

    def start_engine(self) -> None:
        """Start a Docker engine with this host's own files, and wait until it answers."""
        group = f"--cgroup-parent=/{_group(self.files)}"
        daemon = self.keep("docker", *ENGINE, group)
        awaited(
            lambda: self.can("docker", "version") or None,
            f"the engine of {self.name} ({daemon.log})",
        )

    def cells(self) -> list[str]:
        """Return the cells that are here: containers, and first processes of embedded ones."""
        found = [f"process {pid}" for pid in self.processes("simulator.cell.enclosure")]
        if "docker" in self.services:
            with closing(docker.APIClient(self.engine)) as client:
                listed = client.containers(all=True, filters={"label": LABEL})
            found += [str(each["Names"]) for each in listed]
        return found

    @property
    def engine(self) -> str:
        """The address of this host's engine, as the machine reaches it."""
        return f"unix:///proc/{self.pid}/root/run/docker.sock"

    def command_of(self, service: Service) -> str:
        """Return the command of the program that runs as this service."""
        return _command(awaited(lambda: service.pid, service.name)).strip()

    def processes(self, words: str) -> list[int]:
        """Return the processes here whose command has ``words``, by the machine's numbers."""
        return [pid for pid in _processes() if _is_of(pid, self.pid) and words in _command(pid)]


class Bed:
    """Hosts that reach each other by name, and no one else."""

    def __init__(self, names: tuple[str, ...], folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        switch = stack.enter_context(_first_process(folder / "switch"))
        [self._switch] = _children(switch.pid)
        _in_network(self._switch, "link add switch type bridge", "link set switch up")
        addresses = {name: f"{PREFIX}.{place}" for place, name in enumerate(names, start=1)}
        self.hosts: list[Host] = [
            self._host(stack, name, address, addresses) for name, address in addresses.items()
        ]

    def __getitem__(self, name: str) -> Host:
        return next(host for host in self.hosts if host.name == name)

    def _host(
        self, stack: ExitStack, name: str, address: str, addresses: Mapping[str, str]
    ) -> Host:
        files = self.folder / name
        groups = _groups(_group(files))
        init = stack.enter_context(_first_process(files, *_all_groups(_group(files))))
        for folder in groups:
            folder.mkdir(parents=True)
        host = Host(
            name=name,
            address=address,
            files=files,
            init=init,
            groups=groups,
            switch=self._switch,
        )
        known = "".join(f"{each} {called}\n" for called, each in addresses.items())
        (files / "hosts").write_text(f"127.0.0.1 localhost\n{known}", "ascii")
        host.run("hostname", name)
        host.run("sh", "-ec", PREPARE, str(files / "hosts"), sys.prefix)
        self._cable(host)
        return host

    def _cable(self, host: Host) -> None:
        ends = f"link add {host.name} netns {self._switch} type veth peer eth0 netns {host.pid}"
        subprocess.run(["ip", *ends.split()], check=True)
        _in_network(self._switch, f"link set {host.name} master switch", f"link set {host.name} up")
        _in_network(
            host.pid, "link set lo up", f"addr add {host.address}/24 dev eth0", "link set eth0 up"
        )


@contextmanager
def open_bed(*names: str) -> Iterator[Bed]:
    """Make hosts of these names; end them, and remove what they left, in the end."""
    with ExitStack() as stack:
        bed = Bed(names or NAMES, Path(tempfile.mkdtemp(prefix=f"assay-bed-{os.getpid()}-")), stack)
        yield bed
    for host in bed.hosts:
        for service in host.services.values():
            service.wait()


def awaited(look: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """Return what ``look`` finds as soon as it finds anything."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for {what}"
        time.sleep(LOOK_SECONDS)
    return found


@contextmanager
def _first_process(files: Path, *groups: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Start the first process of fresh namespaces; all that is in them ends with its pipe."""
    files.mkdir()
    process = subprocess.Popen(
        [*NAMESPACES, sys.executable, "-ISE", str(FIRST), str(files), *map(str, groups)],
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # what kills our whole group leaves it time to clean up
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.communicate()


def _in_network(pid: int, *commands: str) -> None:
    """Run commands of ``ip`` in the network of a process."""
    batch = "\n".join(commands)
    subprocess.run(
        ["nsenter", "--target", str(pid), "--net", "ip", "-batch", "-"],
        input=batch,
        text=True,
        check=True,
    )


def _group(files: Path) -> str:
    """Return the name of a host's control group, of which no host of another bed has one."""
    return f"{files.parent.name}-{files.name}"


@cache
def _groups(group: str) -> tuple[Path, ...]:
    """Return the control groups for a host's processes: one a controller, or the only one."""
    if (CGROUPS / "cgroup.controllers").exists():
        return (CGROUPS / group / "services",)  # where processes are, no groups may be
    mounted = [path for path in sorted(CGROUPS.glob("*/")) if (path / "cgroup.procs").exists()]
    return tuple(path / group for path in mounted if path.name == "cpu")


def _all_groups(group: str) -> tuple[Path, ...]:
    """Return every control group that a host may come to have; its engine makes some."""
    if (CGROUPS / "cgroup.controllers").exists():
        return (CGROUPS / group,)
    return tuple(path / group for path in sorted(CGROUPS.glob("*/")))


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _children(pid: int) -> list[int]:
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(one) for one in listed.split()]


def _is_of(pid: int, init: int) -> bool:
    """Return whether a process is one of those, or of those within those, that ``init`` began."""
    try:
        return Path(f"/proc/{pid}/ns/uts").readlink() == Path(f"/proc/{init}/ns/uts").readlink()
    except OSError:
        return False


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace").replace("\0", " ")
    except OSError:
        return ""


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text("ascii").strip()
    except OSError:
        return "sleep"  # it has just ended


if __name__ == "__main__":
    with open_bed(*sys.argv[1:]) as bed:
        for host in bed.hosts:
            print(f"{host.name} {host.address} nsenter --target {host.pid} {' '.join(INSIDE)}")
        print("ready", flush=True)
        sys.stdin.read()

"""A machine for the set-up scripts, on whose PATH are only the programs that a test put there."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# What the scripts may use of any Linux system. No apt-get, docker, dockerd, sudo or systemctl.
TOOLS = (
    "awk bash cat chmod cut date dirname env flock grep gzip head mkdir mktemp mv nohup rm "
    "sed setsid sh sha256sum sleep tail tar timeout touch tr wc"
).split()

ROOT_ID = "case $1 in -u) echo 0 ;; *) echo root ;; esac"
USER_ID = "case $1 in -u) echo 1000 ;; *) echo ada ;; esac"

# The engine answers once the file `up` is there.
DOCKER = """
echo "docker $*" >>"$STATE/calls"
case $1 in
    version) [ -e "$STATE/up" ] && echo 20.10.24 ;;
    pull) [ -e "$STATE/registry" ] ;;
    image) grep -qs "docker tag .* $3" "$STATE/calls" ;;
esac
"""
DOCKERD = """
echo "dockerd $*" >>"$STATE/calls"
echo $$ >"$STATE/dockerd.pid"
touch "$STATE/up"
exec tail -f /dev/null
"""
DOCKERD_THAT_DIES = """
echo "dockerd $*" >>"$STATE/calls"
echo "no space left in the fake kernel"
exit 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a script ended: its exit code, what it printed, and the programs it called."""

    code: int
    out: str
    err: str
    calls: str


class Machine:
    """A folder with a PATH of its own, and the state that its fake programs keep."""

    def __init__(self, folder: Path, identity: str = ROOT_ID) -> None:
        self.programs = folder / "bin"
        self.state = folder / "state"
        self.run_dir = folder / "run"
        for path in (self.programs, self.state, self.run_dir):
            path.mkdir(parents=True)
        for name in TOOLS:
            real = shutil.which(name)
            assert real is not None, f"this test needs the program {name}"
            (self.programs / name).symlink_to(real)
        self.add("id", identity)

    def add(self, name: str, body: str) -> None:
        """Put a shell program on this machine's PATH."""
        path = self.programs / name
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)

    def run(self, script: str, *arguments: str, **variables: str) -> Ended:
        """Run one of the project's scripts on this machine."""
        done = subprocess.run(
            [str(ROOT / "scripts" / script), *arguments],
            env=self._environment(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        return self._ended(done.returncode, done.stdout, done.stderr)

    def interrupt(self, script: str, at: str, **variables: str) -> Ended:
        """Run a script and type Ctrl-C when it prints ``at``."""
        with subprocess.Popen(
            ["env", "--default-signal=INT", str(ROOT / "scripts" / script)],
            env=self._environment({"ASSAY_EVERY_S": "0", **variables}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None and process.stderr is not None
            said = ""
            for line in process.stdout:
                if at in line and at not in said:
                    os.killpg(process.pid, signal.SIGINT)
                said += line
            error = process.stderr.read()
        assert at in said, said + error
        return self._ended(process.returncode, said, error)

    def _environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        return {
            "PATH": str(self.programs),
            "HOME": str(self.state),
            "STATE": str(self.state),
            "ASSAY_SETUP_DIR": str(self.state / "setup"),
            "ASSAY_DOCKER_RUN_DIR": str(self.run_dir),
            "ASSAY_DOCKERD_LOG": str(self.state / "dockerd.log"),
            "ASSAY_ENGINE_WAIT_S": "120",
            **variables,
        }

    def _ended(self, code: int, out: str, err: str) -> Ended:
        calls = self.state / "calls"
        called = calls.read_text() if calls.exists() else ""
        return Ended(code=code, out=out, err=err, calls=called)

    def stop(self) -> None:
        """End the fake daemon, if one was started here."""
        pid_file = self.state / "dockerd.pid"
        if pid_file.exists():
            os.kill(int(pid_file.read_text()), signal.SIGKILL)

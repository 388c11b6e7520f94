"""Builds the cell's image unless it exists: `python -m sandbox.image_build --base IMAGE`.

The build containers have no network. The host's pip fetches the wheels for the platform and the
Python of the base image, checked against the hashes of `requirements-image.lock`; they are unpacked
here and copied in.
"""

import argparse
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from sandbox.daemon import engine_address
from sandbox.errors import SandboxUnavailable
from sandbox.image import (
    DOCKERFILE,
    DOMAINS,
    REPOSITORY,
    WHEELS_LOCK,
    extra_files,
    image_tag,
    package_root,
    recipe_files,
    simulator_files,
    source_hash,
)
from simulator.domain import DEFAULT, Domain, find_domain, open_domain
from simulator.errors import InputError

OFFICIAL_BASE = "python:3.11-slim-bookworm"
EXIT_UNAVAILABLE = 4
EXIT_INTERRUPTED = 130

# Wheels for glibc 2.17 up to that of Debian 12; pip takes the newest that exists.
_GLIBC_MINORS = (36, 35, 34, 31, 28, 27, 26, 24, 17)
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_WHAT_PYTHON = "import sys; print('%d.%d' % sys.version_info[:2])"


class BuildError(Exception):
    """The image could not be built; the message says what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Builds the image unless it exists; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.image_build", description=__doc__)
    shown = "(default: %(default)s)"
    parser.add_argument("--base", default=OFFICIAL_BASE, help=f"image with Python 3.11 {shown}")
    parser.add_argument("--work", type=Path, default=_cache_folder(), help=f"for wheels {shown}")
    parser.add_argument("--domain", default=DEFAULT, help=f"name or folder {shown}")
    options = parser.parse_args(arguments)
    try:
        domain = find_domain(options.domain)
        tag = image_tag(domain=domain)
        _require_engine()
        if _run("docker", "image", "inspect", tag, check=False).returncode == 0:
            print(f"image: {tag} is there")
            return 0
        print(f"image: building {tag} on {options.base}", flush=True)
        built = build_image(options.base, options.work, domain=domain, latest=domain.is_shipped)
    except (BuildError, InputError) as error:
        print(f"image: {error}", file=sys.stderr)
        return EXIT_UNAVAILABLE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    print(f"image: {built} is ready")
    return 0


def _require_engine() -> None:
    try:
        engine_address(os.environ)  # the docker command uses the same one
    except SandboxUnavailable as error:
        raise BuildError(str(error)) from error
    answer = _run("docker", "version", "--format", "{{.Server.Version}}", check=False)
    if answer.returncode != 0:
        reason = _last_line(answer.stderr)
        raise BuildError(
            f"no Docker engine answers ({reason}); start it, in a checkout with `make engine`"
        )


def build_image(
    base: str,
    work: Path,
    root: Path | None = None,
    *,
    domain: Domain | None = None,
    latest: bool = True,
) -> str:
    """Builds the image of the simulator under `root` on `base` and returns its tag.

    A `domain` that is not shipped is put in beside it.

    The wheels are cached in `work`. With `latest` the image also gets the tag `latest`.
    """
    root = package_root() if root is None else root
    work.mkdir(parents=True, exist_ok=True)
    machine, python = _platform_of(base)
    with tempfile.TemporaryDirectory(dir=work, prefix="context-") as folder:
        context = Path(folder)
        (context / DOMAINS).mkdir()
        files = (*simulator_files(root), *extra_files(domain), *recipe_files(root))
        for name, path in files:
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, context / name)
        shutil.copytree(_site(context / WHEELS_LOCK, machine, python, work), context / "site")
        # Hashed from the copy, as the original files may change meanwhile.
        extra = next((context / DOMAINS).iterdir(), None)
        copied = None if extra is None else open_domain(extra)
        source = source_hash(context, copied)
        tags = [image_tag(context, copied), *([f"{REPOSITORY}:latest"] if latest else [])]
        _docker_build(context, base, source, tags)
    return tags[0]


def _platform_of(base: str) -> tuple[str, str]:
    """The machine and the Python version ("3.11") of the base image, which is pulled if missing."""
    inspect = ("docker", "image", "inspect", "--format", "{{.Architecture}}", base)
    if _run(*inspect, check=False).returncode != 0:
        pulled = _run("docker", "pull", base, check=False)
        if pulled.returncode != 0:
            reason = _last_line(pulled.stderr)
            raise BuildError(
                f"base image {base!r} does not exist here and cannot be pulled ({reason}); "
                "in a checkout `make base` makes one from Debian's packages; name it with --base"
            )
    machine = _run(*inspect).stdout.strip()
    run = ("docker", "run", "--rm", "--network", "none", "--entrypoint", "python3", base)
    return _MACHINES.get(machine, machine), _run(*run, "-c", _WHAT_PYTHON).stdout.strip()


def _site(lock: Path, machine: str, python: str, work: Path) -> Path:
    """A folder with the locked wheels unpacked, fetched once per lock, machine and Python."""
    key = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    site = work / f"site-{key}-{machine}-py{python}"
    if site.is_dir():
        return site
    if importlib.util.find_spec("pip") is None:
        raise BuildError(
            f"{sys.prefix} has no pip, which fetches the wheels of the image: install pip there, "
            "then type the same command again"
        )
    with tempfile.TemporaryDirectory(dir=work, prefix="wheels-") as folder:
        wheels, unpacked = Path(folder, "wheels"), Path(folder, "site")
        platforms = [f"manylinux_2_{minor}_{machine}" for minor in _GLIBC_MINORS]
        _run(
            *(
                sys.executable,
                "-P",
                "-m",
                "pip",
                "download",
                "--quiet",
                "--disable-pip-version-check",
            ),
            *("--no-deps", "--require-hashes", "--only-binary", ":all:"),
            *("--implementation", "cp", "--python-version", python),
            *(word for platform in platforms for word in ("--platform", platform)),
            *("--dest", str(wheels), "--requirement", str(lock)),
        )
        for wheel in sorted(wheels.glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(unpacked)
        for tests in [path for path in unpacked.rglob("tests") if path.is_dir()]:
            shutil.rmtree(tests, ignore_errors=True)
        unpacked.rename(site)
    return site


def _docker_build(context: Path, base: str, source: str, tags: list[str]) -> None:
    """Runs `docker build` with the classic builder, which sees local bases, else with BuildKit."""
    command = [
        *("docker", "build", "--quiet", "--network", "none", "--file", str(context / DOCKERFILE)),
        *("--build-arg", f"BASE={base}", "--build-arg", f"SOURCE={source}"),
        *("--build-arg", f"VERSION={_version()}"),
        *(word for tag in tags for word in ("--tag", tag)),
        str(context),
    ]
    complaints = []
    for buildkit in ("0", "1"):
        done = _run(*command, check=False, environment={"DOCKER_BUILDKIT": buildkit})
        if done.returncode == 0:
            return
        complaints.append(f"DOCKER_BUILDKIT={buildkit}: {_last_line(done.stderr)}")
    raise BuildError(f"docker build of {tags[0]} on {base} failed ({'; '.join(complaints)})")


def _run(
    *command: str, check: bool = True, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command and captures its output; raises BuildError when it is missing or fails."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **(environment or {})},
        )
    except FileNotFoundError as error:
        raise BuildError(
            f"the command {command[0]!r} is missing: install it, in a checkout with `make engine`"
        ) from error
    if check and done.returncode != 0:
        reason = _last_line(done.stderr or done.stdout)
        raise BuildError(f"{' '.join(command[:3])} failed: {reason}")
    return done


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no message"


def _version() -> str:
    try:
        return importlib.metadata.version("assay")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "assay" / "image"


if __name__ == "__main__":
    sys.exit(main())

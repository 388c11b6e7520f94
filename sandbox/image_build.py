"""Builds the cell's image unless it exists: `assay image`, or this module as a program.

The build containers have no network. The host's pip, or else uv, fetches the wheels for the
platform and the Python of the base image, checked against the hashes of `requirements-image.lock`;
they are unpacked here and copied in. What an interrupt leaves is a cache: the tag comes last.
"""

import argparse
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
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
from simulator.whole_files import draft_folder

OFFICIAL_BASE = "python:3.11-slim-bookworm"
EXIT_UNAVAILABLE = 4
EXIT_INTERRUPTED = 130

# Wheels for glibc 2.17 up to that of Debian 12; pip takes the newest that exists.
_GLIBC_MINORS = (36, 35, 34, 31, 28, 27, 26, 24, 17)
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
STEPS = 3
_WHAT_PYTHON = "import sys; print('%d.%d' % sys.version_info[:2])"


Told = Callable[[str, int, int], None]


class BuildError(Exception):
    """The image could not be built; the message says what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Builds the image unless it exists; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.image_build", description=__doc__)
    shown = "(default: %(default)s)"
    parser.add_argument("--base", default=OFFICIAL_BASE, help=f"image with Python 3.11 {shown}")
    parser.add_argument("--work", type=Path, default=cache_folder(), help=f"for wheels {shown}")
    parser.add_argument("--domain", default=DEFAULT, help=f"name or folder {shown}")
    options = parser.parse_args(arguments)
    try:
        tag, is_new = ensure_image(options.base, options.work, find_domain(options.domain), _say)
    except (BuildError, InputError) as error:
        print(f"image: {error}", file=sys.stderr)
        return EXIT_UNAVAILABLE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    print(f"image: {tag} is {'ready' if is_new else 'there'}")
    return 0


def _say(what: str, done: int, total: int) -> None:
    print(f"image: {what} ({done + 1} of {total})", flush=True)


def ensure_image(base: str, work: Path, domain: Domain, told: Told) -> tuple[str, bool]:
    """Builds the image of a domain unless it exists; returns its tag and whether it is new.

    `told` is called with each step, how many are done, and how many there are.
    """
    tag = image_tag(domain=domain)
    _require_engine()
    if _run("docker", "image", "inspect", tag, check=False).returncode == 0:
        return tag, False
    return build_image(base, work, domain=domain, latest=domain.is_shipped, told=told), True


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
    told: Told = lambda what, done, total: None,
) -> str:
    """Builds the image of the simulator under `root` on `base` and returns its tag.

    A `domain` that is not shipped is put in beside it.

    The wheels are cached in `work`. With `latest` the image also gets the tag `latest`.
    """
    root = package_root() if root is None else root
    work.mkdir(parents=True, exist_ok=True)
    told(f"looking at the base {base}", 0, STEPS)
    machine, python = _platform_of(base)
    told("fetching the libraries", 1, STEPS)
    with draft_folder(work) as context:
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
        told("building the image", 2, STEPS)
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
    with draft_folder(work) as folder:
        unpacked = folder / "site"
        if importlib.util.find_spec("pip") is not None:
            _with_pip(lock, machine, python, unpacked)
        elif (uv := shutil.which("uv")) is not None:
            _with_uv(uv, lock, machine, python, unpacked)
        else:
            raise BuildError(
                f"{sys.prefix} has no pip, which fetches the wheels of the image, and there is no "
                "uv: install one of them, then type the same command again"
            )
        for tests in [path for path in unpacked.rglob("tests") if path.is_dir()]:
            shutil.rmtree(tests, ignore_errors=True)
        unpacked.rename(site)
    return site


def _with_pip(lock: Path, machine: str, python: str, unpacked: Path) -> None:
    wheels = unpacked.with_name("wheels")
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in _GLIBC_MINORS]
    _run(
        *(sys.executable, "-P", "-m", "pip", "download", "--quiet"),
        *("--disable-pip-version-check", "--no-deps", "--require-hashes"),
        *("--only-binary", ":all:", "--implementation", "cp", "--python-version", python),
        *(word for platform in platforms for word in ("--platform", platform)),
        *("--dest", str(wheels), "--requirement", str(lock)),
    )
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked)


def _with_uv(uv: str, lock: Path, machine: str, python: str, unpacked: Path) -> None:
    """As `uv tool install` has no pip beside it; uv unpacks at once."""
    _run(
        *(uv, "--quiet", "pip", "install", "--no-deps", "--require-hashes", "--no-config"),
        *("--only-binary", ":all:", "--python-version", python, "--no-compile-bytecode"),
        *("--python-platform", f"{machine}-manylinux_2_{_GLIBC_MINORS[0]}"),
        *("--link-mode", "copy", "--target", str(unpacked), "--requirement", str(lock)),
    )


def _docker_build(context: Path, base: str, source: str, tags: list[str]) -> None:
    """Runs `docker build` with the classic builder, which sees local bases, else with BuildKit."""
    command = [
        *("docker", "build", "--quiet", "--force-rm", "--network", "none"),
        *("--file", str(context / DOCKERFILE)),
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


def cache_folder() -> Path:
    """The folder in which fetched libraries are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "assay" / "image"


if __name__ == "__main__":
    sys.exit(main())

"""Names the cell's image by a hash of its content, so that no outdated image is used."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from simulator.domain import Domain, domain_files

REPOSITORY = "assay-sim"
DOCKERFILE = "Dockerfile.sim"
WHEELS_LOCK = "requirements-image.lock"
HOME_IN_IMAGE = "/opt/assay"
DOMAINS = "domains"
"""Where the image has a domain that is not shipped."""

# Traces reach a cell with its job, and caches are not source.
_LEFT_OUT = frozenset({"__pycache__", "_traces"})


def image_tag(root: Path | None = None, domain: Domain | None = None) -> str:
    """The tag of this simulator's image."""
    return f"{REPOSITORY}:{source_hash(root, domain)[:12]}"


def build_command(domain: Domain | None = None) -> str:
    """Return the command that builds the image of a domain, as a person types it."""
    if domain is not None and not domain.is_shipped:
        return f"assay image --domain {quote(str(domain.root))}"
    in_checkout = (package_root() / "Makefile").is_file()
    return "make image" if in_checkout else "assay image"


def source_hash(root: Path | None = None, domain: Domain | None = None) -> str:
    """The sha256 of our files in the image: simulator, Dockerfile and lock file of the wheels.

    `root` is the folder that holds the `simulator` package, by default this package's. A checkout
    and an installed package of the same version give the same hash.
    """
    root = package_root() if root is None else root
    digest = hashlib.sha256()
    for name, path in (*simulator_files(root), *extra_files(domain), *recipe_files(root)):
        data = path.read_bytes()
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()


def package_root() -> Path:
    """The folder that holds our packages: the checkout, or site-packages."""
    return Path(__file__).resolve().parent.parent


def simulator_files(root: Path) -> Iterator[tuple[str, Path]]:
    """The simulator's files that go into the image, as (name below `root`, path), in order."""
    found = []
    for path in (root / "simulator").rglob("*"):
        inside = path.relative_to(root)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.is_file() and not hidden and _LEFT_OUT.isdisjoint(inside.parts):
            found.append((inside.as_posix(), path))
    yield from sorted(found)


def extra_files(domain: Domain | None) -> Iterator[tuple[str, Path]]:
    """Yield the files of a domain that is not shipped, as (name in the build context, path)."""
    if domain is not None and not domain.is_shipped:
        for name, path in domain_files(domain.root):
            yield f"{DOMAINS}/{_home_of(domain)}/{name}", path


def folder_in_image(domain: Domain) -> str:
    """Return the folder of a domain in the image that is built for it."""
    if domain.is_shipped:
        return f"{HOME_IN_IMAGE}/simulator/domains/{domain.root.name}"
    return f"{HOME_IN_IMAGE}/{DOMAINS}/{_home_of(domain)}"


def _home_of(domain: Domain) -> str:
    """Return the name of a domain's folder in an image, the same in all of its roles."""
    return Domain(domain.root).name


def recipe_files(root: Path) -> Iterator[tuple[str, Path]]:
    """The image's Dockerfile and lock file; an installed package has them in `sandbox/_image`."""
    for name in (DOCKERFILE, WHEELS_LOCK):
        beside = root / name
        yield name, beside if beside.is_file() else root / "sandbox" / "_image" / name

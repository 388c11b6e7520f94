"""Names the cell's image by a hash of its content, so that no outdated image is used."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = "assay-sim"
DOCKERFILE = "Dockerfile.sim"
WHEELS_LOCK = "requirements-image.lock"

# Traces reach a cell with its job, and caches are not source.
_LEFT_OUT = frozenset({"__pycache__", "_traces"})


def image_tag(root: Path | None = None) -> str:
    """The tag of this simulator's image."""
    return f"{REPOSITORY}:{source_hash(root)[:12]}"


def source_hash(root: Path | None = None) -> str:
    """The sha256 of our files in the image: simulator, Dockerfile and lock file of the wheels.

    `root` is the folder that holds the `simulator` package, by default this package's. A checkout
    and an installed package of the same version give the same hash.
    """
    root = package_root() if root is None else root
    digest = hashlib.sha256()
    for name, path in (*simulator_files(root), *recipe_files(root)):
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


def recipe_files(root: Path) -> Iterator[tuple[str, Path]]:
    """The image's Dockerfile and lock file; an installed package has them in `sandbox/_image`."""
    for name in (DOCKERFILE, WHEELS_LOCK):
        beside = root / name
        yield name, beside if beside.is_file() else root / "sandbox" / "_image" / name

"""Names the cell's image by what goes into it, so that no simulator runs from an old image."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = "assay-sim"
DOCKERFILE = "Dockerfile.sim"
WHEELS_LOCK = "requirements-image.lock"

# Traces reach a cell with its job, and caches are not source.
_LEFT_OUT = frozenset({"__pycache__", "_traces"})


def image_tag(root: Path | None = None) -> str:
    """The tag under which the image of this simulator is looked for and built."""
    return f"{REPOSITORY}:{source_hash(root)[:12]}"


def source_hash(root: Path | None = None) -> str:
    """The sha256 over everything of ours in the image: simulator, recipe and locked wheels.

    `root` is the folder that holds the `simulator` package; without it, the one this package is
    in. A checkout and an installed package of the same version give the same hash.
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
    """The Dockerfile and the lock file of the image, which a wheel carries inside this package."""
    for name in (DOCKERFILE, WHEELS_LOCK):
        beside = root / name
        yield name, beside if beside.is_file() else root / "sandbox" / "_image" / name

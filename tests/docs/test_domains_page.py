"""The page about domains keeps its word: what it shows makes the domain of our tests, and runs."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandbox.image import image_tag
from simulator.domain import open_domain
from tests.docs.pages import DOCS, blocks, follow, follows
from tests.support.cells import ROOT
from tests.support.domains import TOY_FOLDER

PAGE = DOCS / "domains.md"
PIP_HERE = (
    "python -m pip install --quiet --no-deps --no-index --no-build-isolation --target site .\n"
    "export PYTHONPATH=$PWD/site${PYTHONPATH:+:$PYTHONPATH}"
)


@pytest.mark.docker
@follows(PAGE, "sh", "python", "toml")
def test_a_domain_made_from_the_page_runs_in_every_way_it_names(tmp_path: Path) -> None:
    base = subprocess.run(
        [ROOT / "scripts" / "base-image.sh", "--name"], capture_output=True, text=True, check=True
    ).stdout.strip()
    build = "assay image"
    changes = {
        build: f"{build} --base {base} --work {ROOT / '.assay-setup' / 'image'}",
        "pip install .": PIP_HERE,
        "--name mine --candidates 4": "--name mine --candidates 1",
    }

    with image_removed(tmp_path / "my_queue"):
        outputs = [shown.output for shown in follow(PAGE, tmp_path, changes=changes)]

    checked = blocks(PAGE, "text")[0].text
    assert checked in outputs
    assert "one-server" in outputs[-1]
    assert "cannot be used" not in outputs[-1]
    assert made(tmp_path / "my_queue") == made(TOY_FOLDER)


@contextmanager
def image_removed(folder: Path) -> Iterator[None]:
    """Remove the image of a domain at the end."""
    yield
    tag = image_tag(domain=open_domain(folder))
    subprocess.run(["docker", "image", "rm", tag], capture_output=True)


def made(folder: Path) -> dict[str, str]:
    """Return the files of a domain, without the line that names a file on the page."""
    found = {}
    for path in folder.rglob("*"):
        name = os.fspath(path.relative_to(folder))
        if path.is_file() and "__pycache__" not in name:
            text = path.read_text(encoding="utf-8")
            found[name] = text.removeprefix(f"# my_queue/{name}\n")
    return found

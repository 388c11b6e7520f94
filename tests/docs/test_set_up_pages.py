"""What the pages for those who set up, change or spread Assay tell to type is typed."""

import shutil
import sys
from pathlib import Path

import pytest

from flows.settings.search import load_config
from tests.docs.left_out import LEFT_OUT
from tests.docs.pages import DOCS, ROOT, blocks, follows, type_in, typed

CONTRIBUTING = ROOT / "CONTRIBUTING.md"
OF_A_CHECKOUT = ("Makefile", "pyproject.toml", "requirements.lock", ".pre-commit-config.yaml")


@pytest.mark.docker
@follows(CONTRIBUTING, "sh", holding="make setup")
def test_set_up_finds_all_done_and_the_hooks_get_into_a_checkout(tmp_path: Path) -> None:
    [shown] = [block for block in blocks(CONTRIBUTING, "sh") if "make setup" in block.text]
    setup, hooks = typed(shown, {}).splitlines()
    type_in("git init --quiet", tmp_path)
    for name in OF_A_CHECKOUT:
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / ".venv").symlink_to(sys.prefix)

    done = type_in(setup, ROOT)
    hooked = type_in(hooks, tmp_path, {"ASSAY_VENV": str(ROOT / ".venv")})

    assert "venv: up to date" in done and "is there" in done
    assert "venv: up to date" in hooked
    assert "pre-commit" in (tmp_path / ".git" / "hooks" / "pre-commit").read_text(encoding="utf-8")


@follows(CONTRIBUTING, "sh", holding="make lock")
def test_what_moves_the_pins_is_left_out_by_name() -> None:
    [shown] = [block for block in blocks(CONTRIBUTING, "sh") if "make lock" in block.text]

    assert typed(shown, {}) == ""
    assert set(shown.lines()) <= set(LEFT_OUT)


@follows(DOCS / "scale-out.md", "toml")
def test_the_configurations_of_clusters_are_read(tmp_path: Path) -> None:
    read = {}
    for shown in blocks(DOCS / "scale-out.md", "toml"):
        path = tmp_path / str(shown.file_name)
        path.write_text(shown.take(), encoding="utf-8")
        read[path.name] = load_config(path, {})

    own, shared = read["cluster.toml"], read["search.toml"]
    assert (own.slots, own.runner.kind, own.runner.workers) == (8, "dask", 8)
    assert (shared.runner.kind, shared.runner.address) == ("dask", "tcp://one:8786")


@follows(DOCS / "scale-out.md", "sh", holding="db rebuild")
def test_a_copy_of_the_journal_is_a_backup(tmp_path: Path) -> None:
    page = DOCS / "scale-out.md"
    [shown] = [block for block in blocks(page, "sh") if "db rebuild" in block.text]
    shutil.copytree(DOCS / "sample-history", tmp_path / ".assay")
    count = "assay sql 'select count(*) from evaluations'"

    type_in(typed(shown, {}), tmp_path)

    assert type_in(f"ASSAY_HOME=backup {count}", tmp_path) == type_in(count, tmp_path)

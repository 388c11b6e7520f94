"""What the README says is done here: its commands are run, its links lead somewhere."""

import re
import shlex
from pathlib import Path

import pytest

from tests.support.command import assay
from tests.support.model_server import ModelServer, policy

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
COMMANDS = [line.split(" #")[0].strip() for line in SHELL.splitlines() if line.startswith("assay ")]
WITH_A_MODEL = [command for command in COMMANDS if "--base-url" in command]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme") / ".assay"


@pytest.mark.docker
@pytest.mark.prefect
@pytest.mark.timeout(600)
def test_the_commands_work_one_after_another(home: Path) -> None:
    for command in COMMANDS:
        if command in WITH_A_MODEL:
            continue

        words = shlex.split(command)[1:]
        done = assay(*words, home=home, timeout=500, folder=home.parent)

        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert done.stdout.strip()


@pytest.mark.docker
@pytest.mark.prefect
@pytest.mark.timeout(600)
def test_the_command_with_a_model_works(home: Path) -> None:
    (command,) = WITH_A_MODEL
    source = (ROOT / "simulator" / "policies" / "naive.py").read_text(encoding="utf-8")

    with ModelServer(policy(source)) as server:
        words = [server.url if word.startswith("http") else word for word in shlex.split(command)]
        done = assay(*words[1:], home=home, timeout=500, OPENAI_API_KEY="sk-of-the-readme")

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert len(server.requests) == 3


def test_the_readme_names_targets_that_exist() -> None:
    named = set(re.findall(r"^make (\w+)", SHELL, re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert named == {"demo", "test"}
    assert all(f"\n{target}:" in makefile for target in named)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = [t for t in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in t]

    missing = [target for target in targets if not (page.parent / target).exists()]

    assert missing == []

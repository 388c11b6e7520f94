"""Assay as people install it: from a wheel or an sdist, by pip or uv, with each extra, each anew.

Every installation has an environment of its own outside the checkout, and works in an empty folder.
"""

import json
import os
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, blocks, follows
from tests.setup.fake_programs import ROOT

pytestmark = [pytest.mark.nightly, pytest.mark.docker, pytest.mark.timeout(1800)]

PAGE = DOCS / "install.md"
UV = Path(sys.executable).with_name("uv")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = sorted(PROJECT["optional-dependencies"].keys() - {"dev"})
AGENT = """
import sys, anyio
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters

async def main():
    server = StdioServerParameters(command=sys.argv[1], args=["mcp"])
    async with Client(server) as client:
        print(*sorted(each.name for each in (await client.list_tools()).tools))

anyio.run(main)
"""
INSPECT = """
from inspect_ai import eval
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from flows.inspect_task import write_policy

output = ModelOutput.from_content("mockllm/model", "I do not know.")
output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
model = get_model("mockllm/model", custom_outputs=[output])
(log,) = eval(write_policy(), model=model, log_dir="logs", display="none")
print(log.status, *(name for name in log.samples[0].scores))
"""
DASK = ("run", "--candidates", "1", "--set", "runner.kind=dask", "--set", "runner.workers=1")
Use = Callable[["Installed"], None]


class Installed:
    """An installation: its programs, and an empty folder in which they run."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        folder.mkdir()

    def type(self, *words: str) -> str:
        """Return what a program of the installation prints."""
        program = self.programs / words[0]
        return printed([str(program), *words[1:]], self.folder, PATH=path_with(self.programs))


def path_with(programs: Path) -> str:
    """The PATH of a shell in which an environment is active, and uv is there."""
    return os.pathsep.join([str(programs), str(UV.parent), os.environ["PATH"]])


def printed(words: Sequence[str], folder: Path, **variables: str) -> str:
    left_out = ("ASSAY_", "PYTHON", "PREFECT_", "VIRTUAL_ENV")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    done = subprocess.run(
        words, cwd=folder, env={**kept, **variables}, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, f"{words}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel and the sdist of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    printed([sys.executable, "-m", "hatchling", "build", "-d", str(folder)], ROOT)
    return {
        "wheel": next(folder.glob("assay-*.whl")),
        "sdist": next(folder.glob("assay-*.tar.gz")),
    }


@pytest.fixture(scope="module")
def index() -> dict[str, str]:
    """What tells uv the index that pip is configured with."""
    pip = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    known = subprocess.run(pip, capture_output=True, text=True).stdout.strip()
    chosen = os.environ.get("PIP_INDEX_URL", known)
    return {"UV_SYSTEM_CERTS": "true", **({"UV_DEFAULT_INDEX": chosen} if chosen else {})}


def by_uv(what: str, folder: Path, index: dict[str, str]) -> Installed:
    """Install into a new environment without pip."""
    folder.mkdir(exist_ok=True)
    python = folder / "env" / "bin" / "python"
    printed([str(UV), "venv", "--quiet", "--python", sys.executable, "env"], folder)
    install = [str(UV), "pip", "install", "--quiet", "--python", str(python), what]
    printed(install, folder, **index)
    return Installed(python.parent, folder / "empty")


def by_pip(what: Path, folder: Path) -> Installed:
    """Install with the pip of a new environment."""
    printed([sys.executable, "-m", "venv", "env"], folder)
    python = folder / "env" / "bin" / "python"
    printed([str(python), "-m", "pip", "install", "--quiet", str(what)], folder)
    return Installed(python.parent, folder / "empty")


def base_image() -> str:
    """The base image that this machine has, from a registry or from Debian's packages."""
    return printed([str(ROOT / "scripts" / "base-image.sh"), "--name"], ROOT).strip()


def try_it(installed: Installed) -> None:
    """Do what a new user does next, in the folder in which the page was followed so far."""
    version = installed.type("assay", "--version")
    assert version == f"assay, version {PROJECT['version']}\n"
    build_one_of_its_own(
        installed, ("assay", "image", "--base", base_image(), "--work", "libraries")
    )
    tried = json.loads(installed.type("assay", "evaluate", "my_policy.py", "--json"))
    assert tried["outcome"] == "ok" and tried["score"] > 0 and tried["cell"]["image_id"]
    installed.type("assay", "run", "--direct", "--candidates", "1", "--name", "first")
    assert "first" in installed.type("assay", "sql", "from leaderboard", "--format", "csv")
    assert "canaries" in installed.type("assay", "docs", "security")


def build_one_of_its_own(installed: Installed, build: Sequence[str]) -> None:
    """Build an image that nobody has, so that the libraries are fetched, and remove it."""
    installed.type("assay", "domains", "new", "own")
    (installed.folder / "own" / "contract.md").write_text(f"{uuid.uuid4()}\n")
    said = installed.type(*build, "--domain", "./own").split()
    assert (said[0], said[-1]) == ("image:", "ready")
    subprocess.run(["docker", "image", "rm", said[1]], capture_output=True, check=True)


@follows(PAGE, "sh")
def test_the_page_installs_with_pip_and_as_a_tool_without_pip(
    tmp_path: Path, index: dict[str, str]
) -> None:
    build, with_pip, as_tool, first = [each.take() for each in blocks(PAGE, "sh")]
    tools = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    there = path_with(Path(sys.executable).parent)

    typed(build.replace("-d dist", f"-d {tmp_path / 'dist'}"), ROOT, PATH=there)
    typed(with_pip, tmp_path, PATH=there)
    typed(as_tool, tmp_path, PATH=there, UV_PYTHON=sys.executable, **tools, **index)

    for number, programs in enumerate((tmp_path / "assay-env" / "bin", tmp_path / "bin")):
        installed = Installed(programs, tmp_path / f"empty-{number}")
        here = first.replace("assay image", f"assay image --base {base_image()}")
        said = typed(here, installed.folder, PATH=path_with(programs))
        assert "untrusted policies are contained here" in said and "score: " in said
        try_it(installed)


def typed(commands: str, folder: Path, **variables: str) -> str:
    """Return what commands print that are typed in a folder."""
    return printed(["bash", "-euo", "pipefail", "-c", commands], folder, **variables)


def test_pip_installs_an_sdist(built: dict[str, Path], tmp_path: Path) -> None:
    installed = by_pip(built["sdist"], tmp_path)

    installed.type("assay", "init")
    try_it(installed)


def use_mcp(installed: Installed) -> None:
    tools = installed.type("python", "-c", AGENT, str(installed.programs / "assay"))
    assert {"evaluate_policy", "ask_sql"} <= set(tools.split())


def use_inspect(installed: Installed) -> None:
    assert installed.type("python", "-c", INSPECT) == "success policy_score\n"


def use_dask(installed: Installed) -> None:
    assert "all 1 candidates were tried" in installed.type("assay", *DASK)


USES: dict[str, Use] = {"dask": use_dask, "inspect": use_inspect, "mcp": use_mcp}
"""The smallest use of each extra."""


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_brings_what_it_is_for(
    built: dict[str, Path], tmp_path: Path, index: dict[str, str], extra: str
) -> None:
    installed = by_uv(f"{built['wheel']}[{extra}]", tmp_path, index)

    USES[extra](installed)

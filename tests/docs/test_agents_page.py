"""The page about agents: its configuration starts a server, its program talks to one."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from flows.agents.tools import Tools
from flows.cli.policies import starter_policy
from flows.history.store import query
from simulator.domain import find_domain
from tests.docs.pages import DOCS, blocks, follows, run_python, type_in, typed
from tests.support.agents import environment, over_http
from tests.support.small_suite import write_suite

PAGE = DOCS / "agents.md"
SERVER = "assay mcp --http "


def test_every_tool_is_on_the_page_with_its_own_name() -> None:
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]

    named = [word.strip("`,") for row in rows for word in row.split("|")[1].split()]
    assert sorted(named) == sorted(Tools.ALL)


@pytest.mark.slow
@follows(PAGE, "json")
def test_the_configuration_of_a_client_starts_a_server(tmp_path: Path) -> None:
    from mcp import Client  # takes a second, which tests that are left out need not cost
    from mcp.client.stdio import StdioServerParameters

    (block,) = blocks(PAGE, "json")
    entry: dict[str, Any] = json.loads(block.take())["mcpServers"]["assay"]
    assert (entry["command"], list(entry["env"])) == ("assay", ["ASSAY_HOME"])
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "flows.cli", *entry["args"], "--cell", "process"],
        env=environment(tmp_path),
    )

    async def main() -> list[str]:
        with anyio.fail_after(240):
            async with Client(server) as client:
                return [tool.name for tool in (await client.list_tools()).tools]

    assert anyio.run(main) == list(Tools.ALL)


@pytest.mark.slow
@follows(PAGE, "sh", "python")
def test_a_program_talks_to_the_server_and_sql_finds_what_it_tried(tmp_path: Path) -> None:
    (tmp_path / "my_policy.py").write_text(starter_policy(find_domain()), "utf-8")
    home, suite = tmp_path / ".assay", write_suite(tmp_path, {"train": (1,)}, duration=10)
    install, serve, ask = blocks(PAGE, "sh")
    assert typed(install, {}).strip() == ""
    options = serve.take().split(SERVER)[1].split()
    (program,) = blocks(PAGE, "python")

    with over_http(home, suite, *options) as (address, _):
        assert "http://127.0.0.1:8765/mcp" in program.text
        said = run_python(program.take().replace("http://127.0.0.1:8765/mcp", address), tmp_path)
        assert "1 of 200 trials" in said

    answer = type_in(ask.take(), tmp_path)
    assert "mcp:mcp" in answer
    rows = query(home, "SELECT title FROM candidates WHERE iteration = 1").rows
    assert rows == (("mine",),)


def test_without_the_extra_the_command_says_what_to_install(tmp_path: Path) -> None:
    """A folder that comes first has no such package: as where the extra is not installed."""
    hide = "import sys; sys.modules['mcp'] = None; from flows.cli.main import main; main(['mcp'])"

    done = subprocess.run(
        [sys.executable, "-c", hide],
        env={**os.environ, **environment(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    assert "pip install 'assay[mcp]'" in done.stderr and "Traceback" not in done.stderr

"""The server for agents, spoken to by the client of the official package."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from flows.cli.policies import starter_policy
from flows.history.store import query
from flows.report.page import write_report
from simulator.domain import find_domain
from tests.attacks.confusing import CONFUSING
from tests.attacks.forging import FORGING
from tests.sandbox.callers import cells_of
from tests.support.agents import (
    SPIN,
    arguments,
    cells_of_server,
    environment,
    in_process,
    over_http,
    servers_of,
)
from tests.support.secret_history import ON_TEST, ON_VALIDATION, remember_secrets
from tests.support.small_suite import write_suite

if TYPE_CHECKING:  # it takes a second, in each process that collects tests
    from mcp.client.client import Client

STARTER = starter_policy(find_domain())
NAIVE = find_domain().policy_source("naive")
Talk = Callable[["Client"], Awaitable[None]]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    return write_suite(folder, {"train": (1,), "validation": (2,), "test": (3,)}, duration=10)


def client_of(server: Any, name: str = "test-agent", mode: str = "auto") -> Client:
    from mcp.client.client import Client
    from mcp_types import Implementation

    return Client(server, client_info=Implementation(name=name, version="1"), mode=mode)


def talk(server: Any, script: Talk, **named: str) -> None:
    """Let a client say what a script says, within a time that no machine needs."""

    async def main() -> None:
        with anyio.fail_after(240):
            async with client_of(server, **named) as client:
                await script(client)

    anyio.run(main)


async def ask(client: Client, tool: str, **given: Any) -> tuple[bool, str, Any]:
    """Return whether a call was refused, its words, and its data."""
    answer = await client.call_tool(tool, given)
    words: Any = answer.content[0]
    return answer.is_error, words.text, answer.structured_content


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await anyio.sleep(0.02)


@pytest.mark.slow
def test_an_agent_learns_tries_compares_and_finds_all_of_it_in_the_history(
    suite: Path, tmp_path: Path
) -> None:
    told: list[str] = []

    async def script(client: Client) -> None:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(listed["evaluate_policy"].input_schema["properties"]) == {
            "source", "title", "domain", "suite", "split",
        }  # fmt: skip
        for name in ("describe_domain", "list_policies"):
            refused, words, _ = await ask(client, name)
            assert not refused and "naive" in words, words

        refused, words, data = await ask(client, "evaluate_policy", source=STARTER, title="a\n<b>")
        assert not refused, words
        assert data["outcome"] == "ok" and data["correct"] and data["score"] > 0
        assert data["used"]["trials"] == 1 and "1 of 20 trials" in words
        assert "(1.0 is the naive baseline, higher is better)" in words
        again = (await ask(client, "evaluate_policy", source=STARTER))[2]
        assert again["tried_before"] and again["used"]["trials"] == 1

        policies = [data["candidate"][:12], "naive"]
        refused, words, compared = await ask(client, "compare_policies", policies=policies)
        assert not refused and len(compared["rows"]) == 2, words
        assert compared["used"]["trials"] == 1  # both are known

        shown = (await ask(client, "show_attempt", attempt="1/0"))[2]
        assert shown["source"] == STARTER and shown["origin"] == "mcp:test-agent"
        board = (await ask(client, "leaderboard"))[2]["rows"]
        assert {row["origin"] for row in board} == {"mcp:test-agent", "baseline"}
        sql = "SELECT count(*) FROM evaluations WHERE split = 'train'"
        assert (await ask(client, "ask_sql", statement=sql))[2]["rows"] == [[3]]
        told.append(data["experiment"])

        held = (await ask(client, "evaluate_policy", source=NAIVE, split="validation"))[2]
        assert held["split"] == "validation" and held["scores"] == {"small-2": 1.0}

    with in_process(tmp_path, suite, splits=("train", "validation")) as server:
        talk(server, script)

    (experiment,) = told
    rows = query(tmp_path, "SELECT name, status, proposer, strategy FROM experiments").rows
    assert rows == (("mcp-test-agent", "finished", "mcp:test-agent", "mcp"),) * 2
    sql = "SELECT title, iteration FROM candidates WHERE experiment_id = ? ORDER BY 2"
    titles = query(tmp_path, sql, [experiment]).rows
    assert titles == (("naive", 0), ("a <b>", 1))
    page = write_report(tmp_path, experiment).read_text("utf-8")
    assert "a &lt;b&gt;" in page and "completed every scenario" not in page


def test_what_is_wrong_with_a_call_is_an_answer_that_says_what_to_do(
    suite: Path, tmp_path: Path
) -> None:
    tries: list[tuple[str, dict[str, Any], str]] = [
        ("evaluate_policy", {"source": "x", "split": "test"}, "expected train or validation: test"),
        ("evaluate_policy", {"source": "x", "split": "validation"}, "start it with --validation"),
        ("evaluate_policy", {"sourc": "x"}, "no argument 'sourc', expected only domain, suite"),
        ("evaluate_policy", {}, "source is missing; the tool takes domain, suite, split, source"),
        ("evaluate_policy", {"source": 7}, "source is 7: input should be a valid string"),
        ("evaluate_policy", {"source": "x", "suite": str(suite)}, "expected one of mixed, paper"),
        ("evaluate_policy", {"source": "x", "domain": "./here"}, "domain is './here', expected"),
        ("compare_policies", {"policies": ["/etc/passwd"]}, "has '/etc/passwd', which is neither"),
        ("compare_policies", {"policies": []}, "policies is []"),
        ("show_policy", {"name": "../naive"}, "expected one of ageing"),
        ("show_attempt", {"attempt": "9/9"}, "no experiment yet in the history"),
        ("leaderboard", {"experiment": "night"}, "which has no attempt with a score"),
        ("ask_sql", {"statement": "FROM nothing"}, "Table with name nothing does not exist"),
        ("ask_sql", {"statement": "FROM read_text('/etc/passwd')"}, "disabled by configuration"),
        ("no_such_tool", {}, "expected one of describe_domain"),
    ]

    async def script(client: Client) -> None:
        for tool, given, words in tries:
            refused, said, _ = await ask(client, tool, **given)
            assert refused and words in said, (tool, given, said)
            assert "Traceback" not in said and str(tmp_path) not in said

    with in_process(tmp_path / "home", suite) as server:
        talk(server, script, mode="legacy")


def test_no_tool_tells_a_figure_on_test(suite: Path, tmp_path: Path) -> None:
    remember_secrets(tmp_path)
    heard: list[str] = []

    async def script(client: Client) -> None:
        async def hear(tool: str, **given: Any) -> Any:
            answer = await ask(client, tool, **given)
            heard.append(str(answer))
            return answer

        for name in ("leaderboard", "evaluations", "events", "generalisation_gap", "scenarios"):
            refused, words, _ = await hear("ask_sql", statement=f"FROM {name}")
            assert not refused, words
        for attempt in ("1/0", "best", "0/0"):
            for experiment in ("night", "folder"):
                await hear("show_attempt", attempt=attempt, experiment=experiment)
        for given in ({"experiment": "night"}, {"experiment": "folder"}, {}):
            await hear("leaderboard", **given)
        for suite_name in ("smoke", "small"):
            await hear("leaderboard", suite=suite_name, split="test")
            await hear("compare_policies", policies=["naive"], suite=suite_name, split="test")
            await hear("evaluate_policy", source=NAIVE, suite=suite_name, split="test")
        await hear("list_suites")

    with in_process(tmp_path, suite) as server:
        talk(server, script)

    assert len(heard) > 15 and any("smallest first" in each for each in heard)
    assert [each for each in heard if str(ON_TEST) in each or str(ON_VALIDATION) in each] == []
    assert str(ON_TEST) in str(query(tmp_path, "FROM evaluations").rows)


def test_a_suite_that_trains_on_a_scenario_of_its_test_is_refused(tmp_path: Path) -> None:
    path = write_suite(tmp_path, {"train": (1,), "test": (2,)}, duration=10)
    text = path.read_text("utf-8")
    again = "[[scenarios]]" + text.rpartition("[[scenarios]]")[2]
    path.write_text(text + again.replace("small-2", "x", 1).replace("test", "train"), "utf-8")

    async def script(client: Client) -> None:
        refused, words, _ = await ask(client, "evaluate_policy", source=NAIVE)
        assert refused and "small-2 is held back from clients, and the same scenario" in words

    with in_process(tmp_path / "home", path) as server:
        talk(server, script)


@pytest.mark.slow
def test_a_hostile_source_changes_nothing(suite: Path, tmp_path: Path) -> None:
    attacks = [
        next(each for each in FORGING if not each.honest),
        next(each for each in CONFUSING if not each.honest),
    ]

    async def script(client: Client) -> None:
        before = (await ask(client, "evaluate_policy", source=STARTER))[2]
        for attack in attacks:
            refused, words, data = await ask(client, "evaluate_policy", source=attack.source)
            assert not refused and not data["correct"], (attack.name, words)
            assert words.isprintable() or set(filter(lambda c: not c.isprintable(), words)) <= {
                "\n"
            }
        after = (await ask(client, "evaluate_policy", source=f"{STARTER}\n# again"))[2]
        assert (after["score"], after["scores"]) == (before["score"], before["scores"])

    with in_process(tmp_path, suite) as server:
        talk(server, script)


def test_the_limits_hold_over_calls_in_parallel(suite: Path, tmp_path: Path) -> None:
    answers: list[tuple[bool, str, Any]] = []

    async def script(client: Client) -> None:
        async def one(number: int) -> None:
            answers.append(await ask(client, "evaluate_policy", source=f"import os  # {number}"))

        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(one, number)

    with in_process(tmp_path, suite, trials=3) as server:
        talk(server, script)

    assert sorted(refused for refused, _, _ in answers) == [False] * 3 + [True] * 3
    assert all("all 3 trials of this session are used" in words for no, words, _ in answers if no)
    assert query(tmp_path, "SELECT count(*) FROM candidates WHERE iteration > 0").rows == ((3,),)


@pytest.mark.slow
def test_a_call_that_is_cancelled_ends_its_cell(suite: Path, tmp_path: Path) -> None:
    before = cells_of_server(os.getpid())

    async def script(client: Client) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(ask_to_spin, client)
            await until(lambda: cells_of_server(os.getpid()) - before)
            group.cancel_scope.cancel()
        await until(lambda: not cells_of_server(os.getpid()) - before)
        count = (await ask(client, "ask_sql", statement="SELECT count(*) FROM candidates"))[2]
        assert count["rows"] == [[1]]  # the reference
        assert (await ask(client, "evaluate_policy", source=STARTER))[2]["used"]["trials"] == 2

    with in_process(tmp_path, suite) as server:
        talk(server, script, mode="legacy")


async def ask_to_spin(client: Client) -> None:
    await ask(client, "evaluate_policy", source=SPIN)


@pytest.mark.slow
def test_over_stdio_a_client_hears_of_progress_and_leaves_nothing_behind(
    suite: Path, tmp_path: Path
) -> None:
    from mcp.client.stdio import StdioServerParameters

    program, *rest = arguments(suite)
    server = StdioServerParameters(command=program, args=rest, env=environment(tmp_path))
    heard: list[str] = []
    cells: set[int] = set()

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message or "")

    async def script(client: Client) -> None:
        answer = await client.call_tool("show_policy", {"name": "naive"})
        assert not answer.is_error
        async with anyio.create_task_group() as group:
            spin = {"source": SPIN, "title": "spins"}
            group.start_soon(lambda: client.call_tool("evaluate_policy", spin, None, hear))
            (pid,) = servers_of(suite)
            await until(lambda: cells_of_server(pid) and heard)
            cells.update(cells_of_server(pid))
            group.cancel_scope.cancel()  # and it goes away

    talk(server, script)

    assert "spins" in heard[-1] or "references" in heard[-1]
    assert servers_of(suite) == set()
    assert cells and [pid for pid in cells if Path(f"/proc/{pid}").exists()] == []
    status = query(tmp_path, "SELECT status FROM experiments").rows
    assert status == (("finished",),)


@pytest.mark.slow
def test_over_http_two_clients_share_the_limits_and_one_that_goes_leaves_no_cell(
    suite: Path, tmp_path: Path
) -> None:
    used: dict[str, int] = {}

    async def one(address: str, name: str, mode: str) -> None:
        async with client_of(address, name, mode) as client:
            data = (await ask(client, "evaluate_policy", source=STARTER))[2]
            used[name] = data["used"]["trials"]

    async def goes_away(address: str, pid: int) -> None:
        async with client_of(address, "third") as client, anyio.create_task_group() as group:
            group.start_soon(ask_to_spin, client)
            await until(lambda: cells_of_server(pid))
            group.cancel_scope.cancel()

    async def main(address: str, pid: int) -> None:
        with anyio.fail_after(240):
            async with anyio.create_task_group() as group:
                group.start_soon(one, address, "first", "auto")
                group.start_soon(one, address, "second", "legacy")
            await goes_away(address, pid)
            await until(lambda: not cells_of_server(pid))
            async with client_of(address, "fourth") as client:
                refused, words, _ = await ask(client, "evaluate_policy", source=STARTER)
                assert refused and "all 3 trials" in words

    with over_http(tmp_path, suite, "--trials", "3") as (address, server):
        anyio.run(main, address, server.pid)

    assert set(used.values()) <= {1, 2} and set(used) == {"first", "second"}
    names = query(tmp_path, "SELECT proposer FROM experiments ORDER BY 1").rows
    assert names == (("mcp:first",), ("mcp:second",), ("mcp:third",))


@pytest.mark.slow
def test_over_http_a_token_opens_the_door(suite: Path, tmp_path: Path) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    about = {"accept": "application/json, text/event-stream"}

    with over_http(tmp_path, suite, ASSAY_MCP_TOKEN="s3cret") as (address, _):
        without = httpx.post(address, json=ping, headers=about)
        wrong = httpx.post(address, json=ping, headers=about | {"authorization": "Bearer other"})
        right = httpx.post(address, json=ping, headers=about | {"authorization": "Bearer s3cret"})
        elsewhere = httpx.post(
            address, json=ping, headers=about | {"authorization": "Bearer s3cret", "host": "evil"}
        )

    assert (without.status_code, wrong.status_code) == (401, 401)
    assert right.status_code != 401
    assert elsewhere.status_code == 421


@pytest.mark.docker
def test_in_a_container_a_policy_is_tried_and_a_cancelled_one_leaves_none(
    suite: Path, tmp_path: Path
) -> None:
    before = cells_of()

    async def script(client: Client) -> None:
        refused, words, data = await ask(client, "evaluate_policy", source=STARTER)
        assert not refused and data["outcome"] == "ok", words
        async with anyio.create_task_group() as group:
            group.start_soon(ask_to_spin, client)
            await until(lambda: cells_of(running=True) - before)
            group.cancel_scope.cancel()
        await until(lambda: not cells_of() - before)

    with in_process(tmp_path, suite, cell="docker") as server:
        talk(server, script)

    assert cells_of() - before == set()
    isolation = query(tmp_path, "SELECT isolation FROM candidates WHERE iteration = 1").rows
    assert json.dumps(isolation) == '[["docker/full"]]'

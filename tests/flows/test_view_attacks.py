"""Attacks on ``assay view``: from other sites, other machines, and whoever may ask it in SQL."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.history.store import ingest
from flows.view.app import HEADERS, Door, Pages
from flows.view.live import MOST_LISTENERS
from tests.flows.test_read_only_sql import contents
from tests.flows.test_view import HERE, client_of
from tests.support.history_rows import one_of_each, remember
from tests.support.viewed import serving

TOKEN = "a-token-of-this-test-alone"
PATHS = ("/", "/experiment/night", "/compare", "/leaderboard", "/failures", "/spend", "/sql")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    remember(folder, one_of_each())
    ingest(folder)
    return folder


def test_a_name_that_points_here_by_dns_is_not_answered(home: Path) -> None:
    wrong = (
        "evil.example", "evil.example:8766", "127.0.0.1.evil.example", "localhost.evil.example",
        "", "127.0.0.1@evil.example", "evil.example#127.0.0.1", "10.0.0.1", "0.0.0.0", "[::2]:1",
        "127.0.0.1/evil", "localhost:80:80",
    )  # fmt: skip
    right = ("127.0.0.1", "127.0.0.1:1", "localhost:8766", "LOCALHOST", "[::1]:8766", "127.9.9.9")
    with client_of(home) as client:
        for path in (*PATHS, "/events", "/sql.csv?q=SELECT+1", "/static/view.js"):
            for host in wrong:
                assert client.get(path, headers={"host": host}).status_code == 421, (path, host)
        for host in right:
            assert client.get("/compare", headers={"host": host}).status_code == 200, host


def test_nothing_but_reading_is_routed_and_no_other_site_may_read(home: Path) -> None:
    with client_of(home) as client:
        for path in (*PATHS, "/sql.csv", "/events", "/static/view.js"):
            for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
                found = client.request(method, path, headers={"origin": "http://evil.example"})
                assert found.status_code == 405, (method, path)
        for path in (*PATHS, "/nothing", "/static/view.js", "/sql.csv"):
            found = client.get(path, headers={"origin": "http://evil.example"})
            assert HEADERS.items() <= dict(found.headers).items(), path
            assert not [name for name in found.headers if name.startswith("access-control")], path
    assert "unsafe" not in HEADERS["content-security-policy"]


def test_what_another_site_links_to_is_not_asked_until_a_person_says_so(home: Path) -> None:
    with client_of(home) as client:
        for site in ("cross-site", "same-site"):
            page = client.get(
                "/sql", params={"q": "SELECT 41 + 1"}, headers={"sec-fetch-site": site}
            )
            saved = client.get(
                "/sql.csv", params={"q": "SELECT 1"}, headers={"sec-fetch-site": site}
            )
            assert "was not asked yet" in page.text and "<td" not in page.text
            assert saved.status_code == 403
        asked = client.get("/sql?q=SELECT+41+%2B+1", headers={"sec-fetch-site": "same-origin"})
        assert '<td class="n">42</td>' in asked.text


def test_a_page_of_another_site_can_load_nothing_into_itself(home: Path) -> None:
    with client_of(home) as client:
        for path in (*PATHS, "/events", "/sql.csv?q=SELECT+1", "/static/view.js"):
            for mode in ("no-cors", "cors", "websocket"):
                asked = {"sec-fetch-site": "cross-site", "sec-fetch-mode": mode}
                assert client.get(path, headers=asked).status_code == 403, (path, mode)
        led = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
        assert client.get("/leaderboard", headers=led).status_code == 200


def test_beyond_this_machine_nobody_comes_in_without_the_token(home: Path) -> None:
    with client_of(home, TOKEN, only_here=False) as client:
        for path in (*PATHS, "/events", "/sql.csv?q=SELECT+1", "/nothing"):
            for headers in (
                {}, {"authorization": f"Bearer {TOKEN}x"}, {"authorization": f"Basic {TOKEN}"},
                {"authorization": "Bearer"}, {"cookie": f"assay-8766={TOKEN}"},
                {"cookie": f"assay-1={TOKEN}"}, {"cookie": "assay-8766"}, {"cookie": "a\x01;;=\""},
            ):  # fmt: skip
                found = client.get(path, headers=headers)
                assert found.status_code == 401, (path, headers)
                assert "night" not in found.text or path == "/experiment/night"
        assert client.get("/?token=").status_code == 401
        assert client.get(f"/?token={TOKEN[:-1]}").status_code == 401
        assert client.post(f"/?token={TOKEN}").status_code == 401
        assert client.get("/", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_the_token_becomes_a_cookie_and_leaves_the_address(home: Path) -> None:
    with client_of(home, TOKEN, only_here=False) as client:
        entered = client.get(f"/sql?q=SELECT+1&token={TOKEN}&x=%26")

        assert entered.status_code == 303
        assert entered.headers["location"] == "/sql?q=SELECT+1&x=%26"
        cookie = entered.headers["set-cookie"]
        assert TOKEN not in cookie and "HttpOnly" in cookie and "SameSite=lax" in cookie
        assert client.get("/leaderboard").status_code == 200
        for path in ("//evil.example/x", "/\\evil.example", "///evil.example"):
            there = client.get(f"{HERE}{path}?token={TOKEN}", headers={"cookie": ""})
            assert not re.match(r"[/\\]{2}|\w+:", there.headers.get("location", "/")), path


def test_an_address_reaches_no_file(home: Path) -> None:
    (home / "secret.txt").write_text("the secret", encoding="utf-8")
    paths = (
        "/static/../app.py", "/static/..%2f..%2fapp.py", "/static/%2e%2e/app.py",
        "/static/view.js/..", "/static/view.js%00", "/experiment/..%2f..%2fsecret.txt",
        "/experiment/%2e%2e/secret.txt", "/experiment//etc/passwd",
        f"/experiment/{home}/secret.txt", "/compare?c=../x:1/0&c=/etc:1/0",
    )  # fmt: skip
    with client_of(home) as client:
        for path in paths:
            found = client.get(path)
            assert found.status_code == 404, (path, found.status_code)
            assert "the secret" not in found.text and "root:" not in found.text


@pytest.mark.slow
def test_no_statement_reads_or_changes_a_file(
    home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text("a,b\n1,secret\n", encoding="utf-8")
    statements = (
        "COPY (SELECT 1) TO 'out.csv'",
        "WITH c AS (COPY (SELECT 1) TO 'mine.csv') FROM c",
        f"FROM read_csv('{tmp_path}/mine.csv')",
        "SELECT 1; DROP TABLE candidates",
    )
    before = contents(home, Path())
    with client_of(home) as client:
        for path in ("/sql", "/sql.csv"):
            for sql in statements if path == "/sql" else statements[:1]:
                found = client.get(path, params={"q": sql})
                assert "secret" not in found.text, sql
                assert "Not answered" in found.text or found.status_code == 400, sql

    assert contents(home, Path()) == before


@pytest.mark.slow
def test_large_and_deep_statements_are_refused_or_cut(home: Path) -> None:
    with client_of(home) as client:
        cut = client.get(
            "/sql", params={"q": "SELECT i, repeat('x', 3000) AS x FROM range(9999) t(i)"}
        )
        large = client.get("/sql", params={"q": "SELECT length(repeat('x', 3000000000))"})
        deep = client.get("/sql", params={"q": f"SELECT {'(' * 3900}1{')' * 3900}"})
        long = client.get("/sql", params={"q": f"SELECT '{'x' * 9000}'"})
        after = client.get("/sql", params={"q": "SELECT 1"})

    assert "the answer is cut after" in cut.text and len(cut.text) < 2_000_000
    for refused in (large, deep, long):
        assert "Not answered" in refused.text, refused.text[:2000]
    assert after.status_code == 200


def test_a_flood_of_listeners_is_turned_away_and_leaves_nothing_behind(home: Path) -> None:
    pages = Pages(home, str)
    app = pages.app(Door(token=None, only_here=True, port=8766))
    scope = {
        "type": "http", "method": "GET", "path": "/events", "raw_path": b"/events", "headers":
        [(b"host", b"localhost")], "query_string": b"", "http_version": "1.1", "scheme": "http",
        "server": ("127.0.0.1", 8766), "client": ("127.0.0.1", 1), "root_path": "",
    }  # fmt: skip
    statuses: list[int] = []

    async def listener() -> None:
        gone = asyncio.Event()

        async def receive() -> Any:
            await gone.wait()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await app(dict(scope), receive, send)

    async def flood() -> None:
        tasks = [asyncio.create_task(listener()) for _ in range(MOST_LISTENERS + 9)]
        while len(statuses) < len(tasks):
            await asyncio.sleep(0)
        assert pages.changes.listeners == MOST_LISTENERS
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(asyncio.wait_for(flood(), 60))

    assert sorted(statuses) == [200] * MOST_LISTENERS + [503] * 9
    assert pages.changes.listeners == 0


@pytest.mark.slow
def test_a_server_that_others_can_reach_has_a_token(home: Path) -> None:
    with (
        serving(home, "--host", "0.0.0.0") as (address, _),
        httpx.Client(trust_env=False) as client,
    ):
        there, _, token = address.replace("0.0.0.0", "127.0.0.1").partition("/?token=")

        assert len(token) >= 32
        assert client.get(there).status_code == 401
        named = {"authorization": f"Bearer {token}"}
        assert "1 in " in client.get(there, headers=named).text


def test_a_token_that_can_be_guessed_is_refused(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "view", "--host", "0.0.0.0", "--port", "0"],
        env={**os.environ, "ASSAY_HOME": str(home), "ASSAY_VIEW_TOKEN": "secret"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "ASSAY_VIEW_TOKEN has 6 characters, expected at least 16" in done.stderr

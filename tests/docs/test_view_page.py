"""The page about ``assay view``: its commands start servers that answer as it says."""

import shlex
from pathlib import Path

import httpx
import pytest

from flows.view.console import SAVED, SECONDS, SHOWN
from flows.view.live import MOST_LISTENERS
from tests.docs.pages import DOCS, blocks, follows, typed
from tests.support.viewed import serving

PAGE = DOCS / "view.md"


@pytest.mark.slow
@follows(PAGE, "sh")
def test_its_commands_serve_this_machine_and_others_with_a_token(tmp_path: Path) -> None:
    here, there = (shlex.split(typed(block, {})) for block in blocks(PAGE, "sh"))
    variable, _, token = there[0].partition("=")
    assert here == ["assay", "view"] and there[1:3] == ["assay", "view"]

    with httpx.Client(trust_env=False) as client:
        with serving(tmp_path) as (address, _):
            assert "assay demo" in client.get(address).text
        with serving(tmp_path, *there[3:], **{variable: token}) as (address, _):
            address = address.replace("0.0.0.0", "127.0.0.1")
            assert client.get(address).status_code == 401
            entered = client.get(f"{address}?token={token}", follow_redirects=True)
            assert "assay demo" in entered.text and "token" not in str(entered.url)


def test_its_limits_are_those_of_the_server() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())

    for words in (
        f"may take {SECONDS:g} s, {SHOWN.memory.removesuffix('MB')} MB",
        f"shows {SHOWN.rows} rows, CSV has at most {SAVED.rows:,}".replace(",0", " 0"),
        f"At most {MOST_LISTENERS} pages hear",
    ):
        assert words in text, words

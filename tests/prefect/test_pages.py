"""Commands of the pages that use a Prefect server which is there: typed, with short searches."""

import os
from pathlib import Path

import pytest

from tests.docs.pages import blocks, follows, reader, type_in
from tests.support.prefect_machine import PAGE, Machine
from tests.support.small_suite import write_suite

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(1200)]


@follows(PAGE, "sh", holding="export PREFECT_API_URL")
def test_a_search_uses_the_server_that_the_page_exports(server: Machine, tmp_path: Path) -> None:
    [shown] = [block for block in blocks(PAGE, "sh") if "PREFECT_API_URL" in block.text]
    there = shown.take().replace("http://127.0.0.1:4200/api", server.url).strip()
    short = f"--candidates 2 --suite {write_suite(tmp_path)} --cell process --baseline naive"

    path = os.pathsep.join([str(server.programs), reader(tmp_path)["PATH"]])
    output = type_in(f"{there} {short}", tmp_path, {"PATH": path})

    assert "finished: all 2 candidates were tried" in output
    [run] = [run for run in server.runs() if str(tmp_path) in str(run["parameters"])]
    assert run["state"]["name"] == "Finished"

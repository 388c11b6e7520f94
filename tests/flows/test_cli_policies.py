"""``assay policies``: the library is listed and shown, a file is checked without being run."""

import json
from pathlib import Path

import pytest

from simulator.domain import find_domain
from simulator.domains.pipelines.library import policy_names, policy_source
from tests.support.in_process import command

REFUSED = "x = 1\nimport os\n\ndef f(s):\n    return s.__dict__, open('\x1b[2J')\n"


def test_every_policy_is_listed_with_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    done = command(capsys, "policies", "list")

    assert (done.code, done.err) == (0, "")
    for name in policy_names():
        assert f"\n {name} " in done.out
    assert "First in, first out: one operator per container" in done.out


def test_the_list_is_to_be_had_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    done = command(capsys, "policies", "list", "--json")

    listed = json.loads(done.out)["policies"]
    assert [each["name"] for each in listed] == policy_names()
    assert all(each["about"] for each in listed)


def test_a_policy_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    done = command(capsys, "policies", "show", "right_size")

    assert done.code == 0
    assert done.out == policy_source("right-size")


def test_an_unknown_policy_is_answered_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = command(capsys, "policies", "show", "fastest")

    assert done.code == 2
    assert "unknown policy 'fastest', expected one of ageing, backfill" in done.err


def test_all_that_the_screen_refuses_is_named_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.py"
    path.write_text(REFUSED, encoding="utf-8")

    done = command(capsys, "policies", "check", path)

    assert done.code == 3
    assert f"{path}:2:1: " in done.out
    assert f"{path}:5:" in done.out
    assert "    import os\n" in done.out
    assert "\x1b" not in done.out


def test_the_check_is_to_be_had_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.py"
    path.write_text(REFUSED, encoding="utf-8")

    answer = json.loads(command(capsys, "policies", "check", path, "--json").out)

    assert not answer["ok"]
    assert [each["line"] for each in answer["findings"]][:2] == [2, 5]


def test_a_good_policy_is_told_what_comes_next(capsys: pytest.CaptureFixture[str]) -> None:
    done = command(capsys, "policies", "check", "drf")

    assert done.code == 0
    assert done.out == "drf: no problems found; try it with assay evaluate drf\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty"),
        (b"\xff\xfe", "byte 1 is not UTF-8 text"),
        (b"#" * 70_000, "64000 are allowed"),
    ],
)
def test_what_is_no_policy_text_is_refused_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, told: str
) -> None:
    path = tmp_path / "odd.py"
    path.write_bytes(content)

    done = command(capsys, "policies", "check", path)

    assert done.code == 3
    assert told in done.out


def test_the_library_is_that_of_the_domain_that_an_option_or_a_variable_names(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def names(*options: str) -> list[str]:
        answer = command(capsys, "policies", "list", "--json", *options)
        return [each["name"] for each in json.loads(answer.out)["policies"]]

    by_option = names("--domain", "faas")
    monkeypatch.setenv("ASSAY_DOMAIN", "faas")

    assert by_option == names() == find_domain("faas").policy_names()


def test_a_file_here_may_name_a_domain_but_no_folder_whose_code_would_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("ASSAY_DOMAIN=faas\n", encoding="utf-8")
    named = command(capsys, "policies", "list")
    Path(".env").write_text("ASSAY_DOMAIN=./mine\n", encoding="utf-8")
    folder = command(capsys, "policies", "list")

    assert (named.code, folder.code) == (0, 2)
    assert find_domain("faas").policy_names()[0] in named.out
    assert folder.err.startswith("assay: .env: ASSAY_DOMAIN names a folder whose code runs")


def test_an_unknown_domain_is_answered_with_those_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = command(capsys, "policies", "list", "--domain", "planes")

    assert done.code == 2
    assert "unknown domain 'planes', expected one of faas, pipelines" in done.err

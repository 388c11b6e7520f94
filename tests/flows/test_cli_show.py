"""``assay show``: an attempt with all that the history knows of it, and nothing that could harm."""

import json
from pathlib import Path

import pytest

from flows.names import spoken
from tests.support.history_rows import (
    call,
    candidate,
    evaluation,
    experiment,
    prompt,
    remember,
    scenario,
)
from tests.support.in_process import command

PARENT, CHILD = "aaaa1111" + "0" * 56, "bbbb2222" + "0" * 56
EVIL = "\x1b]0;owned\x07 \u202e"


@pytest.fixture(scope="module")
def two_searches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with two searches; the newer one has an attempt by a model."""
    folder = tmp_path_factory.mktemp("home")
    older = {"experiment_id": "old-1"}
    remember(
        folder,
        [
            experiment(**older, name="old", created_at="2026-02-01T00:00:00+00:00"),
            candidate(**older, candidate="cccc3333", title="elsewhere", improved=True),
        ],
        "old-1",
    )
    remember(
        folder,
        [
            experiment(),
            candidate(candidate=PARENT, source="a = 1\nb = 2\n", improved=True),
            candidate(
                iteration=2,
                candidate=CHILD,
                title=f"twice as fast {EVIL}",
                origin="model",
                operator="refine",
                parents=[PARENT],
                source=f"a = 1\n\tb = 3  # {EVIL}\n",
                outcome="policy_error",
                score=0.75,
                validation_score=0.5,
                standing="refused",
                standing_detail="1.0 % worse",
                problem=f"ValueError: {EVIL}",
                problem_line=2,
                prompt_sha256="9207",
            ),
            candidate(iteration=3, candidate=None, source=None, outcome="malformed", score=None),
            scenario(),
            evaluation(candidate=PARENT),
            evaluation(
                iteration=2,
                candidate=CHILD,
                metrics={"pipelines_completed": 3, "pipelines_arrived": 8},
                problem=f"ValueError: {EVIL}",
            ),
            prompt(),
            call(iteration=2, reply=f"Here it is {EVIL}"),
        ],
    )
    return folder


@pytest.fixture
def home(two_searches: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the two searches, which no command here changes."""
    monkeypatch.setenv("ASSAY_HOME", str(two_searches))
    return two_searches


def test_an_attempt_is_shown_with_everything(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = command(capsys, "show", "bbbb")

    assert (done.code, done.err) == (0, "")
    for told in (
        f"{spoken(CHILD)}  (2/0 of night)",
        "title: twice as fast",
        f"how it differs: As {spoken(PARENT)} (1/0), but written differently.",
        f"candidate: {CHILD}",
        "made by: model, refine, from aaaa11110000",
        "outcome: policy_error",
        "problem: line 2: ValueError: ",
        "score: 0.7500 on train, 0.5000 on validation (1.0 is naive)",
        "standing: refused: 1.0 % worse",
        "tried on: alpha\n",
        " calm ",
        " 3/8 ",
        "\n--- source ---\na = 1\n",
        "\n--- diff ---\n--- aaaa11110000 (1/0)\n+++ bbbb22220000 (2/0)\n",
        "\n-b = 2\n",
        "\n--- prompt ---\n[user]\nwrite a policy\n",
        "\n--- reply ---\n[any: ok]\nHere it is ",
    ):
        assert told in done.out


def test_an_attempt_is_found_by_its_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = command(capsys, "show", spoken(CHILD), "--only", "source")
    elsewhere = command(capsys, "show", spoken("cccc3333"))
    not_there = command(capsys, "show", spoken("cccc3333"), "--experiment", "night")
    unknown = command(capsys, "show", "no-otter")

    assert (done.code, done.out[:5]) == (0, "a = 1")
    assert elsewhere.code == 0 and "title: elsewhere" in elsewhere.out
    assert not_there.code == 2
    assert unknown.code == 2 and "a name such as brisk-otter" in unknown.err


@pytest.mark.parametrize("only", [None, "source", "diff", "figures", "prompt", "reply"])
def test_no_control_character_of_a_policy_or_a_model_reaches_the_terminal(
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    only: str | None,
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)

    done = command(capsys, "show", "2/0", *(["--only", only] if only else []))

    assert done.code == 0
    assert not any(evil in done.out for evil in ("\x1b]", "\x07", "\u202e"))


def test_the_bare_source_goes_into_a_file_byte_by_byte(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = command(capsys, "show", "2/0", "--only", "source")

    assert done.out == f"a = 1\n\tb = 3  # {EVIL}\n"


def test_figures_alone_say_whose_and_what_they_are(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = command(capsys, "show", "2/0", "--only", "figures")

    title, _, heads, _, row, *_ = done.out.split("\n")
    assert title.startswith(f"figures of 2/0 of night: {spoken(CHILD)}")
    assert heads.split() == [
        "split",
        "scenario",
        "try",
        "outcome",
        "score",
        "cost",
        "completed",
        "OOM",
        "kills",
    ]
    assert "3/8" in row


def test_figures_come_over_the_scenarios_of_each_split_and_guards_are_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = json.loads(command(capsys, "show", "2/0", "--json").out)["figures"]
    shown = command(capsys, "show", "2/0", "--only", "figures").out

    assert figures == [
        {
            "figure": "pipelines completed",
            "key": "pipelines_completed",
            "over": "sum",
            "guard": False,
            "splits": {"train": "3/8"},
        },
        {
            "figure": "pipelines arrived",
            "key": "pipelines_arrived",
            "over": "sum",
            "guard": False,
            "splits": {"train": "8"},
        },
    ]
    assert "pipelines completed, sum" in shown


@pytest.mark.parametrize("only", ["source", "diff", "figures", "prompt", "reply"])
def test_a_part_that_is_not_there_is_told_of(
    home: Path, capsys: pytest.CaptureFixture[str], only: str
) -> None:
    done = command(capsys, "show", "3/0", "--only", only)

    assert (done.code, done.out, done.err) == (0, "", f"assay: 3/0 of night has no {only}\n")


def test_best_is_what_the_newest_experiment_promoted_last(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newest = command(capsys, "show", "best", "--only", "source")
    unnamed = command(capsys, "show", "--only", "source")
    older = command(capsys, "show", "best", "--experiment", "old")

    assert newest.out == unnamed.out == "a = 1\nb = 2\n"
    assert "title: elsewhere" in older.out


def test_a_candidate_is_found_in_any_experiment_unless_one_is_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    anywhere = command(capsys, "show", "cccc")
    named = command(capsys, "show", "cccc", "--experiment", "night")

    assert "(1/0 of old-1)" in anywhere.out
    assert named.code == 2
    assert "'cccc' names no attempt of night" in named.err


def test_a_reply_without_a_policy_is_an_attempt_too(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = command(capsys, "show", "3/0")

    assert done.code == 0
    assert "candidate: none, the reply held no policy" in done.out
    assert "score: none on train" in done.out


def test_json_holds_everything(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = json.loads(command(capsys, "show", "2/0", "--json").out)

    assert answer["attempt"]["candidate"] == CHILD
    assert answer["parents"][0]["source"] == "a = 1\nb = 2\n"
    assert answer["prompt"] == [{"role": "user", "content": "write a policy"}]
    assert answer["replies"][0]["reply"].startswith("Here it is")
    assert answer["evaluations"][0]["figures"] == {"completed": "3/8", "OOM kills": ""}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["9/9"], "'9/9' names no attempt of night"),
        (["zzzz"], "'zzzz' names no attempt of"),
        (["best", "--experiment", "nightly"], "there is no experiment 'nightly' in"),
    ],
)
def test_what_is_not_there_is_refused_and_says_what_to_give(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    done = command(capsys, "show", *arguments)

    assert done.code == 2
    assert told in done.err


def test_an_empty_history_says_how_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "none"))

    done = command(capsys, "show", "best")

    assert done.code == 2
    assert "there is no experiment yet in" in done.err

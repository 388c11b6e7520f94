"""Templates of a user's own: copied, changed, checked before anything is paid, known by a hash."""

from pathlib import Path

import pytest

from flows.errors import ConfigError, UserError
from flows.prompting.custom import check_prompts, copy_templates, refuse_changed_templates
from flows.prompting.prompts import render_prompt
from flows.prompting.templates import SYSTEM, USER, load_templates, render_own
from flows.search.recording import prompt_row
from flows.settings.search import SearchConfig
from tests.flows.prompting.test_prompts import PAST, SCENARIOS
from tests.support.in_process import command


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped templates."""
    copy_templates(tmp_path / "mine")
    return tmp_path / "mine"


def config(folder: Path) -> SearchConfig:
    return SearchConfig.model_validate({"feedback": {"prompts": folder}})


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_an_unchanged_copy_asks_the_same_as_the_shipped_templates(folder: Path) -> None:
    own, shipped = (
        render_prompt(config=chosen, scenarios=SCENARIOS, attempts=PAST)
        for chosen in (config(folder), SearchConfig())
    )

    assert (own.system, own.user, own.sha256) == (shipped.system, shipped.user, shipped.sha256)
    assert own.template_sha256 == shipped.template_sha256
    assert (own.template, shipped.template) == ("mine", "shipped")


def test_a_changed_wording_is_sent_and_has_a_hash_of_its_own(folder: Path) -> None:
    change(folder / USER, "# Your turn", "# Now you")
    check_prompts(config(folder), SCENARIOS)

    prompt = render_prompt(config=config(folder), scenarios=SCENARIOS, attempts=PAST)

    assert "# Now you" in prompt.user and "# Your turn" not in prompt.user
    assert prompt.template_sha256 != load_templates(None).sha256
    assert prompt_row(prompt).template_sha256 == prompt.template_sha256


def test_a_template_may_include_another_of_its_folder(folder: Path) -> None:
    (folder / "hints.md.j2").write_text("Think of {{ scenarios|length }} signs.\n", "utf-8")
    before = load_templates(folder).sha256
    change(folder / USER, "# Your turn", '{% include "hints.md.j2" %}\n# Your turn')

    check_prompts(config(folder), SCENARIOS)

    assert "Think of" in render_prompt(
        config=config(folder), scenarios=SCENARIOS, attempts=PAST
    ).user  # fmt: skip
    assert load_templates(folder).sha256 != before


@pytest.mark.parametrize(
    ("name", "new", "words"),
    [
        (USER, "{% if %}", r"user\.md\.j2, line 1"),
        (
            USER,
            "{{ scenarioes }}",
            r"user\.md\.j2, line 1: unknown name 'scenarioes'; known are att",
        ),
        (USER, "\n{% for x in last %}{{ y }}{% endfor %}", "line 2: unknown name 'y'; known are"),
        (SYSTEM, "\n\n{% if tried %}\n{{ b }}{% endif %}\n{{ a }}", "line 3: unknown name 'tried'"),
        (USER, "{% if tried %}{{ move.best }}{% endif %}", r"user\.md\.j2, line 1: UndefinedErr"),
        (USER, "{% for a in attempts %}{{ a.secret }}{% endfor %}", "no attribute 'secret'"),
        (USER, '{% include "../../etc/passwd" %}', "TemplateNotFound"),
        (SYSTEM, "{{ limits.__class__.__mro__ }}", "SecurityError"),
        (SYSTEM, "{{ limits.__init__.__globals__ }}", "SecurityError"),
        (SYSTEM, "{{ 1 // 0 }}", "ZeroDivisionError"),
        (SYSTEM, "x" * 100_000, r"feedback\.prompt_tokens is 24000, but the prompt takes"),
    ],
)
def test_a_broken_template_is_refused_with_its_place(
    folder: Path, name: str, new: str, words: str
) -> None:
    path = folder / name
    path.write_text(f"{new}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")

    with pytest.raises(ConfigError, match=words) as refused:
        check_prompts(config(folder), SCENARIOS)

    assert "feedback.prompt" in str(refused.value)


def test_a_folder_without_templates_is_refused_with_what_to_do(folder: Path) -> None:
    (folder / SYSTEM).unlink()

    with pytest.raises(ConfigError, match=r"has no system\.md\.j2: copy the shipped one"):
        check_prompts(config(folder), SCENARIOS)
    with pytest.raises(ConfigError, match=r"is not a folder: create it with `assay prompts copy"):
        check_prompts(config(folder / "nowhere"), SCENARIOS)


@pytest.mark.parametrize("data", [b"\xff\xfe", b"x" * 500_000])
def test_a_template_that_is_no_text_or_too_large_is_refused(folder: Path, data: bytes) -> None:
    (folder / USER).write_bytes(data)

    with pytest.raises(ConfigError, match=r"user\.md\.j2 is"):
        check_prompts(config(folder), SCENARIOS)


def test_a_search_does_not_go_on_with_another_wording(folder: Path) -> None:
    begun = prompt_row(render_prompt(config=config(folder), scenarios=SCENARIOS, attempts=()))
    refuse_changed_templates(config(folder), [begun])
    change(folder / USER, "# Your turn", "# Now you")
    check_prompts(config(folder), SCENARIOS)

    with pytest.raises(ConfigError, match=r"templates .mine. have changed.*another --name"):
        refuse_changed_templates(config(folder), [begun])


def test_what_is_copied_is_never_overwritten(folder: Path) -> None:
    with pytest.raises(UserError, match="exists already: name another folder"):
        copy_templates(folder)


def test_prompts_are_copied_checked_and_shown_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = command(capsys, "prompts", "copy", tmp_path / "p")
    checked = command(capsys, "prompts", "check", tmp_path / "p")
    shown = command(capsys, "prompts", "show", "--prompts", tmp_path / "p", "--suite", "smoke")
    change(tmp_path / "p" / USER, "{{ scenarios }}", "{{ scenario }}")
    broken = command(capsys, "prompts", "check", tmp_path / "p")

    assert (copied.code, checked.code, shown.code, broken.code) == (0, 0, 0, 2)
    assert f"template_sha256 {load_templates(None).sha256}" in checked.out
    assert "# What a policy can use" in shown.out and "of 24000 tokens" in shown.out
    assert "unknown name 'scenario'" in broken.err


def test_the_first_prompt_is_shown_and_templates_are_checked_for_the_domain_that_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = command(capsys, "prompts", "show", "--domain", "faas")
    command(capsys, "prompts", "copy", tmp_path / "p")
    checked = command(capsys, "prompts", "check", tmp_path / "p", "--domain", "faas")

    assert (shown.code, checked.code) == (0, 0)
    assert "register_platform" in shown.out and "keep-alive-10min" in shown.out
    assert "register_scheduler" not in shown.out


def test_a_template_carries_nothing_from_one_prompt_to_the_next() -> None:
    counting = "{% set seen = namespace(n=0) %}{% macro one() %}{% set seen.n = seen.n + 1 %}"
    texts = {
        "counting.j2": counting + "{{ seen.n }}{% endmacro %}",
        "page.j2": "{% import 'counting.j2' as c %}{{ word }}{{ c.one() }}{{ c.one() }}",
    }

    written = [render_own(texts, "page.j2", {"word": word}) for word in "abab"]
    other = render_own({**texts, "page.j2": "no longer {{ word }}"}, "page.j2", {"word": "c"})

    assert written == ["a12", "b12", "a12", "b12"]
    assert other == "no longer c"

"""``assay prompts``: the texts that a model is sent, to be read, copied, changed and checked."""

import os
from pathlib import Path
from typing import Any

from flows.cli.terminal import print_line
from flows.judging.splits import suite_scenarios
from flows.prompting.custom import check_prompts, copy_templates
from flows.prompting.prompts import CHARS_PER_TOKEN, render_prompt
from flows.prompting.templates import load_templates
from flows.settings.search import SearchConfig, load_config
from flows.settings.sources import read_dotenv


def copy_prompts(folder: Path) -> int:
    """Copy the shipped templates and say what to do with them."""
    for path in copy_templates(folder):
        print_line(str(path))
    print_line(f"change them, then: assay prompts check {folder}; assay run --prompts {folder} ...")
    return 0


def check_folder(folder: Path, config: Path | None) -> int:
    """Try the templates in a folder and print the hash by which the history knows them."""
    chosen = _config(config, {"feedback.prompts": folder})
    check_prompts(chosen, suite_scenarios(chosen.suite, "train", chosen.policy_calls))
    templates = load_templates(folder)
    names = ", ".join(templates.texts)
    print_line(f"{folder}: {names} can be used; template_sha256 {templates.sha256}")
    return 0


def show_prompt(config: Path | None, suite: str | None, folder: Path | None) -> int:
    """Print the two texts of the first prompt and their length."""
    flags = {"suite": suite, "feedback.prompts": folder}
    chosen = _config(config, {key: value for key, value in flags.items() if value is not None})
    scenarios = suite_scenarios(chosen.suite, "train", chosen.policy_calls)
    check_prompts(chosen, scenarios)
    prompt = render_prompt(config=chosen, scenarios=scenarios, attempts=())
    tokens = (len(prompt.system) + len(prompt.user)) // CHARS_PER_TOKEN
    print_line(f"=== system ===\n{prompt.system}")
    print_line(f"=== user ===\n{prompt.user}")
    print_line(
        f"=== about {tokens} of {chosen.feedback.prompt_tokens} tokens; a search adds the "
        "figures of the baselines and what was tried ==="
    )
    return 0


def _config(path: Path | None, overrides: dict[str, Any]) -> SearchConfig:
    return load_config(path, overrides, os.environ, read_dotenv())

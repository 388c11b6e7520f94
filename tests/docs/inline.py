"""What stands on the pages between backticks and is a command: found, and typed in a folder."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from flows.cli.policies import starter_policy
from simulator.domains.pipelines.library import PIPELINES
from tests.docs.left_out import LEFT_OUT
from tests.docs.pages import DOCS, FENCE, PAGES, blocks
from tests.support.small_suite import write_suite

SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
COMMAND = re.compile(r"(?:assay|make|prefect|python3?|pip|export|duckdb) +\S")

TYPED: Mapping[str, str] = {
    "assay --version": "",
    "assay completion --help": "",
    "assay completion bash": "",
    "assay compare best_program.py right-size --split validation": "--cell process",
    "assay evaluate POLICY.py --trace made.csv --params params.toml": "--cell process",
    "assay export DIR": "",
    "assay policies list --domain faas": "",
    "assay policies show right-size": "",
    "assay reap": "",
    "assay run --help": "",
    "python -m flows.history.schema_page > docs/history-schema.md": "",
    "python -m simulator.domains.pipelines.contract_page": "",
    "python -m simulator trace --params ...": "",
    "python -m simulator.domains.pipelines.suite_builder traces": "",
    "python -m simulator.domains.faas.suite_builder traces/faas": "",
}
"""Each command between backticks that a test types, with what it adds to make it short."""

WORDS = {"POLICY.py": "best_program.py", "DIR": "tables", "...": "params.toml --out new.csv"}
"""What a reader puts for the words that stand for something of his own."""

IN_OTHER_TESTS = {
    "python -m benchmarks": "tests/docs/test_benchmarks_page.py",
    "make image": "tests/docs/test_set_up_pages.py",
    "assay image": "tests/docs/test_domains_page.py",
    "python -m sandbox.image_build": "tests/domains/test_registration.py",
    "assay traces import --domain faas": "tests/docs/test_faas_suites_page.py",
    "make venv": "tests/docs/test_set_up_pages.py",
    "assay demo": "tests/flows/test_experiment.py",
    "assay doctor --": "tests/sandbox/test_doctor.py",
    "assay run --fresh-test": "tests/flows/test_fresh_test.py",
    "assay run --suite real.toml": "tests/domains/pipelines/test_traces_suite.py",
    "assay evaluate POLICY.py --suite real.toml": "tests/domains/pipelines/test_traces_suite.py",
    "python -m simulator run --domain faas --scenario": "tests/docs/test_faas_page.py",
    'assay sql "..."': "tests/docs/test_sql_cookbook.py",
    "assay show --only source": "tests/flows/test_cli_show.py",
    "assay show NAME": "tests/flows/test_cli_show.py",
    "assay run --proposer openai --prompts": "tests/docs/test_prompts_page.py",
}
"""Beginnings of commands, and the test that types them: as a part of what stands in a block."""


def commands_in_text(page: Path) -> list[str]:
    """Return the commands between backticks of a page, outside its blocks."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    spans = [" ".join(span.split()) for span in SPAN.findall(text)]
    return sorted({span for span in spans if COMMAND.match(span)})


def lines_of_blocks() -> set[str]:
    """Return every command that stands in a block of some page, and so is executed."""
    return {line for page in PAGES for block in blocks(page, "sh") for line in block.lines()}


def is_known(command: str, lines: set[str]) -> bool:
    """Return whether a command is typed here, begins what a block types, or is left out by name."""
    begun = any(f"{line} ".startswith(f"{command} ") for line in {*lines, *TYPED})
    elsewhere = any(command.startswith(each) for each in IN_OTHER_TESTS)
    return begun or elsewhere or command in LEFT_OUT or command in TYPED


def as_typed(command: str) -> str:
    """Return what is typed for a command, with words of one's own and what makes it short."""
    words = [WORDS.get(word, word) for word in command.split(" ")]
    return " ".join([*words, TYPED[command]]).strip()


def prepare(folder: Path) -> None:
    """Put into a folder what the commands speak of: a policy, a trace, a history."""
    write_suite(folder)  # with its traces
    (folder / "best_program.py").write_text(starter_policy(PIPELINES), encoding="utf-8")
    shutil.copy(folder / "small-1.csv", folder / "made.csv")
    (folder / "params.toml").write_text("duration = 20\nnum_pipelines = 2\n", encoding="utf-8")
    shutil.copytree(DOCS / "sample-history", folder / ".assay")
    (folder / "docs").mkdir()

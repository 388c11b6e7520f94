"""What a folder that describes a system should keep."""

from pathlib import Path

from flows.bootstrap.folder_checks import promises
from flows.bootstrap.starter_files import write_starter
from simulator.domain import open_domain

CAUSALITY = "causality is checked where suites draw their scenarios"


def test_a_suite_that_draws_where_no_check_of_causality_looks_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "queue"
    write_starter(folder, "queue")
    asked = dict(promises(open_domain(folder)))

    assert list(asked[CAUSALITY]()) == []
    laws = (folder / "laws.toml").read_text()
    (folder / "laws.toml").write_text(laws.replace('kind = "causality"', 'kind = "run"'))
    (problem,) = asked[CAUSALITY]()

    assert problem.startswith("suites/small.toml draws from busy, and no check of causality does")

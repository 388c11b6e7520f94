"""What is the same simulator once more, and that it is refused before it is tried."""

from collections.abc import Sequence
from pathlib import Path

from flows.bootstrap.another import OtherPrograms, all_programs, program_sha256
from flows.bootstrap.certificate import write_accepted
from sandbox.outcome import Outcome, Trial
from sandbox.trial import Payload
from simulator.sealed.certificate import FORM, accepted_numbers

RIGHT = (Path(__file__).parent / "policies" / "right.py").read_text()
RENAMED = (
    '"""Another text."""\n# and a remark\n'
    + RIGHT.replace("coming", "agenda").replace("number", "which").replace('key="right"', 'key="x"')
).replace("job.which", "job.number")
OTHER = RIGHT.replace("time > scenario.values.horizon", "time >= scenario.values.horizon")


class Trials:
    """Remembers what it was asked to try."""

    def __init__(self) -> None:
        self.tried: list[str] = []

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        self.tried.append(source)
        return Trial(candidate="c", outcome=Outcome.OK, evaluations=())

    def prepare(self, scenarios: int) -> None: ...

    def last_trials(self) -> None: ...

    def info(self) -> dict[str, str]:
        return {}


def test_a_program_is_the_same_whatever_its_names_and_its_prose() -> None:
    assert "agenda" in RENAMED and "which" in RENAMED

    assert program_sha256(RENAMED) == program_sha256(RIGHT) != program_sha256(OTHER)
    assert program_sha256("no Python (") != program_sha256("nor this (")


def test_what_is_accepted_already_is_refused_untried_until_the_search_is_over() -> None:
    inner = Trials()
    trials = OtherPrograms(inner, {program_sha256(RIGHT): "simulator.py"})

    refused = trials.try_policy(RENAMED, [Payload(name="a check", data=b"")])

    (ended,) = refused.evaluations
    assert (refused.outcome, ended.scenario, inner.tried) == (Outcome.REJECTED, "a check", [])
    assert ended.problem is not None
    assert ended.problem.message.startswith("it is simulator.py once more")
    assert trials.try_policy(OTHER, []).outcome is Outcome.OK
    all_programs(trials).try_policy(RENAMED, [])
    assert inner.tried == [OTHER, RENAMED]


def test_a_kill_between_its_two_files_leaves_no_simulator_that_nobody_accepted(
    tmp_path: Path,
) -> None:
    write_accepted(tmp_path, RIGHT, {"certificate": FORM})
    (tmp_path / "simulator.py").unlink()  # the certificate was written first

    assert accepted_numbers(tmp_path) == []
    written = write_accepted(tmp_path, OTHER, {"certificate": FORM})

    assert [path.name for path in written] == ["simulator.py", "certificate.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["certificate.json", "simulator.py"]

"""What makes a second simulator another one: the same program once more is refused, untried."""

import ast
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.judging.scoring import normalised_sha256
from flows.search.session import Cells
from flows.trials import Trials
from sandbox.outcome import Outcome, Problem, Trial
from sandbox.source import parse
from sandbox.trial import Payload, refused
from simulator.bootstrap.mutants import is_prose
from simulator.errors import InputError
from simulator.sealed.certificate import accepted_numbers, names_of
from simulator.sealed.shapes import MOST_CERTIFICATE_BYTES, MOST_SIMULATOR_BYTES
from simulator.textfile import read_json, read_text


class OtherPrograms:
    """Trials that refuse the programs which are accepted in a folder already; see ``Trials``."""

    def __init__(self, trials: Trials, accepted: Mapping[str, str]) -> None:
        self.trials = trials
        self._accepted = accepted
        """File names by ``program_sha256``."""

    def try_policy(self, source: str, scenarios: Sequence[Payload]) -> Trial:
        """Return how the simulator did, or that it is one that is there already."""
        known = self._accepted.get(program_sha256(source))
        if known is None:
            return self.trials.try_policy(source, scenarios)
        message = f"it is {known} once more, which is accepted already: write it in another way"
        return refused(source, scenarios, Outcome.REJECTED, Problem(message=message))

    def prepare(self, scenarios: int) -> None:
        self.trials.prepare(scenarios)

    def last_trials(self) -> None:
        self.trials.last_trials()

    def info(self) -> dict[str, Any]:
        return self.trials.info()


def all_programs(trials: Cells) -> Cells:
    """Return the trials that refuse no program."""
    return trials.trials if isinstance(trials, OtherPrograms) else trials


def accepted_before(folder: Path, experiment: str) -> dict[str, str]:
    """Return the names of the accepted simulators of other experiments, by ``program_sha256``."""
    found = {}
    for number in accepted_numbers(folder):
        simulator, certificate = (folder / name for name in names_of(number))
        own: Any = None
        if certificate.is_file():
            own = read_json(certificate, InputError, MOST_CERTIFICATE_BYTES).get("experiment")
        if own != experiment:
            text = read_text(simulator, InputError, MOST_SIMULATOR_BYTES)
            found[program_sha256(text)] = simulator.name
    return found


def program_sha256(source: str) -> str:
    """Return a hash that layout, prose, assumptions and the names which a source gives leave alone.

    Names are numbered as they come in the syntax tree, and the key of the simulator is left out.
    """
    try:
        tree = parse(source)
        for node in ast.walk(tree):
            if isinstance(getattr(node, "body", None), list):
                node.body = [each for each in node.body if not is_prose(each)]  # type: ignore[attr-defined]
        nodes, own = list(ast.walk(tree)), dict[str, str]()
        for node in nodes:
            place = _NAMED.get(type(node))
            name = getattr(node, place) if place else None
            if name and not (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)):
                own.setdefault(name, f"name {len(own)}")
        for node in nodes:
            _rename(node, own)
        text = ast.dump(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return normalised_sha256(source)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


_NAMED: Mapping[type[ast.AST], str] = {
    ast.Name: "id",
    ast.arg: "arg",
    ast.FunctionDef: "name",
    ast.ClassDef: "name",
    ast.alias: "asname",
    ast.ExceptHandler: "name",
    ast.MatchAs: "name",
    ast.MatchStar: "name",
}
"""Where a node has a name that a source gives or reads."""


def _rename(node: ast.AST, own: Mapping[str, str]) -> None:
    place = _NAMED.get(type(node))
    if place:
        name = getattr(node, place)
        setattr(node, place, own.get(name, name))
    elif isinstance(node, ast.Global | ast.Nonlocal):
        node.names = [own.get(name, name) for name in node.names]
    elif isinstance(node, ast.keyword) and node.arg == "key":
        node.value = ast.Constant(value="")

"""Tries every policy of a folder once, however many processes work on it and whichever of them die.

Processes that share a home folder share the work: each takes a policy that nobody has, records
what came of it, and takes the next; at the end each waits for those that others have. A policy
whose process died is taken by another one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from flows.attempt import baseline_proposals
from flows.clock import SystemClock, stamp
from flows.errors import UserError
from flows.history.journal import Journal, read_rows
from flows.history.records import RUNNING, CandidateRow, ExperimentRow, Key
from flows.home import experiment_folder
from flows.judging.comparison import scenario_payloads, try_contender
from flows.judging.splits import naive_references, suite_scenarios
from flows.orchestration.claims import Claim, Claims
from flows.orchestration.folder_rows import Sheet
from flows.policies import Contender, PolicyText, check_baselines, read_policy
from flows.search.watching import ignore
from flows.settings.sections import FolderConfig, folder_experiment_id, folder_sha256
from flows.threads import side_by_side
from flows.trials import Around, OpenTrials, Trials, in_this_process, patiently
from sandbox.errors import CellFailed

Settled = Callable[[CandidateRow, float], None]
"""Hears of each policy that was tried, and how many per cent of all are tried by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderResult:
    """How the policies of a folder did; ``lost`` could not be tried, through no fault of theirs."""

    experiment_id: str
    status: str
    status_detail: str
    candidates: tuple[CandidateRow, ...]
    lost: tuple[str, ...]
    passed_over: tuple[str, ...] = ()
    """What is named like a policy and is none: links to nothing, folders, what cannot be read."""
    tried_here: int
    """How many this process tried; others were recorded before, or tried by other processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A policy with the place that it has in the history."""

    key: Key
    contender: Contender


def evaluate_folder(
    config: FolderConfig,
    home: Path,
    *,
    open_trials: OpenTrials = in_this_process,
    around: Around | None = None,
    settled: Settled = lambda row, percent: None,
    flow_run_id: str | None = None,
) -> FolderResult:
    """Try what is not recorded yet and return how all policies of the folder did."""
    check_baselines(config.baselines)
    contenders, passed_over = _contenders(config)
    scenarios = suite_scenarios(config.suite, config.split, config.policy_calls)
    references = naive_references(scenarios)
    digest = folder_sha256(config, scenarios)
    identity = folder_experiment_id(config, digest)
    claims = Claims(experiment_folder(home, identity) / "claims")
    known = _recorded(home, identity)
    pieces = _placed(contenders, claims, known)
    around = around or patiently(SystemClock(), ignore)
    with Journal(home, identity) as journal, open_trials(config) as trials:
        image_id = trials.info().get("image_id")
        sheet = Sheet(config, digest, scenarios, references, flow_run_id, image_id)
        begun = _experiment(home, identity) or sheet.experiment()
        journal.append(begun)
        work = _Work(home, sheet, claims, journal, trials, around, settled, known)
        lost = work.through(pieces, config.slots)
        rows = _recorded(home, identity)
        done = [rows[each] for each in _ids(pieces) if each in rows]
        ended = sheet.ended(begun, len(done), len(lost))
        journal.append(ended)
    return FolderResult(
        experiment_id=identity,
        status=ended.status,
        status_detail=ended.status_detail,
        candidates=tuple(sorted(done, key=lambda row: (row.iteration, row.slot))),
        lost=tuple(lost),
        passed_over=passed_over,
        tried_here=work.tried,
    )


class _Work:
    """What the threads of one process share while they take policies."""

    def __init__(
        self,
        home: Path,
        sheet: Sheet,
        claims: Claims,
        journal: Journal,
        trials: Trials,
        around: Around,
        settled: Settled,
        known: Mapping[str, CandidateRow],
    ) -> None:
        self.tried, self._all = 0, 1
        self._home, self._sheet, self._claims, self._journal = home, sheet, claims, journal
        self._trials, self._around, self._settled = trials, around, settled
        self._known = known
        self._payloads = scenario_payloads(sheet.scenarios)
        self._lost: dict[str, str] = {}

    def through(self, pieces: Sequence[_Piece], slots: int) -> list[str]:
        """Take all pieces, first those that are free, then those that others have."""
        self._all = max(1, len(pieces))
        for wait in (False, True):
            left = iter(pieces)  # shared by the threads: each takes the next
            side_by_side(partial(self._take_all, left), [wait] * slots)
        return list(self._lost.values())

    def _take_all(self, left: Iterator[_Piece], wait: bool) -> None:
        for piece in left:
            candidate = piece.contender.text.candidate
            if candidate in self._known or candidate in self._lost:
                continue
            with self._claims.claim(candidate, wait=wait) as claim:
                if claim is Claim.FRESH or (claim is Claim.LEFT and not self._is_recorded(piece)):
                    self._try(piece)

    def _is_recorded(self, piece: _Piece) -> bool:
        candidate = piece.contender.text.candidate
        recorded = candidate in _recorded(self._home, self._sheet.experiment_id)
        if recorded:
            self._claims.done(candidate)
        return recorded

    def _try(self, piece: _Piece) -> None:
        contender, clock = piece.contender, SystemClock()
        began = clock.seconds()
        call = partial(try_contender, contender, self._payloads, self._trials)
        try:
            trial = self._around("try", contender.label, call)
        except CellFailed as error:
            self._lost[contender.text.candidate] = f"{contender.label}: {error}"
            return
        rows = self._sheet.rows(piece.key, contender, trial, clock.seconds() - began, stamp(clock))
        self._journal.append_all(rows)
        self._claims.done(contender.text.candidate)
        self.tried += 1
        row = rows[-1]
        assert isinstance(row, CandidateRow)
        self._settled(row, min(100.0, 100.0 * (len(self._known) + self.tried) / self._all))


def _contenders(config: FolderConfig) -> tuple[list[Contender], tuple[str, ...]]:
    """Return the baselines and the folder's policies, each source once, and what is no policy."""
    if not config.folder.is_dir():
        raise UserError(f"{config.folder} is not a folder: name one that holds policies, *.py")
    named = sorted(p for p in config.folder.glob("*.py") if not p.name.startswith("."))
    policies, problems = [], []
    for path in named:
        try:
            policies.append(Contender(label=path.name, text=_policy(path)))
        except UserError as error:
            problems.append(str(error))
    if not policies:
        why = "".join(f"; {each}" for each in problems)
        raise UserError(f"{config.folder} holds no policies: expected files named *.py{why}")
    found = [
        Contender(label=each.title, text=_text(each.title, each.source or ""), baseline=True)
        for each in baseline_proposals(config.baselines)
    ]
    once = {each.text.candidate: each for each in reversed([*found, *policies])}
    return list(once.values())[::-1], tuple(problems)


def _policy(path: Path) -> PolicyText:
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is no regular file, expected a Python file with one policy")
    return read_policy(str(path))


def _text(title: str, source: str) -> PolicyText:
    return PolicyText(title=title, data=source.encode(), source=source)


def _placed(
    contenders: Sequence[Contender], claims: Claims, known: Mapping[str, CandidateRow]
) -> list[_Piece]:
    """Give baselines the slots of iteration 0 and every other policy an iteration of its own."""
    others = [each.text.candidate for each in contenders if not each.baseline]
    numbers = claims.number(
        others, {sha256: row.iteration for sha256, row in known.items() if row.iteration > 0}
    )
    return [
        _Piece(
            key=(0, place) if each.baseline else (numbers[each.text.candidate], 0), contender=each
        )
        for place, each in enumerate(contenders)
    ]


def _ids(pieces: Sequence[_Piece]) -> list[str]:
    return [piece.contender.text.candidate for piece in pieces]


def _recorded(home: Path, experiment_id: str) -> dict[str, CandidateRow]:
    rows = (row for row in read_rows(home, experiment_id) if isinstance(row, CandidateRow))
    return {row.candidate: row for row in rows if row.candidate is not None}


def _experiment(home: Path, experiment_id: str) -> ExperimentRow | None:
    """Return the row of the experiment as it goes on, if it was begun before."""
    rows = [row for row in read_rows(home, experiment_id) if isinstance(row, ExperimentRow)]
    return replace(rows[-1], status=RUNNING, finished_at=None) if rows else None

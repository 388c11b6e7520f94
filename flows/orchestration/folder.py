"""Tries every policy of a folder once, however many processes work on it and whichever of them die.

Processes that share a home folder share the work: each claims a free policy, records
what came of it, and takes the next; at the end each waits for those that others have. A policy
whose process died is taken by another one.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from pathlib import Path

from flows import assay_version
from flows.attempt import Attempt, Proposal, baseline_proposals
from flows.clock import SystemClock, stamp
from flows.errors import UserError
from flows.history.journal import Journal, read_rows
from flows.history.records import RUNNING, CandidateRow, ExperimentRow, Key, Row
from flows.home import FOREVER, experiment_folder, hold, make_folder
from flows.judging.comparison import scenario_payloads, try_contender
from flows.judging.scoring import Scale, judge
from flows.judging.splits import find_references, suite_scenarios
from flows.policies import Contender, PolicyText, check_baselines, read_policy
from flows.search.progress import ignore
from flows.search.recording import attempt_rows, started_row
from flows.search.session import Provenance, refuse_other_domain
from flows.settings.sections import FolderConfig, folder_experiment_id, folder_sha256
from flows.trials import Around, OpenTrials, Trials, in_this_process, patiently, side_by_side
from sandbox.errors import CellFailed
from sandbox.image import source_hash
from sandbox.outcome import Trial
from simulator.domain import Domain, Scenario

DONE, BEGUN = "done", "begun"
KIND = "folder"
"""What such an experiment says its proposer, strategy and, of its policies, origin are."""

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
    """Try the policies that are not recorded yet and return the results of all."""
    domain = config.domain
    check_baselines(config.baselines, domain)
    contenders, passed_over = _contenders(config)
    scenarios = suite_scenarios(config.suite, domain, config.split, config.policy_calls)
    digest = folder_sha256(config, scenarios)
    identity = folder_experiment_id(config, digest)
    claims = Claims(experiment_folder(home, identity) / "claims")
    known = _recorded(home, identity)
    pieces = _placed(contenders, claims, known)
    with Journal(home, identity) as journal, open_trials(config) as trials:
        provenance = Provenance(
            experiment_id=identity,
            config_sha256=digest,
            assay_version=assay_version(),
            simulator_version=source_hash(domain=domain)[:12],
            image_id=trials.info().get("image_id"),
            domain=domain,
            flow_run_id=flow_run_id,
        )
        earlier = _experiment(home, identity)
        if earlier is not None:
            refuse_other_domain(earlier, domain)
        started = earlier or _started(config, provenance)
        journal.append(started)
        work = _Work(
            home=home,
            scenarios=tuple(scenarios),
            provenance=provenance,
            claims=claims,
            journal=journal,
            trials=trials,
            around=around or patiently(SystemClock(), ignore),
            settled=settled,
            known=known,
            all=len(pieces),
        )
        work.through(pieces, config.slots)
        rows = _recorded(home, identity)
        done = [rows[each] for each in _ids(pieces) if each in rows]
        ended = _ended(started, len(done), len(work.lost))
        journal.append(ended)
    return FolderResult(
        experiment_id=identity,
        status=ended.status,
        status_detail=ended.status_detail,
        candidates=tuple(sorted(done, key=lambda row: (row.iteration, row.slot))),
        lost=tuple(work.lost.values()),
        passed_over=passed_over,
        tried_here=work.tried,
    )


class Claim(Enum):
    """The result of a claim on a piece of work."""

    FRESH = "fresh"
    """It is ours, and no process started it before."""
    LEFT = "left"
    """It is ours; a process started it and died. Look up what it recorded."""
    DONE = "done"
    TAKEN = "taken"
    """Another process works on it."""


class Claims:
    """Claims in one folder; processes on several machines may share it if they share its locks."""

    def __init__(self, folder: Path) -> None:
        self._folder = make_folder(folder)

    def number(self, pieces: Sequence[str], known: Mapping[str, int]) -> dict[str, int]:
        """Return a number above 0 for each piece: the known one, the noted one, or the next."""
        path = self._folder / "numbers"
        with hold(self._folder / "numbers.lock", FOREVER):
            before = json.loads(path.read_text("ascii") or "{}") if path.exists() else {}
            noted: dict[str, int] = {**before, **known}
            fresh = [piece for piece in dict.fromkeys(pieces) if piece not in noted]
            first = max(noted.values(), default=0) + 1
            noted |= {piece: first + place for place, piece in enumerate(fresh)}
            draft = path.with_suffix(".new")
            draft.write_text(json.dumps(noted), "ascii")
            draft.replace(path)  # a kill leaves either the old or the new notes, complete
        return {piece: noted[piece] for piece in pieces}

    @contextmanager
    def claim(self, piece: str, *, wait: bool) -> Iterator[Claim]:
        """Hold a piece of work while the block runs, unless it is done or another has it."""
        path = self._folder / piece
        with hold(path, FOREVER if wait else 0) as ours:
            if not ours:
                yield Claim.TAKEN
                return
            noted = path.read_text("ascii")
            if noted == DONE:
                yield Claim.DONE
                return
            self._note(piece, BEGUN)
            yield Claim.LEFT if noted else Claim.FRESH

    def done(self, piece: str) -> None:
        """Note that a piece that is held is recorded."""
        self._note(piece, DONE)

    def _note(self, piece: str, text: str) -> None:
        """Write into the locked file itself; at no moment is it empty again."""
        with (self._folder / piece).open("r+", encoding="ascii") as file:
            file.write(text)
            file.truncate()


@dataclass(kw_only=True)
class _Work:
    """What the threads of one process share while they take policies."""

    home: Path
    scenarios: tuple[Scenario, ...]
    provenance: Provenance
    claims: Claims
    journal: Journal
    trials: Trials
    around: Around
    settled: Settled
    known: Mapping[str, CandidateRow]
    """What was recorded before this process began, by candidate."""
    all: int
    tried: int = 0
    lost: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        domain = self.provenance.domain
        self.references = find_references(self.scenarios, domain, self.trials)
        self.payloads = scenario_payloads(self.scenarios, domain)

    def through(self, pieces: Sequence[_Piece], slots: int) -> None:
        """Take all pieces, first those that are free, then those that others have."""
        for wait in (False, True):
            left = iter(pieces)  # shared by the threads: each takes the next
            side_by_side(partial(self._take_all, left), [wait] * slots)

    def _take_all(self, left: Iterator[_Piece], wait: bool) -> None:
        for piece in left:
            candidate = piece.contender.text.candidate
            if candidate in self.known or candidate in self.lost:
                continue
            with self.claims.claim(candidate, wait=wait) as claim:
                if claim is Claim.FRESH or (claim is Claim.LEFT and not self._is_recorded(piece)):
                    self._try(piece)

    def _is_recorded(self, piece: _Piece) -> bool:
        candidate = piece.contender.text.candidate
        recorded = candidate in _recorded(self.home, self.provenance.experiment_id)
        if recorded:
            self.claims.done(candidate)
        return recorded

    def _try(self, piece: _Piece) -> None:
        contender, clock = piece.contender, SystemClock()
        began = clock.seconds()
        call = partial(try_contender, contender, self.payloads, self.trials)
        try:
            trial = self.around("try", contender.label, call)
        except CellFailed as error:
            self.lost[contender.text.candidate] = f"{contender.label}: {error}"
            return
        rows = self._rows(piece, trial, clock.seconds() - began)
        self.journal.append_all(rows)
        self.claims.done(contender.text.candidate)
        self.tried += 1
        row = rows[-1]
        assert isinstance(row, CandidateRow)
        self.settled(row, min(100.0, 100.0 * (len(self.known) + self.tried) / self.all))

    def _rows(self, piece: _Piece, trial: Trial, seconds: float) -> list[Row]:
        """Return what is recorded of a policy, its own row last; the reference brings scenarios."""
        attempt = Attempt(
            key=piece.key,
            proposal=_proposal(piece.contender),
            trial=trial,
            train=judge(trial, self.references, Scale(spec=self.provenance.domain.spec)),
            seconds=seconds,
        )
        return attempt_rows(attempt, self.scenarios, self.provenance, stamp(SystemClock()))


def _contenders(config: FolderConfig) -> tuple[list[Contender], tuple[str, ...]]:
    """Return the baselines and the folder's policies, each source once, and the skipped entries."""
    if not config.folder.is_dir():
        raise UserError(f"{config.folder} is not a folder: name one that holds policies, *.py")
    named = sorted(p for p in config.folder.glob("*.py") if not p.name.startswith("."))
    policies, problems = [], []
    for path in named:
        try:
            policies.append(Contender(label=path.name, text=_policy(path, config.domain)))
        except UserError as error:
            problems.append(str(error))
    if not policies:
        why = "".join(f"; {each}" for each in problems)
        raise UserError(f"{config.folder} holds no policies: expected files named *.py{why}")
    found = [
        Contender(label=each.title, text=_text(each.title, each.source or ""), baseline=True)
        for each in baseline_proposals(config.baselines, config.domain)
    ]
    once = {each.text.candidate: each for each in reversed([*found, *policies])}
    return list(once.values())[::-1], tuple(problems)


def _policy(path: Path, domain: Domain) -> PolicyText:
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is no regular file, expected a Python file with one policy")
    return read_policy(str(path), domain)


def _text(title: str, source: str) -> PolicyText:
    return PolicyText(title=title, data=source.encode(), source=source)


def _placed(
    contenders: Sequence[Contender], claims: Claims, known: Mapping[str, CandidateRow]
) -> list[_Piece]:
    """Give baselines the slots of iteration 0 and every other policy its own iteration."""
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
    """Return the row of a resumed experiment, None for a new one."""
    rows = [row for row in read_rows(home, experiment_id) if isinstance(row, ExperimentRow)]
    return replace(rows[-1], status=RUNNING, finished_at=None) if rows else None


def _started(config: FolderConfig, provenance: Provenance) -> ExperimentRow:
    """Return the row of a new experiment."""
    known = config.model_dump(mode="json")
    return started_row(provenance, KIND, config.name, config.suite, known, stamp(SystemClock()))


def _ended(started: ExperimentRow, tried: int, lost: int) -> ExperimentRow:
    """Return the row of the experiment once every policy is tried or lost."""
    detail = f"{tried} policies were tried"
    return replace(
        started,
        status="finished_with_losses" if lost else "finished",
        status_detail=f"{detail}; {lost} were lost and will be tried by the next run"
        if lost
        else detail,
        finished_at=stamp(SystemClock()),
    )


def _proposal(contender: Contender) -> Proposal:
    made_by = "baseline" if contender.baseline else KIND
    return Proposal(
        source=contender.text.source,
        title=contender.label,
        origin=made_by,
        operator=made_by,
        problem=contender.text.problem,
    )

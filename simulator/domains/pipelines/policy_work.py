"""What a policy sees of the work: pipelines, operators, states; no true need is in here."""

from collections.abc import Collection, Iterator
from operator import is_
from typing import Any, Protocol

from simulator.domains.pipelines.policy_values import (
    ASSIGNABLE_STATES,
    STATES,
    Estimate,
    OperatorState,
    Priority,
)
from simulator.domains.pipelines.states import COMPLETED, PENDING

HIDDEN = frozenset(
    ("get_segments", "values", "segments", "add_segment", "get_peak_memory_gb", "memory_gb",
     "baseline_cpu_seconds", "storage_read_gb", "cpu_scaling", "cpu", "ram", "peak_memory_gb")
)  # fmt: skip


class TickClock(Protocol):
    """The part of the clock that time-outs need."""

    tick: int


class Maker(Protocol):
    """Makes the operators of a pipeline from what the pipeline keeps folded."""

    def unfold(self, pipeline: "Pipeline", folded: Any) -> tuple["DAG", "PipelineRuntimeStatus"]:
        """Return the operators and the changing part of ``pipeline``."""


class Operator:
    """A node of a pipeline's DAG. ``parents`` and ``children`` are operators."""

    __slots__ = (
        "__dict__", "__weakref__", "_children", "_estimate", "_number", "_parents", "_state",
        "_state_number", "_waiting", "id", "pipeline",
    )  # fmt: skip

    def __init__(
        self, number: int, name: str, pipeline: "Pipeline", estimate_gb: float | None
    ) -> None:
        self._number = number
        self._state = OperatorState.PENDING
        self._state_number = PENDING
        self._waiting = 0
        """Number of parents that are not COMPLETED."""
        self.id = name
        self.pipeline = pipeline
        self._parents: list[Operator] | None = None
        self._children: list[Operator] | None = None
        self._estimate: Estimate | float | None = estimate_gb

    @property
    def parents(self) -> list["Operator"]:
        """The operators that must be COMPLETED before it can run."""
        return [] if self._parents is None else self._parents

    @property
    def children(self) -> list["Operator"]:
        """The operators that wait for it."""
        return [] if self._children is None else self._children

    def _wait_for(self, parents: list["Operator"]) -> None:
        """Take the parents in; the lists of most operators are short or never made."""
        self._parents = parents
        self._waiting = len(parents)
        for parent in parents:
            if parent._children is None:
                parent._children = []
            parent._children.append(self)

    @property
    def estimate(self) -> Estimate:
        """What an estimator said about the operator."""
        if not isinstance(self._estimate, Estimate):
            self._estimate = Estimate(self._estimate)
        return self._estimate

    def state(self) -> OperatorState:
        """Return the current state."""
        return self._state

    def __hash__(self) -> int:
        return self._number

    def __repr__(self) -> str:
        return f"Operator({self.id})"

    def __getattr__(self, name: str) -> Any:
        if name in HIDDEN:
            raise AttributeError(
                f"operator {self.id} has no {name!r}: what an operator needs is hidden from "
                "policies; op.estimate.mem_peak_gb is all that is known of it (None without an "
                "estimator)"
            )
        raise AttributeError(
            f"operator {self.id} has no attribute {name!r}; it has id, pipeline, parents, "
            "children, estimate and state()"
        )


class DAG:
    """The operators of a pipeline; iterates breadth first, parents before children."""

    __slots__ = ("__dict__", "_operators", "_order")

    def __init__(self, operators: tuple[Operator, ...]) -> None:
        self._operators = operators
        self._order = _breadth_first(operators)

    @property
    def roots(self) -> list[Operator]:
        """The operators without parents."""
        return [operator for operator in self._operators if not operator.parents]

    @property
    def node_ids(self) -> list[str]:
        """The ids of all operators, as they were added."""
        return [operator.id for operator in self._operators]

    @property
    def node_lookup(self) -> dict[str, Operator]:
        """The operators by id."""
        return {operator.id: operator for operator in self._operators}

    def __iter__(self) -> Iterator[Operator]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._operators)

    def find_node_by_id(self, node_id: str) -> Operator | None:
        """Return the operator with this id."""
        return self.node_lookup.get(node_id)


class PipelineRuntimeStatus:
    """Where a pipeline is: the states of its operators and its times."""

    __slots__ = (
        "__dict__", "_clock", "_counts", "_operators", "arrival_tick", "finish_tick",
        "max_job_ticks", "pipeline",
    )  # fmt: skip

    def __init__(
        self,
        pipeline: "Pipeline",
        values: DAG,
        arrival_tick: int | None,
        clock: TickClock,
        max_job_ticks: int,
    ) -> None:
        self.pipeline = pipeline
        self.arrival_tick = arrival_tick
        self.finish_tick: int | None = None
        self.max_job_ticks = max_job_ticks
        self._clock = clock
        self._operators = values._order
        self._counts = [len(self._operators), 0, 0, 0, 0, 0]

    @property
    def operator_states(self) -> dict[Operator, OperatorState]:
        """The state of every operator, in the order of ``pipeline.values``."""
        return {operator: operator._state for operator in self._operators}

    @property
    def state_counts(self) -> dict[OperatorState, int]:
        """How many operators are in each state."""
        return dict(zip(STATES, self._counts, strict=True))

    def get_ops(
        self,
        states: OperatorState | Collection[OperatorState],
        require_parents_complete: bool = False,
    ) -> list[Operator]:
        """Return the operators in one of ``states``, in the order of ``pipeline.values``.

        ``require_parents_complete`` leaves out those with a parent that is not COMPLETED.
        """
        if states is ASSIGNABLE_STATES and not self._counts[PENDING] and not self._counts[-1]:
            return []
        if isinstance(states, OperatorState):
            states = (states,)
        if require_parents_complete:
            return [
                operator
                for operator in self._operators
                if not operator._waiting and operator._state in states
            ]
        return [operator for operator in self._operators if operator._state in states]

    def get_assignable_ops(self) -> list[Operator]:
        """Return the operators that can be assigned and have all their parents COMPLETED."""
        return self.get_ops(ASSIGNABLE_STATES, require_parents_complete=True)

    def is_pipeline_successful(self) -> bool:
        """Whether all operators are COMPLETED."""
        return self._counts[COMPLETED] == len(self._operators)

    def has_timed_out(self) -> bool:
        """Whether its deadline passed before it was successful."""
        if self.max_job_ticks <= 0 or self.arrival_tick is None:
            return False
        late = self._clock.tick - self.arrival_tick >= self.max_job_ticks
        return late and not self.is_pipeline_successful()

    def get_latency_ticks(self) -> int:
        """Return the ticks from arrival to finish of a finished pipeline."""
        assert self.arrival_tick is not None, "arrival_tick not recorded"
        assert self.finish_tick is not None, "finish_tick not recorded"
        return self.finish_tick - self.arrival_tick

    def _move(self, operator: Operator, number: int) -> None:
        """Put an operator into the state with this number."""
        self._counts[operator._state_number] -= 1
        self._counts[number] += 1
        operator._state_number = number
        operator._state = STATES[number]
        if number == COMPLETED:
            for child in operator._children or ():
                child._waiting -= 1


class Pipeline:
    """A DAG of operators with one priority. ``values`` iterates over the operators."""

    __slots__ = (
        "__dict__", "__weakref__", "_folded", "_maker", "_number", "_runtime_status", "_values",
        "id", "pipeline_id", "priority",
    )  # fmt: skip

    def __init__(
        self, number: int, pipeline_id: str, priority: Priority, maker: "Maker", folded: Any
    ) -> None:
        self._number = number
        self._maker = maker
        self._folded = folded
        self.pipeline_id = pipeline_id
        self.id = pipeline_id
        self.priority = priority
        self._values: DAG | None = None
        self._runtime_status: PipelineRuntimeStatus | None = None

    @property
    def values(self) -> DAG:
        """The operators."""
        return self._unfold()[0] if self._values is None else self._values

    def runtime_status(self) -> PipelineRuntimeStatus:
        """Return the states of its operators, as described below."""
        return self._unfold()[1] if self._runtime_status is None else self._runtime_status

    def _unfold(self) -> tuple[DAG, PipelineRuntimeStatus]:
        """Make the operators, which many policies look at much later than at the arrival."""
        self._values, self._runtime_status = self._maker.unfold(self, self._folded)
        self._folded = None
        return self._values, self._runtime_status

    def __hash__(self) -> int:
        return self._number

    def __repr__(self) -> str:
        return f"Pipeline({self.pipeline_id}, {self.priority.name}, {len(self.values)} operators)"


def _breadth_first(operators: tuple[Operator, ...]) -> tuple[Operator, ...]:
    """Return operators numbered in a row from the roots on, each after its last parent."""
    order = [operator for operator in operators if not operator._parents]
    if len(order) == len(operators):
        return operators
    first = operators[0]._number
    missing = [operator._waiting for operator in operators]
    for operator in order:
        for child in operator._children or ():
            place = child._number - first
            missing[place] -= 1
            if not missing[place]:
                order.append(child)
    same = all(map(is_, order, operators))
    return operators if same else tuple(order)

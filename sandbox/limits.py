"""Every limit of a cell: those of the policy and those of the container around it."""

import math

from pydantic import BaseModel, ConfigDict, Field

from simulator.cell.frames import CellLimits

MB = 1 << 20


class Limits(BaseModel):
    """Limits of one cell: enforced inside it up to ``idle_seconds``, the rest by the host."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    policy_cpu_seconds: float = Field(default=20.0, gt=0, le=86_400)
    """CPU seconds of the policy in one scenario."""
    call_cpu_seconds: float = Field(default=5.0, gt=0, le=86_400)
    """CPU seconds of one call of the policy."""
    simulator_cpu_seconds: float = Field(default=30.0, gt=0, le=86_400)
    """CPU seconds of the simulator to carry out the policy's decisions in one scenario."""
    blocked_seconds: float = Field(default=5.0, gt=0, le=86_400)
    """Seconds that the policy may sleep during its calls, over all scenarios of a trial."""
    wall_seconds: float = Field(default=180.0, gt=0, le=86_400)
    """Wall-clock seconds of one scenario; generous, for a busy machine."""
    candidate_cpu_seconds: float = Field(default=120.0, gt=0, le=864_000)
    """CPU seconds of policy and simulator together, over all scenarios of a trial."""
    candidate_wall_seconds: float = Field(default=600.0, gt=0, le=864_000)
    """Wall-clock seconds over all scenarios of a trial."""
    memory_mb: int = Field(default=256, ge=32, le=65_536)
    """Memory of the policy's process in MB."""
    message_bytes: int = Field(default=1 << 20, ge=1 << 10, le=1 << 28)
    """The largest message between simulator and policy."""
    print_bytes: int = Field(default=1 << 16, ge=0, le=1 << 24)
    """Bytes of a policy's prints that are kept."""
    failure_text_chars: int = Field(default=2000, ge=100, le=100_000)
    """Characters of a policy's error message that are kept."""
    decisions_per_call: int = Field(default=10_000, ge=1)
    """Suspensions and assignments in one decision."""
    idle_seconds: float = Field(default=600.0, gt=0, le=86_400)
    """How long a cell that was started ahead waits for a job."""

    source_bytes: int = Field(default=64_000, ge=1)
    """The largest source that is accepted."""
    trusted_memory_mb: int = Field(default=512, ge=64)
    """Memory of the container beyond the policy's: the simulator and the waiting workers."""
    spare_pids: int = Field(default=16, ge=4)
    """Processes of the container beyond its workers: PID 1, and the engine's helper at start."""
    start_seconds: float = Field(default=60.0, gt=0)
    """How long a container may take to start, and as long again to be removed."""
    scenario_grace_seconds: float = Field(default=20.0, ge=0)
    """Seconds beyond ``wall_seconds`` that the host waits for each scenario."""
    report_bytes: int = Field(default=16 * MB, ge=MB)
    """The largest output of a cell that the host accepts, per scenario."""

    def for_cell(self) -> CellLimits:
        """Return the limits that the cell enforces."""
        return CellLimits(**self.model_dump(include=set(CellLimits.__dataclass_fields__)))

    @property
    def whole_cpu_seconds(self) -> int:
        """The policy's CPU limit, rounded up to whole seconds for the kernel."""
        return math.ceil(self.policy_cpu_seconds)

    def container_memory_bytes(self, per_scenario: int = 1) -> int:
        """The memory limit of the whole container, in which so many workers run at a time."""
        return (per_scenario * self.memory_mb + self.trusted_memory_mb) * MB

    def job_seconds(self, scenarios: int, per_scenario: int = 1) -> float:
        """How long the host waits for a report on ``scenarios`` scenarios.

        Each of the workers of a scenario has the limits to itself.
        """
        wall = per_scenario * min(scenarios * self.wall_seconds, self.candidate_wall_seconds)
        return wall + scenarios * self.scenario_grace_seconds + self.start_seconds

    def lifetime_seconds(self, scenarios: int, per_scenario: int = 1) -> float:
        """The longest time between a cell's creation and its removal."""
        return (
            self.idle_seconds + self.job_seconds(scenarios, per_scenario) + 2 * self.start_seconds
        )

"""Every limit of a cell in one place, those of the policy and those of the container around it."""

import math

from pydantic import BaseModel, ConfigDict, Field

from simulator.cell.frames import CellLimits

MB = 1 << 20


class Limits(BaseModel):
    """Limits of one cell: up to ``idle_seconds`` kept inside it, the rest kept by the host."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    policy_cpu_seconds: float = Field(default=20.0, gt=0, le=86_400)
    """What the policy may use on one scenario."""
    call_cpu_seconds: float = Field(default=5.0, gt=0, le=86_400)
    """What a single call of the policy may use."""
    simulator_cpu_seconds: float = Field(default=30.0, gt=0, le=86_400)
    """What the simulator may use to carry out the policy's decisions on one scenario."""
    blocked_seconds: float = Field(default=5.0, gt=0, le=86_400)
    """How long it may sleep in the middle of its calls, over all scenarios of a trial."""
    wall_seconds: float = Field(default=180.0, gt=0, le=86_400)
    """What one scenario may take by the clock, for a machine that is busy."""
    candidate_cpu_seconds: float = Field(default=120.0, gt=0, le=864_000)
    """What policy and simulator together may use over all scenarios of a trial."""
    candidate_wall_seconds: float = Field(default=600.0, gt=0, le=864_000)
    """What all scenarios of a trial may take by the clock."""
    memory_mb: int = Field(default=256, ge=32, le=65_536)
    """What the policy's process may hold."""
    message_bytes: int = Field(default=1 << 20, ge=1 << 10, le=1 << 28)
    """The largest message between simulator and policy."""
    print_bytes: int = Field(default=1 << 16, ge=0, le=1 << 24)
    """What is kept of a policy's prints."""
    failure_text_chars: int = Field(default=2000, ge=100, le=100_000)
    """What is kept of a policy's error message."""
    decisions_per_call: int = Field(default=10_000, ge=1)
    """Suspensions and assignments in one decision."""
    idle_seconds: float = Field(default=600.0, gt=0, le=86_400)
    """How long a cell that was started ahead waits for work."""

    source_bytes: int = Field(default=64_000, ge=1)
    """The largest source that is looked at."""
    trusted_memory_mb: int = Field(default=512, ge=64)
    """Memory of the container beyond the policy's: the simulator and the waiting workers."""
    spare_pids: int = Field(default=16, ge=4)
    """Processes of the container beyond its workers: PID 1, and the engine's helper at start."""
    start_seconds: float = Field(default=60.0, gt=0)
    """How long a container may take to start, and again to go."""
    scenario_grace_seconds: float = Field(default=20.0, ge=0)
    """How much longer than ``wall_seconds`` the host waits for each scenario before it gives up."""
    report_bytes: int = Field(default=16 * MB, ge=MB)
    """The largest output of a cell that the host takes in, for each scenario."""

    def for_cell(self) -> CellLimits:
        """Return the limits that are kept inside the cell."""
        return CellLimits(**self.model_dump(include=set(CellLimits.__dataclass_fields__)))

    @property
    def whole_cpu_seconds(self) -> int:
        """The policy's CPU limit in whole seconds, as the kernel counts them."""
        return math.ceil(self.policy_cpu_seconds)

    @property
    def container_memory_bytes(self) -> int:
        """The memory limit of the whole container."""
        return (self.memory_mb + self.trusted_memory_mb) * MB

    def job_seconds(self, scenarios: int) -> float:
        """How long the host waits for the report on ``scenarios`` scenarios."""
        wall = min(scenarios * self.wall_seconds, self.candidate_wall_seconds)
        return wall + scenarios * self.scenario_grace_seconds + self.start_seconds

    def lifetime_seconds(self, scenarios: int) -> float:
        """The longest that a cell can live, from its creation."""
        return self.idle_seconds + self.job_seconds(scenarios) + 2 * self.start_seconds

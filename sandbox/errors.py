"""Errors that are not the policy's fault: raised, retried, never scored."""


class SandboxError(RuntimeError):
    """A fault of the sandbox or the machine, with a remedy."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem}: {remedy}" if remedy else problem)
        self.problem = problem
        self.remedy = remedy


class SandboxUnavailable(SandboxError):
    """No Docker engine answers, or it cannot protect a cell."""


class ImageMissing(SandboxUnavailable):
    """The image of this version of the simulator is not on the engine."""


class CellFailed(SandboxError):
    """A cell failed without proof that the policy caused it; a retry may help."""


class TrialStopped(RuntimeError):
    """The caller ended a trial before its result was there; it is neither scored nor retried."""

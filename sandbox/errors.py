"""What can go wrong on our side of the wall: raised, retried, never scored against a policy."""


class SandboxError(RuntimeError):
    """A fault of the sandbox or of the machine: what is wrong, and what to do about it."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem}: {remedy}" if remedy else problem)
        self.problem = problem
        self.remedy = remedy


class SandboxUnavailable(SandboxError):
    """No Docker engine answers, or it cannot give the protection that a cell needs."""


class ImageMissing(SandboxUnavailable):
    """The image of this version of the simulator is not on the engine."""


class CellFailed(SandboxError):
    """A cell did not do its job, through no proven fault of the policy; trying again may help."""

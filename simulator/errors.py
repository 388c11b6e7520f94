"""Exceptions of the simulator: bad input, for a person to mend, and failures of policies."""

from dataclasses import dataclass


class InputError(ValueError):
    """A parameter, trace or policy file that cannot be used; the message is one complete line."""


class ParamsError(InputError):
    """A simulation parameter is missing, unknown or out of range."""


class TraceError(InputError):
    """A trace file is malformed; the message names file, line, column and value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a policy failed: a value, stored and shown to whoever wrote the policy.

    ``kind`` is one of the outcome names (``policy_error``, ``invalid_decision``, ...), ``step`` the
    step of the simulation at which the policy was called, ``line`` its source line, where known.
    """

    kind: str
    message: str
    step: int | None = None
    line: int | None = None


class PolicyFailure(Exception):
    """Carries a :class:`Failure` out of a simulation that the policy brought to an end."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure

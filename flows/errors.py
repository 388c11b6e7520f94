"""Errors that a person can mend: each message is complete and says what to do next."""


class UserError(Exception):
    """Bad input or usage; the command line prints the message alone and exits with 2."""


class ConfigError(UserError):
    """A configuration that cannot be used; the message names key, value and what is allowed."""


class AlreadyRunning(UserError):
    """Another process is working on the same experiment."""


class OrchestratorUnavailable(RuntimeError):
    """Prefect's server could not be started or reached; the same search runs without it."""


class TooManyLosses(RuntimeError):
    """So many attempts in a row were lost to failures of ours that going on is pointless."""

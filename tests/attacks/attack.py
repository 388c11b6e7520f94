"""What an attack is: a hostile policy, and how a cell must end it."""

from dataclasses import dataclass
from textwrap import dedent, indent

from sandbox.outcome import Outcome
from tests.support.cells import HONEST

PRELUDE = """
import enum
sys = enum.sys
os, gc = sys.modules["os"], sys.modules["gc"]
ctypes = sys.modules["ctypes"]
libc = ctypes.CDLL(None, use_errno=True)

def held(act):
    try:
        print("done:", repr(act())[:200])
    except BaseException as error:
        print("held:", type(error).__name__)
"""

ONCE = """
_honest_step = step
_attacked = []

def step(s, results, pipelines):
    if not _attacked:
        _attacked.append(True)
        attack(s, results, pipelines)
    return _honest_step(s, results, pipelines)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One threat; ``honest`` means that the figures must be those of the policy it hides behind."""

    name: str
    source: str
    outcomes: frozenset[Outcome]
    says: str = ""
    """A text that the message or the prints must have."""
    never_says: str = ""
    """A text that must appear nowhere."""
    honest: bool = False


def hidden(name: str, body: str, says: str = "held: PermissionError", **rest: object) -> Attack:
    """Return an attack made once, in the first call of a policy that otherwise schedules honestly.

    Where the attack is contained, the figures are those of the honest policy.
    """
    source = PRELUDE + _honest_policy(body)
    fields = {"outcomes": frozenset({Outcome.OK}), "says": says, "honest": True} | rest
    return Attack(name=name, source=source, **fields)  # type: ignore[arg-type]


def fatal(name: str, body: str, *outcomes: Outcome, **rest: object) -> Attack:
    """Return an attack made in the first call that must end with one of ``outcomes``."""
    source = PRELUDE + _honest_policy(body)
    return Attack(name=name, source=source, outcomes=frozenset(outcomes), **rest)  # type: ignore[arg-type]


def module(name: str, source: str, *outcomes: Outcome, **rest: object) -> Attack:
    """Return an attack whose whole module is given."""
    text = dedent(source)
    return Attack(name=name, source=text, outcomes=frozenset(outcomes), **rest)  # type: ignore[arg-type]


def _honest_policy(body: str) -> str:
    """Return the honest policy, whose step makes the attack in ``body`` once before it works."""
    attack = "def attack(s, results, pipelines):\n" + indent(dedent(body).strip("\n"), "    ")
    undecorated = HONEST.replace('@register_scheduler(key="honest")\n', "")
    registered = '\nregister_scheduler(key="honest")(step)\n'
    return f"{attack}\n{undecorated}{ONCE}{registered}"

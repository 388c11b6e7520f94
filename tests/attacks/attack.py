"""What an attack is: a hostile policy, and how a cell must end it."""

from collections.abc import Sequence
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

HONEST_ARGUMENTS = "s, results, pipelines"
ONCE = """
_honest_step = step
_attacked = []

def step(ARGUMENTS):
    if not _attacked:
        _attacked.append(True)
        attack(ARGUMENTS)
    return _honest_step(ARGUMENTS)
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
    body: str = ""
    """What the attack does, where it hides behind a policy: it can do so behind any."""


def hidden(name: str, body: str, says: str = "held: PermissionError", **rest: object) -> Attack:
    """Return an attack made once, in the first call of a policy that otherwise schedules honestly.

    Where the attack is contained, the figures are those of the honest policy.
    """
    fields = {"outcomes": frozenset({Outcome.OK}), "says": says, "honest": True} | rest
    return Attack(name=name, source=_behind_honest(body), body=body, **fields)  # type: ignore[arg-type]


def fatal(name: str, body: str, *outcomes: Outcome, **rest: object) -> Attack:
    """Return an attack made in the first call that must end with one of ``outcomes``."""
    source = _behind_honest(body)
    return Attack(name=name, source=source, body=body, outcomes=frozenset(outcomes), **rest)  # type: ignore[arg-type]


def module(name: str, source: str, *outcomes: Outcome, **rest: object) -> Attack:
    """Return an attack whose whole module is given."""
    text = dedent(source)
    return Attack(name=name, source=text, outcomes=frozenset(outcomes), **rest)  # type: ignore[arg-type]


def _behind_honest(body: str) -> str:
    decorator = '@register_scheduler(key="honest")\n'
    return behind(HONEST, decorator, HONEST_ARGUMENTS, body)


def _indented(body: str) -> str:
    return indent(dedent(body).strip("\n"), "    ")


def behind_honest_by_name(attacks: Sequence[Attack]) -> str:
    """Return the honest policy that makes one of these attacks once first.

    It makes the one that stands before a space in the name of the first pipeline; none without one.
    """
    made = "".join(
        f"def attack_{number}({HONEST_ARGUMENTS}):\n{_indented(each.body)}\n"
        for number, each in enumerate(attacks)
    )
    names = ", ".join(f"{each.name!r}: attack_{number}" for number, each in enumerate(attacks))
    chosen = f"""
    name, space, _ = pipelines[0].pipeline_id.partition(" ")
    return space and {{{names}}}[name]({HONEST_ARGUMENTS})
    """
    return made + _behind_honest(chosen)


def behind(policy: str, decorator: str, arguments: str, body: str) -> str:
    """Return a policy whose step, below ``decorator``, makes the attack in ``body`` once first."""
    assert decorator in policy
    attack = f"def attack({arguments}):\n{_indented(body)}"
    once = ONCE.replace("ARGUMENTS", arguments)
    registered = decorator.strip().removeprefix("@")
    return f"{PRELUDE}{attack}\n{policy.replace(decorator, '')}{once}\n{registered}(step)\n"

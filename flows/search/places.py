"""Which places of an iteration are open, and how much of the budget each of them may use.

What was used when the iteration began decides, and that alone: an interrupted run finds the same
places, and which of several calls ends first makes no difference.
"""

from collections.abc import Sequence
from math import inf

from flows.proposers.prices import may_be_charged
from flows.search.budget import calls_left, places, room_for, stop_reason, tries_left
from flows.search.session import Session


def open_slots(session: Session, iteration: int) -> list[int]:
    """Return the slots of ``iteration`` that are not recorded and that the budget has room for."""
    budget, spend = session.config.budget, session.spend()
    done = {slot for it, slot in session.ledger.candidates if it == iteration}
    # What an interrupted run has paid for is tried, even when nothing new can be paid.
    replied = {slot for it, slot in session.ledger.unused_replies() if it == iteration}
    paid = [slot for slot in _wanted(session, iteration) if slot in replied]
    new = [slot for slot in _begun(session, iteration) if slot not in done | replied]
    while paid and len(paid) > tries_left(budget, spend):
        paid.pop()
    # A budget may have become smaller since the iteration began.
    while new and stop_reason(
        budget, spend, calls=_not_charged(session, iteration, new), tried=len(paid) + len(new)
    ):
        new.pop()
    return sorted([*paid, *new])


def charges(session: Session, iteration: int, slots: Sequence[int]) -> list[int | None]:
    """Return how many requests that may be charged each slot has room for, None for no bound.

    Each has its share of what there was when the iteration began.
    """
    left = calls_left(session.config.budget, session.spend(before=iteration))
    if left == inf:
        return [None for _ in slots]
    begun = _begun(session, iteration)
    each, more = divmod(int(left), len(begun)) if begun else (0, 0)
    return [each + (slot < more) for slot in slots]


def _begun(session: Session, iteration: int) -> range:
    """Return the slots that there was room for when the iteration began."""
    wanted = _wanted(session, iteration)
    return wanted[: places(session.config.budget, session.spend(before=iteration), len(wanted))]


def _wanted(session: Session, iteration: int) -> range:
    room = room_for(session.config.budget, session.spend(before=iteration))
    return session.strategy.slots(iteration, room)


def _not_charged(session: Session, iteration: int, slots: list[int]) -> int:
    """Return how many slots have not used what is held for their call: they count as used."""
    return sum(
        not any(may_be_charged(call) for call in session.ledger.calls_of((iteration, slot)))
        for slot in slots
    )

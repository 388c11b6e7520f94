"""Numbers with the words that go with them."""


def counted(amount: int, noun: str, plural: str | None = None) -> str:
    """Return ``1 candidate``, ``2 candidates``, ``1,200 candidates``."""
    return f"{amount:,} {noun if amount == 1 else plural or noun + 's'}"

"""Turns around the order of memory addresses, so that a policy that leans on it is found out.

Workers of one cell are copies of one process, in which equal steps would give equal addresses: a
policy that sorts by ``id`` would repeat itself in the cell and decide otherwise in the next one.
"""

POOL_BYTES = 1 << 14
"""What the allocator of the interpreter takes at a time for objects of one size."""
POOLS = 3
SIZES = range(16, 272, 16)
_OVERHEAD_BYTES = 33
"""Of a ``bytes`` beyond its content."""
_PIN_EVERY = 2
"""How many objects in each pool stay, as the allocator forgets the order of an empty pool."""


def turn_addresses_around() -> list[object]:
    """Have new small objects come at falling addresses for a while, where they come at rising ones.

    Whoever calls this must keep what it returns for as long as that is to last.
    """
    return [_turned(size) for size in SIZES]


def _turned(size: int) -> list[object]:
    per_pool = POOL_BYTES // size
    made = [_object_of(size) for _ in range(POOLS * per_pool)]
    made.sort(key=id)
    kept = made[:: per_pool // _PIN_EVERY]
    made.reverse()
    while made:  # what was freed last is given out first
        made.pop()
    return kept


def _object_of(size: int) -> object:
    """Return a new object of ``size`` bytes, of a type that the interpreter does not hoard."""
    if size > _OVERHEAD_BYTES:
        return bytes(size - _OVERHEAD_BYTES)
    return object() if size == SIZES[0] else complex(size)

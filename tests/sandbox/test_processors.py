"""On which processors cells are put."""

from collections import deque

from sandbox.provider import Processors


def test_cells_at_work_beside_each_other_have_different_processors() -> None:
    processors = Processors([4, 7])
    waiting = deque(processors.take() for _ in range(2))

    for _ in range(20):
        at_work = {waiting.popleft(), waiting.popleft()}
        waiting.extend([processors.take(), processors.take()])
        assert at_work == {4, 7}


def test_one_processor_is_enough() -> None:
    processors = Processors([3])

    assert [processors.take() for _ in range(3)] == [3, 3, 3]

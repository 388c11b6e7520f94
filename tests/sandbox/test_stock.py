"""The stock of ready cells: as many ahead as asked, single-use, none left over."""

import threading
from collections import deque

from sandbox.errors import CellFailed
from sandbox.provider import Processors
from sandbox.stock import Stock


class FakeCell:
    """A cell without a container."""

    def __init__(self, workers: int, age_seconds: float = 0.0) -> None:
        self.workers = workers
        self.age_seconds = age_seconds


class Shop:
    """Starts and clears fake cells and remembers them."""

    def __init__(self, ahead: int, age_seconds: float = 0.0, failures: int = 0) -> None:
        self.started: list[FakeCell] = []
        self.cleared: list[FakeCell] = []
        self.failures = failures
        self._age_seconds = age_seconds
        self._lock = threading.Lock()
        self.stock = Stock(
            start=self.start,  # type: ignore[arg-type]
            destroy=self.cleared.append,  # type: ignore[arg-type]
            ahead=ahead,
            max_age_seconds=100.0,
        )

    def start(self, workers: int) -> FakeCell:
        with self._lock:
            if self.failures:
                self.failures -= 1
                raise CellFailed("no cell today")
            cell = FakeCell(workers, self._age_seconds)
            self.started.append(cell)
            return cell


def test_the_first_cell_is_cold_and_the_next_is_ready() -> None:
    shop = Shop(ahead=1)

    _, first_ready = shop.stock.take(3)
    second, second_ready = shop.stock.take(3)

    assert (first_ready, second_ready) == (False, True)
    assert second.workers == 3
    shop.stock.close()


def test_no_cell_is_given_out_twice() -> None:
    shop = Shop(ahead=2)

    taken = [shop.stock.take(1)[0] for _ in range(10)]

    assert len({id(cell) for cell in taken}) == 10
    shop.stock.close()


def test_waiting_cells_of_another_size_are_removed() -> None:
    shop = Shop(ahead=1)
    shop.stock.prepare(3)
    shop.stock.settle()

    cell, ready = shop.stock.take(5)

    assert (cell.workers, ready) == (5, False)
    shop.stock.settle()
    assert [one.workers for one in shop.cleared] == [3]
    shop.stock.close()


def test_a_larger_cell_is_used_for_fewer_scenarios_and_replaced() -> None:
    shop = Shop(ahead=1)
    shop.stock.prepare(5)

    cell, ready = shop.stock.take(3)

    assert (cell.workers, ready) == (5, True)
    assert shop.stock.take(5)[1] is True
    shop.stock.close()
    assert {one.workers for one in shop.started} == {5}


def test_a_cell_that_waited_too_long_is_not_given_out() -> None:
    shop = Shop(ahead=1, age_seconds=101.0)
    shop.stock.prepare(1)
    shop.stock.settle()

    _, ready = shop.stock.take(1)

    assert ready is False
    shop.stock.close()
    assert len(shop.cleared) == len(shop.started) - 1


def test_a_cell_that_failed_to_start_ahead_is_replaced() -> None:
    shop = Shop(ahead=1, failures=1)
    shop.stock.prepare(1)
    shop.stock.settle()

    cell, ready = shop.stock.take(1)

    assert (cell.workers, ready) == (1, False)
    shop.stock.close()


def test_closing_clears_every_cell_that_was_not_given_out() -> None:
    shop = Shop(ahead=3)
    cell, _ = shop.stock.take(1)
    shop.stock.give_back(cell)

    shop.stock.close()

    assert sorted(map(id, shop.cleared)) == sorted(map(id, shop.started))


def test_with_nothing_ahead_only_requested_cells_are_started() -> None:
    shop = Shop(ahead=0)

    shop.stock.take(1)

    shop.stock.close()
    assert len(shop.started) == 1


def test_for_the_last_trials_waiting_cells_are_used_and_none_is_started_ahead() -> None:
    shop = Shop(ahead=2)
    shop.stock.prepare(1)

    shop.stock.last()

    assert [shop.stock.take(1)[1] for _ in range(3)] == [True, True, False]
    shop.stock.close()
    assert len(shop.started) == 3


def test_cells_that_work_at_the_same_time_have_different_processors() -> None:
    processors = Processors([4, 7])
    waiting = deque(processors.take() for _ in range(2))

    for _ in range(20):
        at_work = {waiting.popleft(), waiting.popleft()}
        waiting.extend([processors.take(), processors.take()])
        assert at_work == {4, 7}


def test_one_processor_is_enough() -> None:
    processors = Processors([3])

    assert [processors.take() for _ in range(3)] == [3, 3, 3]

"""The measurement of lessons: its rank correlation, and its reader of prompts."""

import random

import pytest

from benchmarks.bench_lessons import Advice, Reader, best_in, kendall, lessons_in
from simulator.domains.pipelines.offline.space import GENES, Genome
from tests.support.offline import emit

PROMPT = f"""\
# The best policy so far: 3/0 `good`: score 2.000

```python
{emit(GENES.with_values(Genome(), {"cpus": 6}))}
```

# What the record shows

- larger `cpus`: +6 % (2 to 11), 9 pairs; but -4 % on wide
- `order` is `shortest` and without `watch`: +3 % (1 to 5), 7 pairs
- no effect in any pair: `look_ahead` (4), `kinds` `all` (3)

# Your turn
"""


def test_the_rank_correlation_is_kendalls_with_ties() -> None:
    assert kendall([1, 2, 3], [1, 2, 3]) == pytest.approx(1.0)
    assert kendall([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    assert kendall([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(5 / 30**0.5)
    assert kendall([0, 0, 0], [1, 2, 3]) == 0.0


def test_the_reader_takes_policy_lessons_and_what_is_idle_from_the_text_of_a_prompt() -> None:
    place, genome = best_in(PROMPT)
    advice, idle = lessons_in(PROMPT)

    assert (place, genome) == ("3/0", GENES.with_values(Genome(), {"cpus": 6}))
    assert advice == [
        Advice(percent=6.0, gene="cpus", how="larger"),
        Advice(percent=3.0, gene="watch", how="without"),
        Advice(percent=3.0, gene="order", how="is", value="shortest"),
    ]
    assert idle == {"look_ahead"}


def test_the_reader_never_goes_against_a_lesson_and_never_writes_a_policy_twice() -> None:
    reader = Reader(random.Random(1))

    written = [reader.next_policy(PROMPT)[0] for _ in range(60)]

    assert len(set(written)) == 60
    assert all(each.cpus >= 6 and each.look_ahead == Genome().look_ahead for each in written)

"""A cell loads libraries without what no simulation needs, but gets it where it asks for it."""

import subprocess
import sys

PROGRAM = """
import sys
from simulator.cell.lean import NEEDLESS, without_needless

with without_needless():
    import numpy as np
print(sorted(set(NEEDLESS) & set(sys.modules)))
print(float(np.percentile([1.0, 2.0, 4.0], 50)), np.linalg.solve([[2.0]], [4.0]).tolist())
with without_needless():
    import numpy.typing as npt
print(npt.ArrayLike is not None, npt.NDArray[np.float64] is not None)
print(sorted(set(NEEDLESS) & set(sys.modules)))
"""


def test_numpy_does_without_its_texts_and_types_until_they_are_asked_for() -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    ).stdout

    assert told.splitlines() == ["[]", "2.0 [2.0]", "True True", "['numpy._typing']"]

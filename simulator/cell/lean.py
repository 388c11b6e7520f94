"""What a library loads and no simulation needs, left out while a cell loads its simulator."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

NEEDLESS = ("numpy._core._add_newdocs", "numpy._core._add_newdocs_scalars", "numpy._typing")
"""The texts of numpy's help, and its types for type checkers: a third of the time to load it."""


@contextmanager
def without_needless() -> Iterator[None]:
    """Let modules that are loaded in the block do without ``NEEDLESS``.

    Whoever asks one of them for something gets the true module after all.
    """
    stand_ins = {name: _StandIn(name) for name in NEEDLESS if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]


class _StandIn(ModuleType):
    """Stands for a module that nobody has asked for anything yet."""

    NDArray = list
    """Numpy itself annotates with it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)

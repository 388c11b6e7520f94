"""What the screen lets a policy use: names, attributes and parts of modules, as data."""

import importlib
from functools import cache

from simulator.cell.allowed import STANDARD_MODULES, may_import

UNAVAILABLE_BUILTINS = frozenset(
    """
    __import__ breakpoint compile eval exec exit globals help input locals memoryview open quit vars
    """.split()
)

READABLE_DUNDERS = frozenset({"__name__", "__doc__", "__init__", "__post_init__", "__members__"})
"""Reserved attributes that ordinary code reads, as in ``type(x).__name__``."""

MODULE_DUNDERS = frozenset({"__name__", "__doc__", "__all__", "__version__", "__author__"})
"""Reserved names that ordinary modules use."""

METHODS = frozenset(
    f"__{name}__"
    for name in """
    abs add and bool call contains delitem divmod enter eq exit float floordiv ge getitem gt hash
    iadd imul index init int isub iter le len lt match_args mod mul ne neg next or post_init pow
    radd repr reversed rmul round rsub rtruediv setitem slots str sub truediv
    """.split()
)
"""Reserved names that a class of a policy may define or call."""

FORMATTERS = ("format", "format_map")
GETTERS = ("getattr", "setattr", "delattr", "hasattr", "attrgetter", "methodcaller")
"""They take attribute names as text, which is looked at where it is written out."""

_KEPT_BACK = {
    "types": {"CodeType", "FunctionType", "LambdaType", "FrameType", "TracebackType", "CellType"},
    "string": {"Formatter"},
    "logging": {"config", "handlers", "FileHandler"},
    "contextlib": {"redirect_stdout", "redirect_stderr", "chdir"},
}


@cache
def public_names(module: str) -> frozenset[str] | None:
    """Return what a policy may take from ``module``; None where the policy API itself decides."""
    if module not in STANDARD_MODULES:
        return None
    loaded = importlib.import_module(module)
    declared = getattr(loaded, "__all__", None) or [
        name for name in vars(loaded) if not name.startswith("_")
    ]
    children = {
        other.removeprefix(f"{module}.")
        for other in STANDARD_MODULES
        if other.startswith(f"{module}.")
    }
    return (frozenset(declared) | children) - _KEPT_BACK.get(module, set())


def is_dunder(name: str) -> bool:
    """Tell whether Python reserves a name, as in ``__class__``."""
    return name.startswith("__") and name.endswith("__") and len(name) > 4


def import_refused_because(module: str) -> str | None:
    """Return why a policy may not import ``module``, or None when it may."""
    if may_import(module):
        return None
    allowed = ", ".join(name for name in STANDARD_MODULES if name != "__future__")
    return f'import of "{module}" is not allowed; a policy may import: {allowed}'

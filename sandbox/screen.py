# ruff: noqa: N802, N815 - the names of the visit methods are those of the syntax nodes
"""Checks a policy's source before a cell is started; no promise of security relies on it.

RestrictedPython decides which constructs are refused, except those that ordinary scheduling code
needs. Nothing is run, and the tree that RestrictedPython rewrites is discarded.
"""

import ast
import importlib
from collections.abc import Collection
from dataclasses import replace
from functools import cache

from RestrictedPython.transformer import INSPECT_ATTRIBUTES, RestrictingNodeTransformer

from sandbox.outcome import Finding
from sandbox.source import parse, source_line
from simulator.cell.allowed import STANDARD_MODULES, may_import

SYNTAX_CODE = "syntax"
MAX_NODES = 20_000
MAX_FINDINGS = 50
LANGUAGE = (3, 11)
"""The Python of the cell; newer syntax would not load there."""
_LINE_CHARS = 160
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
"""Reserved names that a policy's classes may define and its code may call."""

FORMATTERS = ("format", "format_map")
GETTERS = ("getattr", "setattr", "delattr", "hasattr", "attrgetter", "methodcaller")
"""They take attribute names as text, which is checked where it is a literal."""

_NOT_PUBLIC = {
    "types": {"CodeType", "FunctionType", "LambdaType", "FrameType", "TracebackType", "CellType"},
    "string": {"Formatter"},
    "logging": {"config", "handlers", "FileHandler"},
    "contextlib": {"redirect_stdout", "redirect_stderr", "chdir"},
}


def screen(source: str, packages: Collection[str] = ()) -> tuple[Finding, ...]:
    """Return everything that is not allowed, by line; an empty result means that it passes."""
    try:
        tree = parse(source, LANGUAGE)
    except SyntaxError as error:
        return _with_source([_syntax_finding(error)], source)
    except (RecursionError, MemoryError, ValueError):
        return (_finding_on_file("the source is too deeply nested"),)
    if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
        return (_finding_on_file(f"the source has more than {MAX_NODES} syntax nodes"),)
    checker = _Checker(_bound_names(tree), packages)
    try:
        checker.visit(tree)
    except RecursionError:
        return (_finding_on_file("the source is too deeply nested"),)
    found = sorted(checker.findings, key=lambda one: (one.line, one.column))
    return _with_source(found[:MAX_FINDINGS], source)


class _Checker(RestrictingNodeTransformer):
    """RestrictedPython's rules, without those on ordinary code, plus rules on imports and names."""

    def __init__(self, bound: frozenset[str], packages: Collection[str]) -> None:
        super().__init__()
        self.findings: list[Finding] = []
        self._bound = bound
        self._packages = packages
        self._modules: dict[str, str] = {}

    def error(self, node: ast.AST, info: str) -> None:
        self._report(node, "construct", info)

    def not_allowed(self, node: ast.AST) -> None:
        self._report(node, "construct", f"{type(node).__name__} is not allowed in a policy")

    def check_name(
        self, node: ast.AST, name: str | None, allow_magic_methods: bool = False
    ) -> None:
        if name is not None and is_dunder(name) and name not in METHODS | MODULE_DUNDERS:
            self._report(node, "name", f'the name "{name}" is reserved')

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in UNAVAILABLE_BUILTINS - self._bound:
            self._report(node, "name", f'"{node.id}" is not available to a policy')
        else:
            self.check_name(node, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self._check_attribute(node, node.attr)
        if isinstance(node.value, ast.Name) and node.value.id in self._modules:
            self._check_public(node, self._modules[node.value.id], node.attr)
        return self._allow(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called = node.func
        name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
        if name in GETTERS:
            for text in _texts(node.args):
                for part in text.split("."):
                    self._check_attribute(node, part)
        if name in FORMATTERS and isinstance(called, ast.Attribute):
            for text in _texts([called.value]):
                if ".__" in text or "[__" in text:
                    self._report(node, "attribute", "a format text may not reach reserved names")
        return self._allow(node)

    def visit_Import(self, node: ast.Import) -> ast.AST:
        for alias in node.names:
            refusal = import_refused_because(alias.name, self._packages)
            if refusal is not None:
                self._report(node, "import", refusal)
            elif alias.asname is not None:
                self._modules[alias.asname] = alias.name
            else:
                top = alias.name.split(".")[0]
                self._modules[top] = top
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        module = "." * node.level + (node.module or "")
        refusal = import_refused_because(module, self._packages)
        if refusal is not None:
            self._report(node, "import", refusal)
            return node
        for alias in node.names:
            if alias.name == "*":
                self._report(node, "import", '"*" imports are not allowed; name what you need')
            else:
                self._check_public(node, module, alias.name)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.check_name(node, node.name)
        for keyword in node.keywords:
            if keyword.arg == "metaclass":
                self._report(node, "construct", "metaclasses are not allowed in a policy")
        return self._allow(node)

    def _allow(self, node: ast.AST) -> ast.AST:
        """Accept the node itself and check its children."""
        contents: ast.AST = self.node_contents_visit(node)
        return contents

    visit_Assign = visit_AugAssign = visit_AnnAssign = visit_Nonlocal = visit_Delete = _allow
    visit_For = visit_With = visit_Subscript = visit_comprehension = visit_NamedExpr = _allow
    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_Starred = _allow
    visit_Match = visit_match_case = visit_MatchValue = visit_MatchSingleton = _allow
    visit_MatchSequence = visit_MatchMapping = visit_MatchClass = visit_MatchStar = _allow
    visit_MatchAs = visit_MatchOr = visit_Try = visit_ExceptHandler = _allow

    def _check_attribute(self, node: ast.AST, name: str) -> None:
        allowed = METHODS | READABLE_DUNDERS
        if (is_dunder(name) and name not in allowed) or name in INSPECT_ATTRIBUTES:
            self._report(node, "attribute", f'the attribute "{name}" is not allowed')

    def _check_public(self, node: ast.AST, module: str, name: str) -> None:
        public = public_names(module)
        if public is not None and name not in public:
            self._report(node, "import", f'"{module}.{name}" is not available to a policy')

    def _report(self, node: ast.AST, code: str, message: str) -> None:
        line, column = getattr(node, "lineno", 0), getattr(node, "col_offset", -1) + 1
        self.findings.append(Finding(line=line, column=column, code=code, message=message))


def _bound_names(tree: ast.AST) -> frozenset[str]:
    """Return every name that the source assigns or defines, anywhere."""
    bound = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
    return frozenset(bound)


def _syntax_finding(error: SyntaxError) -> Finding:
    message = f"syntax error: {error.msg}"
    line, column = error.lineno or 0, error.offset or 0
    return Finding(line=line, column=column, code=SYNTAX_CODE, message=message)


def _texts(nodes: list[ast.expr]) -> list[str]:
    constants = [node.value for node in nodes if isinstance(node, ast.Constant)]
    return [value for value in constants if isinstance(value, str)]


def _finding_on_file(message: str) -> Finding:
    return Finding(line=0, column=0, code="size", message=message)


def _with_source(found: list[Finding], source: str) -> tuple[Finding, ...]:
    return tuple(
        replace(one, source_line=source_line(source, one.line)[:_LINE_CHARS]) for one in found
    )


@cache
def public_names(module: str) -> frozenset[str] | None:
    """Return the names that a policy may use from ``module``; None if the policy API decides."""
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
    return (frozenset(declared) | children) - _NOT_PUBLIC.get(module, set())


def is_dunder(name: str) -> bool:
    """Tell whether Python reserves a name, as in ``__class__``."""
    return name.startswith("__") and name.endswith("__") and len(name) > 4


def import_refused_because(module: str, packages: Collection[str]) -> str | None:
    """Return why a policy may not import ``module``, or None when it may."""
    if may_import(module, packages):
        return None
    allowed = ", ".join(name for name in STANDARD_MODULES if name != "__future__")
    return f'import of "{module}" is not allowed; a policy may import: {allowed}'

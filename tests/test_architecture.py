"""The shape of the project: where imports point, who may import what, how large things grow."""

import ast
from collections.abc import Iterator
from pathlib import Path
from sys import stdlib_module_names

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("flows", "sandbox", "simulator")
BELOW = {
    "flows": {"flows", "sandbox", "simulator"},
    "sandbox": {"sandbox", "simulator"},
    "simulator": {"simulator"},
}
ANYWHERE = {"pydantic"}
SIMULATOR_MAY_USE = {"numpy", "msgspec"}
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50


def modules() -> list[Path]:
    """Return every Python file of the three packages, shipped policies left out."""
    found = [path for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))]
    return [path for path in found if path.parent != ROOT / "simulator" / "policies"]


def files_of_tests() -> list[Path]:
    """Return every Python file of the tests, stored data left out."""
    return [p for p in sorted((ROOT / "tests").rglob("*.py")) if "golden" not in p.parts]


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted name of every module that ``path`` imports, at any depth."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield node.module or ""


def package_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


def third_party(path: Path) -> set[str]:
    tops = {name.split(".")[0] for name in imports(path)}
    return tops - set(stdlib_module_names) - set(PACKAGES) - {"__future__"}


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    ours = {name.split(".")[0] for name in imports(path)} & set(PACKAGES)

    assert ours <= BELOW[package_of(path)]


def test_simulator_needs_numpy_and_msgspec_and_nothing_else() -> None:
    used = set().union(*(third_party(p) for p in modules() if package_of(p) == "simulator"))

    assert used <= SIMULATOR_MAY_USE


def test_each_third_party_package_has_one_door() -> None:
    doors: dict[str, list[str]] = {}
    for path in modules():
        for name in third_party(path) - ANYWHERE - {"numpy"}:
            if not _is_in_its_rooms(name, path):
                doors.setdefault(name, []).append(str(path.relative_to(ROOT)))

    assert {name: found for name, found in doors.items() if len(found) > 1} == {}


def _is_in_its_rooms(name: str, path: Path) -> bool:
    """Two packages have several modules that are about nothing else: commands, orchestration."""
    in_a_command = name == "click" and "commands" in path.parts
    orchestrates = "orchestration" in path.parts or path.stem == "orchestrate"
    return in_a_command or (name == "prefect" and orchestrates)


def test_no_module_borrows_a_name() -> None:
    taken = set(stdlib_module_names) | set().union(*(third_party(p) for p in modules()))
    borrowed = [str(p.relative_to(ROOT)) for p in modules() if p.stem in taken]

    assert borrowed == []


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_opens_with_a_sentence(path: Path) -> None:
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))

    assert doc is not None
    assert doc.splitlines()[0].endswith((".", ":")) or "." in doc


@pytest.mark.parametrize(
    "path", [*modules(), *files_of_tests()], ids=lambda p: str(p.relative_to(ROOT))
)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    functions = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = [
        f"{node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for node in functions
        if node.end_lineno is not None and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]

    assert text.count("\n") <= MAX_FILE_LINES
    assert long == []


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_simulator_has_no_hidden_inputs(path: Path) -> None:
    if package_of(path) != "simulator" or "cell" in path.parts:
        return
    text = path.read_text(encoding="utf-8")

    for hidden in ("uuid4", "time.time(", "perf_counter(", "np.random.seed", "datetime.now"):
        assert hidden not in text

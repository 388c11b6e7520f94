"""The shape of the project: where imports point, who may import what, how large things grow.

Each test looks at every file and lists all offenders.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from sys import stdlib_module_names

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("simulator", "sandbox", "flows")
"""From the lowest to the highest."""
FLOORS = {
    "flows": (
        "errors clock home interrupts loopback names serving toml_text untrusted",
        "settings",
        "history",
        "policies trials",
        "judging",
        "attempt",
        "prompting",
        "proposers",
        "search",
        "bootstrap",
        "report workloads",
        "experiment",
        "sweep",
        "orchestration",
        "evaluator",
        "agents inspect_task",
        "view",
        "cli",
    ),
    "simulator": (
        "contract domain domain_host domain_spec driver errors exact_sums genes messages suites "
        "textfile whole_files",
        "readers",
        "domains promises sealed",
        "bootstrap",
        "cell",
        "__main__",
    ),
}
"""The rooms of a package, from the lowest floor up; the unnamed room is every file without one."""
SIMULATOR_MAY_USE = {"numpy", "msgspec"}
HAVE_NO_DOOR = {"pydantic", "numpy", "msgspec"}
"""Third-party packages that any module may use."""
ROOMS_OF = {
    "click": "flows/cli/",
    "rich": "flows/cli/",
    "prefect": "flows/orchestration/",
    "starlette": "flows/view/",
}
"""Third-party packages that a whole room is about."""
HIDDEN_INPUTS = ("uuid4", "time.time(", "perf_counter(", "np.random.seed", "datetime.now")
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 60


OF_A_DOMAIN = frozenset(
    "pipeline pipelines priority priorities tick ticks latency latencies operators pool pools "
    "naive eudoxia".split()
)
"""Words that only a domain's own folder says, beside the names of the shipped domains."""
NOT_OF_A_DOMAIN = (
    "work pool",
    "ThreadPoolExecutor",
    "connection to the pool",
    "clock ticks since boot",
    "OPERATORS",  # of the search: mutate, crossover
    *("tickCount", "tickMinStep", "tickColor", '"type": "tick"', '"ticks"'),  # of a chart's axis
)
"""What other things than a domain's are called."""
VENDORED = "flows/report/vega/"
READ_AS_TEXT = (".py", ".sql", ".j2", ".js", ".css", ".txt", ".md")


@cache
def files() -> dict[str, Path]:
    """Return every module of the three packages by its dotted name, shipped policies left out."""
    found = [path for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in found
        if path.parent != ROOT / "simulator" / "domains" / "pipelines" / "policies"
    }


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(module: str) -> frozenset[str]:
    """Return the dotted name of every module that ``module`` imports, at any depth."""
    found = set()
    for node in ast.walk(tree(files()[module])):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}, line {node.lineno}: a relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in files() else node.module or "" for name in names}
    return frozenset(found)


def our_imports() -> Iterator[tuple[str, str]]:
    """Yield every import of one of our modules by another."""
    for module in files():
        yield from ((module, name) for name in sorted(imports(module)) if top(name) in PACKAGES)


def third_party(module: str) -> set[str]:
    tops = {top(name) for name in imports(module)}
    return tops - set(stdlib_module_names) - set(PACKAGES) - {"__future__"}


def top(module: str) -> str:
    return module.partition(".")[0]


def room(module: str) -> str:
    """Return the folder or file, directly in its package, that a module is in."""
    _, _, inside = module.partition(".")
    name = inside.partition(".")[0]
    is_named = any(name in floor.split() for floor in FLOORS[top(module)])
    return (
        name if is_named or (ROOT / top(module) / name).is_dir() or top(module) == "flows" else ""
    )


def floor(module: str) -> int | None:
    """Return how high a module's room is, None for one without a place."""
    for height, rooms in enumerate(FLOORS[top(module)]):
        if room(module) in (rooms.split() or [""]):
            return height
    return None


def listed(offenders: Iterable[str]) -> str:
    return "\n".join(["", *sorted(offenders)])


def test_packages_import_what_is_below_them() -> None:
    height = PACKAGES.index
    up = [f"{a} -> {b}" for a, b in our_imports() if height(top(b)) > height(top(a))]

    assert not up, listed(up)


def test_rooms_import_what_is_below_them() -> None:
    inside = [(a, b) for a, b in our_imports() if top(a) == top(b) and top(a) in FLOORS]
    homeless = {each for pair in inside for each in pair if floor(each) is None and "." in each}
    up = {
        f"{room(a)} -> {room(b)}: {a} imports {b}"
        for a, b in inside
        if "." in a and "." in b and (floor(a) or 0) < (floor(b) or 0)
    }

    assert not homeless, "give them a place in FLOORS:" + listed(homeless)
    assert not up, listed(up)


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {module: imports(module) & files().keys() - {module} for module in files()}

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = list(error.args[1])
        raise AssertionError(" <- ".join(circle)) from None


def test_policies_never_share_a_process_with_the_host_half_of_a_domain() -> None:
    """Neither ``contract.py`` nor ``cell.py`` imports ``host.py`` or what is made for it."""
    for_host = {m for m in files() if "simulator.domain_host" in imports(m)} | {
        m for m in files() if m.startswith("simulator.domains.") and m.endswith(".host")
    }
    halves = [m for m in files() if re.fullmatch(r"simulator\.domains\.\w+\.(cell|contract)", m)]

    found = [f"{m} -> {name}" for m in halves for name in reached(m) & for_host]
    assert halves and for_host
    assert not found, listed(found)


def reached(module: str) -> set[str]:
    """Return the modules that are in a process once it has imported this one."""
    found, todo = set[str](), {module}
    while todo:
        found |= todo
        todo = {name for each in todo for name in imports(each) if name in files()} - found
    return found


def test_simulator_needs_numpy_and_msgspec_and_nothing_else() -> None:
    used = {m: third_party(m) - SIMULATOR_MAY_USE for m in files() if top(m) == "simulator"}

    assert not any(used.values()), listed(f"{m} uses {n}" for m, n in used.items() if n)


def test_each_third_party_package_has_one_door() -> None:
    doors: dict[str, list[str]] = {}
    for module, path in files().items():
        for name in third_party(module) - HAVE_NO_DOOR:
            own_room = ROOMS_OF.get(name)
            if own_room is None or own_room not in path.as_posix():
                doors.setdefault(name, []).append(module)

    allowed = {name: 0 if name in ROOMS_OF else 1 for name in doors}
    several = {name: found for name, found in doors.items() if len(found) > allowed[name]}
    assert not several, listed(f"{name}: {', '.join(found)}" for name, found in several.items())


def test_no_module_borrows_a_name() -> None:
    """Started by its path, a script finds its own folder first: a ``flows`` there hides ours."""
    taken = {*stdlib_module_names, *PACKAGES}.union(*(third_party(module) for module in files()))

    borrowed = [m for m in files() if "." in m and m.rpartition(".")[2] in taken]
    assert not borrowed, listed(borrowed)


def test_every_module_opens_with_a_sentence() -> None:
    first = {m: (ast.get_docstring(tree(path)) or "").split("\n")[0] for m, path in files().items()}

    silent = [m for m, line in first.items() if "." not in line and not line.endswith(":")]
    assert not silent, listed(silent)


def test_files_and_functions_stay_small() -> None:
    ours = [p for p in (ROOT / "tests").rglob("*.py") if not {"golden", "policies"} & set(p.parts)]
    offenders = []
    for path in [*files().values(), *sorted(ours)]:
        where, lines = path.relative_to(ROOT), path.read_text(encoding="utf-8").count("\n")
        if lines > MAX_FILE_LINES:
            offenders.append(f"{where}: {lines} lines")
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                length = node.end_lineno - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    offenders.append(f"{where}: {node.name} has {length} lines")

    assert not offenders, listed(offenders)


def test_only_a_domain_has_words_of_a_domain() -> None:
    """A word counts in names too: ``every_tick`` and ``LatencyTable`` say it."""
    shipped = {path.parent.name for path in (ROOT / "simulator/domains").glob("*/domain.toml")}

    found = [
        f"{name}, line {number}: {', '.join(sorted(words))}"
        for name, number, line in lines_outside_domains()
        if (words := words_in(line) & (OF_A_DOMAIN | shipped))
    ]

    assert found == [], listed(found)


def lines_outside_domains() -> Iterator[tuple[str, int, str]]:
    """Yield the lines of all that has to know no domain, as (file, number, line)."""
    for top_folder in ("flows", "sandbox", "simulator/cell"):
        for path in sorted((ROOT / top_folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix in READ_AS_TEXT and not name.startswith(VENDORED):
                for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
                    yield name, number, line


def words_in(line: str) -> set[str]:
    """Return the words of a line in lower case; names are taken apart."""
    for other in NOT_OF_A_DOMAIN:
        line = line.replace(other, "")
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", line)}


def test_the_simulator_has_no_hidden_inputs() -> None:
    outside_cells = {
        module: path.read_text(encoding="utf-8")
        for module, path in files().items()
        if top(module) == "simulator" and "cell" not in path.parts
    }

    found = [
        f"{module} has {hidden}"
        for module, text in outside_cells.items()
        for hidden in HIDDEN_INPUTS
        if hidden in text
    ]
    assert not found, listed(found)

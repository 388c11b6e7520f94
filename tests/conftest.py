"""How tests share two processes: a file stays in one of them, so do all that use one server."""

import pytest

PREFECT = "tests/prefect"
ATTACKS = "tests/attacks/test_attacks.py"
LONGEST_FIRST = (PREFECT, ATTACKS, "tests/docs", "tests/acceptance", "tests/sandbox")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put what shares an expensive fixture into one group, and the longest groups first."""
    if not config.getoption("loadgroup", default=False):
        return  # not one of several processes
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=_rank)


def _group(item: pytest.Item) -> str:
    path = item.path.relative_to(item.config.rootpath).as_posix()
    if path.startswith(PREFECT):
        return PREFECT
    if path == ATTACKS:
        call = getattr(item, "callspec", None)
        return f"{path}/{call.params.get('setup', '') if call is not None else ''}"
    return path


def _rank(item: pytest.Item) -> int:
    path = item.path.relative_to(item.config.rootpath).as_posix()
    ranks = [rank for rank, start in enumerate(LONGEST_FIRST) if path.startswith(start)]
    return min(ranks, default=len(LONGEST_FIRST))

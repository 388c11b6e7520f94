"""The library of reference policies: readable files, found by name."""

from importlib.resources import files

from simulator.errors import InputError


def policy_names() -> list[str]:
    """Return the names of all library policies, as they register themselves."""
    folder = files("simulator.domains.pipelines") / "policies"
    names = [entry.name[:-3] for entry in folder.iterdir() if entry.name.endswith(".py")]
    return sorted(name.replace("_", "-") for name in names if not name.startswith("_"))


def policy_source(name: str) -> str:
    """Return the source of a library policy; ``priority_pool`` and ``priority-pool`` are one."""
    known = policy_names()
    if name.replace("_", "-") not in known:
        raise InputError(f"unknown policy {name!r}, expected one of {', '.join(known)}")
    path = files("simulator.domains.pipelines") / "policies" / f"{name.replace('-', '_')}.py"
    return path.read_text(encoding="utf-8")

"""Graphs of outside data in the order that a trace needs: parents before children."""

from collections.abc import Mapping, Sequence

from simulator.errors import TraceError
from simulator.textfile import show
from simulator.workload import Operator, Segment


def ordered_operators(
    where: str, nodes: Mapping[str, tuple[Sequence[str], Segment]]
) -> tuple[Operator, ...]:
    """Return operators for nodes given as name -> (parents, work), parents first.

    Nodes that are ready keep the order they were given in. A parent that is not among the nodes
    or a cycle raises :class:`TraceError`.
    """
    waiting = {name: len(set(parents)) for name, (parents, _) in nodes.items()}
    children: dict[str, list[str]] = {name: [] for name in nodes}
    for name, (parents, _) in nodes.items():
        for parent in set(parents):
            if parent not in nodes:
                raise TraceError(
                    f"{where}: {show(name)} waits for {show(parent)}, which is not there"
                )
            children[parent].append(name)
    order = [name for name, count in waiting.items() if count == 0]
    for name in order:
        for child in sorted(children[name]):
            waiting[child] -= 1
            if waiting[child] == 0:
                order.append(child)
    if len(order) < len(nodes):
        stuck = next(name for name, count in waiting.items() if count)
        raise TraceError(f"{where}: {show(stuck)} waits for itself in a circle of parents")
    place = {name: position for position, name in enumerate(order)}
    return tuple(
        Operator(
            id=f"op{place[name] + 1}",
            parents=tuple(sorted({place[parent] for parent in nodes[name][0]})),
            segments=(nodes[name][1],),
        )
        for name in order
    )

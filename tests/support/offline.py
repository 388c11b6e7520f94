"""The offline proposer's policies of pipelines, as sources."""

from flows.prompting.templates import render_text
from simulator.domains.pipelines import offline
from simulator.domains.pipelines.offline.space import Genome


def emit(genome: Genome) -> str:
    """Return the source of a genome's policy."""
    return offline.emit(genome, render_text)

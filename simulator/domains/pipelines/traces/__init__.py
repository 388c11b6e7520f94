"""Traces of pipelines for the commands about workloads, as ``simulator.domain_host.Traces``."""

from simulator.domains.pipelines.traces.checks import check
from simulator.domains.pipelines.traces.header import generate
from simulator.domains.pipelines.traces.imports import formats, import_files
from simulator.domains.pipelines.traces.suites import make_suite
from simulator.domains.pipelines.traces.tables import open_trace

__all__ = ["check", "formats", "generate", "import_files", "make_suite", "open_trace"]

"""No input file breaks an importer: it is imported and can be read back, or one line says why."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.domains.pipelines.importers.alibaba_2018 import import_alibaba_2018
from simulator.domains.pipelines.importers.azure_2019 import import_azure_2019
from simulator.domains.pipelines.importers.azure_2021 import import_azure_2021
from simulator.domains.pipelines.importers.records import Imported
from simulator.domains.pipelines.importers.swf import import_swf
from simulator.domains.pipelines.importers.wfcommons import import_wfcommons
from simulator.domains.pipelines.tracefile import parse_trace, render_trace
from simulator.errors import TraceError
from tests.support.examples import at_night
from tests.support.import_files import SAMPLES

IMPORTERS: dict[str, Callable[[list[Path]], Imported]] = {
    "swf": lambda files: import_swf(files[0]),
    "alibaba-2018": lambda files: import_alibaba_2018(files[0]),
    "azure-2021": lambda files: import_azure_2021(files[0]),
    "azure-2019": lambda files: import_azure_2019(files[0], files[1], files[2]),
    "wfcommons": import_wfcommons,
}
PIECES = st.sampled_from(
    ["nan", "-1", "1e999", "9" * 400, "inf", "", ",", "\n", '"', ";", " ", "[]", "{}", "null"]
) | st.sampled_from(
    ["\0", "1e9", "0", "_", "\u0663", "\u2028", "\x0c", "\xe9", "-0.0", "1_0", "M1_1", "true", ":"]
)
DAMAGE = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), PIECES), min_size=1, max_size=4)
QUICK = settings(
    max_examples=at_night(120),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def outcome(importer: Callable[[list[Path]], Imported], files: list[Path]) -> Any:
    """Return what came of an import, after it was written and read back; only one line may fail."""
    try:
        workload = importer(files).workload
    except TraceError as error:
        assert "\n" not in str(error)
        assert any(str(file) in str(error) for file in files)
        return str(error)
    read = parse_trace(render_trace(workload, 100), 100)
    assert len(read.pipelines) == len(workload.pipelines)
    return workload


@pytest.mark.parametrize("name", SAMPLES)
@QUICK
@given(damage=DAMAGE, which=st.integers(0, 2))
def test_a_damaged_file_is_imported_or_refused(
    tmp_path: Path, name: str, damage: list[tuple[float, int, str]], which: int
) -> None:
    files = SAMPLES[name](tmp_path)
    victim = files[which % len(files)]
    text = victim.read_text(encoding="utf-8")
    for share, length, piece in damage:
        at = int(share * min(len(text), 12_000))
        text = text[:at] + piece + text[at + length :]
    victim.write_text(text, encoding="utf-8", newline="")

    assert outcome(IMPORTERS[name], files) is not None


@pytest.mark.parametrize("name", SAMPLES)
@QUICK
@given(data=st.binary(max_size=80))
def test_any_bytes_are_imported_or_refused(tmp_path: Path, name: str, data: bytes) -> None:
    files = SAMPLES[name](tmp_path)
    files[0].write_bytes(data)

    assert outcome(IMPORTERS[name], files) is not None

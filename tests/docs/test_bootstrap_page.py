"""The page about simulators that somebody else wrote keeps its word: it can be typed in."""

from pathlib import Path

import pytest

from tests.docs.pages import DOCS, follow, follows

PAGE = DOCS / "bootstrap.md"


@pytest.mark.nightly
@follows(PAGE, "sh", "python")
def test_what_the_page_types_ends_with_a_certified_simulator_and_a_search_on_it(
    tmp_path: Path,
) -> None:
    new = "assay domains new my-system"
    few = f"{new} && sed -i '1i mutants = 2' my-system/laws.toml"

    told = "\n".join(shown.output for shown in follow(PAGE, tmp_path, changes={new: few}))

    assert "no problems found" in told
    assert "certificate: my-system/certificate.json" in told
    assert "computed again with the same result" in told
    assert told.count("best policy:") == 1
    assert "next:        assay run --domain ./my-system" in told

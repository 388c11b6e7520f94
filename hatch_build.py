"""Puts the pages of the documentation into the wheel, for `assay docs`."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Pages(BuildHookInterface):  # type: ignore[misc,type-arg,unused-ignore]
    """Adds every page; pictures, decisions and the sample history are for readers of the source."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add to what is put in; an editable installation finds the pages in its checkout."""
        if version != "editable":
            for page in Path(self.root, "docs").glob("*.md"):
                build_data["force_include"][str(page)] = f"flows/_docs/{page.name}"

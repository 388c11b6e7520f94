"""Prefect's pages: the log of a flow run, its artifacts, and events."""

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.events import emit_event
from prefect.logging import get_run_logger

from flows.untrusted import Markdown, for_log


class PrefectPages:
    """The pages of the flow run in which it is made."""

    def __init__(self) -> None:
        self._bars: dict[str, UUID] = {}
        self._log = get_run_logger()

    def log(self, line: str) -> None:
        self._log.info(for_log(line))

    def progress(self, key: str, percent: float) -> None:
        """Move the bar of this name, which begins with its first figure."""
        if key in self._bars:
            update_progress_artifact(self._bars[key], percent)
        else:
            self._bars[key] = cast(UUID, create_progress_artifact(percent, key=key))

    def table(
        self, key: str, rows: Sequence[Mapping[str, Markdown]], description: Markdown
    ) -> None:
        create_table_artifact([dict(row) for row in rows], key=key, description=description)

    def text(self, key: str, content: Markdown, description: Markdown) -> None:
        create_markdown_artifact(content, key=key, description=description)

    def link(self, key: str, url: str, text: Markdown) -> None:
        create_link_artifact(url, link_text=text, key=key)

    def event(self, name: str, experiment: str, payload: Mapping[str, Any]) -> None:
        """Emit an event about an experiment, to which an automation can react."""
        emit_event(
            event=name,
            resource={
                "prefect.resource.id": f"assay.experiment.{experiment}",
                "prefect.resource.name": experiment,
            },
            payload=dict(payload),
        )

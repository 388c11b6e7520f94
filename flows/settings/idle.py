"""Refuses what is said of a model where the offline proposer would silently ask none."""

from collections.abc import Mapping
from typing import Any

from flows.errors import ConfigError
from flows.settings.sections import OFFLINE, ProposerConfig
from flows.settings.sources import DOTENV, ENVIRONMENT, FLAGS, Origin

KIND = "proposer.kind"
WITH_FLAGS = ("model", "base_url", "api", "api_key_env", "prices")


def refuse_idle(settings: Mapping[str, Any], origins: Mapping[str, Origin]) -> None:
    """Refuse a model without a proposer that asks it, unless a stronger place says offline."""
    proposer = settings.get("proposer")
    if not isinstance(proposer, Mapping) or proposer.get("kind", OFFLINE) != OFFLINE:
        return
    known = {name: value for name, value in proposer.items() if name in ProposerConfig.model_fields}
    for name in ProposerConfig.model_construct(**known).idle():
        origin, kind = origins.get(f"proposer.{name}"), origins.get(KIND)
        if origin is not None and (kind is None or kind.strength <= origin.strength):
            raise ConfigError(_words(name, origin, kind))


def _words(name: str, origin: Origin, kind: Origin | None) -> str:
    key, wanted = f"proposer.{name}", "replay" if name == "replay_of" else "openai"
    if origin.strength == FLAGS:
        flag = f"--{name.replace('_', '-')}" if name in WITH_FLAGS else f"--set {key}"
        return (
            f"{flag} says how a model is asked, and the offline proposer asks none: "
            f"add --proposer {wanted}, or leave {flag} out"
        )
    said = "is not set, which means" if kind is None else "is"
    how = f'proposer.kind = "{wanted}"'
    if origin.strength in (DOTENV, ENVIRONMENT):
        how = f"ASSAY_PROPOSER__KIND={wanted}"
    return (
        f'{origin.words}{key} has no effect while proposer.kind {said} "offline": set {how}, '
        f"or remove {key}"
    )

"""Keeps a file in the current folder from deciding where code runs or where a key is sent."""

from collections.abc import Mapping

from flows.errors import ConfigError
from flows.settings.sections import ModelConfig, ProposerConfig
from flows.settings.sources import DOTENV, DOTENV_FILE, NOT_IN_DOTENV, Origin, variable_name

USUAL_KEY = str(ProposerConfig.model_fields["api_key_env"].default)
URL, KEY, MODELS = "proposer.base_url", "proposer.api_key_env", "proposer.models"


def refuse_from_dotenv(settings: Mapping[str, object]) -> None:
    """Refuse settings of ``.env`` that say where policies run."""
    for name in settings:
        if name.split(".")[0] in NOT_IN_DOTENV:
            raise ConfigError(
                f"{DOTENV_FILE}: {variable_name(name)} says where policies run, which no file in "
                "the current folder decides: export that variable, or use a flag or --config"
            )


def refuse_leaks(
    proposer: ProposerConfig, origins: Mapping[str, Origin], environment: Mapping[str, str]
) -> None:
    """Refuse to send a key of the environment to a server that only ``.env`` names."""
    if proposer.kind != "openai":
        return
    for model in proposer.models or (None,):
        name = (model and model.api_key_env) or proposer.api_key_env
        if not environment.get(name, "").strip() or not _sends_key(proposer, model):
            continue
        where = MODELS if model and model.base_url else URL
        which = MODELS if model and model.api_key_env else KEY
        for place, about in ((where, "a server"), (which, "a key")):
            if _from_dotenv(origins.get(place)) and (place == where or name != USUAL_KEY):
                raise ConfigError(_words(place, about, name))


def _sends_key(proposer: ProposerConfig, model: ModelConfig | None) -> bool:
    """Tell whether a model is sent any key; with a server of its own it needs a key of its own."""
    own = model is not None and model.base_url not in (None, proposer.base_url)
    return not own or (model is not None and model.api_key_env is not None)


def _from_dotenv(origin: Origin | None) -> bool:
    return origin is not None and origin.strength == DOTENV


def _words(place: str, about: str, name: str) -> str:
    own = f"put the key for it into {DOTENV_FILE} too, with {name} unset"
    return (
        f"{DOTENV_FILE} in the current folder names {about} ({place}), and the key in {name} is "
        f"from your environment: such a file does not decide where your key is sent. If you mean "
        f"it, export {variable_name(place)} or give it as a flag; or {own}"
    )

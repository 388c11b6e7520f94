"""The configuration of a search: one model, from files, variables and flags."""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator

from flows.errors import ConfigError
from flows.settings.sections import (
    AS_FILE,
    AS_TABLE,
    BASELINES,
    CELL,
    DOMAIN,
    IN_WORDS,
    NAME,
    OBJECTIVE,
    OFFLINE,
    POLICY_CALLS,
    SUITE,
    BudgetConfig,
    CellKind,
    DomainSetting,
    EvolveConfig,
    FeedbackConfig,
    GuardConfig,
    ModelConfig,
    OfDomain,
    ProposerConfig,
    RacingConfig,
    RunnerConfig,
)
from flows.settings.sources import (
    DOTENV,
    DOTENV_FILE,
    ENVIRONMENT,
    FILE,
    FLAGS,
    OWN,
    SDK_BASE_URL,
    Origin,
    decides_what_runs,
    dotted_keys,
    environment_settings,
    under,
    user_file,
    variable_name,
)
from sandbox.limits import Limits
from simulator.domain import DEFAULT


class SearchConfig(OfDomain):
    """Everything that shapes a search. Unknown keys are refused."""

    name: str = Field(
        "search",
        pattern=NAME,
        description="Names the experiment, together with all that shapes it.",
    )
    domain: DomainSetting = Field(DEFAULT, validate_default=True, description=DOMAIN)
    suite: str = Field(None, min_length=1, validate_default=True, description=SUITE)
    seed: int = Field(0, ge=0, lt=2**63, description="Seed of every random choice.")
    objective: str = Field(None, validate_default=True, description=OBJECTIVE)
    strategy: Literal["refine", "best_of_n", "evolve"] = Field(
        "refine",
        description="How parents are chosen: the best so far (refine), none (best_of_n), or from a "
        "population (evolve).",
    )
    cell: CellKind = Field("docker", description=CELL)
    slots: int = Field(1, ge=1, le=64, description="How many candidates are tried side by side.")
    another: bool = Field(
        False,
        description="A search for simulators refuses candidates that are accepted already.",
    )
    policy_calls: str | None = Field(None, description=POLICY_CALLS)
    baselines: tuple[str, ...] = Field(None, validate_default=True, description=BASELINES)
    proposer: ProposerConfig = ProposerConfig()
    evolve: EvolveConfig = EvolveConfig()
    racing: RacingConfig = RacingConfig()
    guards: GuardConfig = GuardConfig()
    budget: BudgetConfig = BudgetConfig()
    feedback: FeedbackConfig = FeedbackConfig()
    limits: Limits = Limits()
    runner: RunnerConfig = RunnerConfig()

    @field_validator("racing")
    @classmethod
    def _races_by_a_mean(cls, value: RacingConfig, info: ValidationInfo) -> RacingConfig:
        domain = info.data.get("domain")
        if value.enabled and domain is not None and domain.spec.promotion != "interval":
            raise ValueError(
                f"domain {domain.name} promotes what is worse in no scenario, so none can be left "
                "out: leave racing.enabled = false"
            )
        return value

    @classmethod
    def implied(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Return settings with those that they imply; of a search's they imply none."""
        return settings


C = TypeVar("C", bound=SearchConfig)


def load_config(
    path: Path | None,
    overrides: Mapping[str, Any],
    environment: Mapping[str, str] = MappingProxyType({}),
    dotenv: Mapping[str, str] = MappingProxyType({}),
) -> SearchConfig:
    """Return the user's own defaults, under ``path``, ``dotenv``, ``environment``, ``overrides``.

    An override is ``{"proposer.kind": "openai"}``, a variable ``ASSAY_PROPOSER__KIND=openai``;
    the user's file is ``assay/config.toml`` in the folder of configurations that XDG names.
    """
    config, origins = load_as(SearchConfig, path, overrides, environment, dotenv)
    refuse_leaks(config.proposer, origins, environment)
    return config


def load_as(
    kind: type[C],
    path: Path | None,
    overrides: Mapping[str, Any],
    environment: Mapping[str, str],
    dotenv: Mapping[str, str],
) -> tuple[C, dict[str, Origin]]:
    """Return a configuration of this kind, and where each of its settings was made."""
    settings, origins = gathered(path, overrides, environment, dotenv)
    settings = kind.implied(settings)
    _add_sdk_address(settings, origins, environment, dotenv)
    refuse_idle(settings, origins)
    try:
        return kind.model_validate(settings), origins
    except ValidationError as error:
        file = f"{path}: " if path is not None else ""
        raise ConfigError(_explain(error, kind, file, origins)) from None


def with_sdk_address(config: C, environment: Mapping[str, str]) -> C:
    """Return the configuration with the server that OPENAI_BASE_URL names, where it names none.

    Users of the openai package expect so; and the key beside it is for that server.
    """
    url = environment.get(SDK_BASE_URL)
    if config.proposer.kind != "openai" or config.proposer.base_url or not url:
        return config
    proposer = config.proposer.model_copy(update={"base_url": url})
    return config.model_copy(update={"proposer": proposer})


def config_sha256(config: SearchConfig) -> str:
    """Return the hash of what shapes a search.

    Its budget can be raised, its runner changed, and other test scenarios drawn at its end.
    """
    settings = config.model_dump(
        mode="json", exclude={"budget": True, "runner": True, "guards": {"fresh_test": True}}
    )
    settings["domain"] = config.domain.name  # its content is recorded, and compared on a resume
    for name, used in (("racing", config.racing.enabled), ("another", config.another)):
        if not used:
            del settings[name]  # so that a search without it is what it was before there was any
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def experiment_id(config: SearchConfig) -> str:
    """Return the experiment's id: equal configurations are one experiment, which is continued."""
    slug = re.sub(r"[^a-z0-9]+", "-", config.name.lower()).strip("-")
    return f"{slug}-{config_sha256(config)[:8]}"


def gathered(
    path: Path | None,
    overrides: Mapping[str, Any],
    environment: Mapping[str, str],
    dotenv: Mapping[str, str],
) -> tuple[dict[str, Any], dict[str, Origin]]:
    """Return what all places say together, and where each setting was made."""
    settings: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for strength, file in ((OWN, user_file(environment)), (FILE, path)):
        found = _read_toml(file) if file is not None else {}
        settings = under(found, settings)
        made = Origin(strength=strength, words=f"{file}: ")
        origins |= dict.fromkeys(dotted_keys(found), made)
    places = {
        DOTENV: environment_settings(dotenv),
        ENVIRONMENT: environment_settings(environment),
        FLAGS: overrides,
    }
    refuse_from_dotenv(places[DOTENV])
    for strength, given in places.items():
        for name, value in given.items():
            _put(settings, name, value, path)
            words = "" if strength == FLAGS else f"{variable_name(name)}: "
            words = f"{DOTENV_FILE}: {words}" if strength == DOTENV else words
            made = Origin(strength=strength, words=words)
            origins |= dict.fromkeys(dotted_keys({name: value}), made)
    return settings, origins


def _put(settings: dict[str, Any], dotted: str, value: Any, path: Path | None) -> None:
    *sections, key = dotted.split(".")
    table = settings
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {section} must be a table ([{section}]), got {table!r}")
    table[key] = value


def _add_sdk_address(
    settings: dict[str, Any],
    origins: dict[str, Origin],
    environment: Mapping[str, str],
    dotenv: Mapping[str, str],
) -> None:
    """Add the server of OPENAI_BASE_URL where a model is asked and nobody names another."""
    proposer = settings.get("proposer")
    if not isinstance(proposer, dict) or proposer.get("kind") != "openai":
        return
    for strength, variables in ((ENVIRONMENT, environment), (DOTENV, dotenv)):
        url = variables.get(SDK_BASE_URL)
        if url and not proposer.get("base_url"):
            proposer["base_url"] = url
            origins["proposer.base_url"] = Origin(strength=strength, words=f"{SDK_BASE_URL}: ")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not a text file in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not valid TOML: {error}") from None


def _explain(
    error: ValidationError, kind: type[BaseModel], file: str, origins: Mapping[str, Origin]
) -> str:
    """Return a line for each problem; it begins with where the setting was made."""
    lines = []
    for problem in error.errors(include_url=False):
        place = [part for part in problem["loc"] if part not in (AS_FILE, AS_TABLE)]
        key = ".".join(str(part) for part in place)
        where = _where(place, file, origins)
        if problem["type"] == "extra_forbidden":
            lines.append(f"{where}unknown key {key!r}{_suggestion(kind, place)}")
            continue
        hidden = isinstance(problem["input"], dict) or key.endswith("api_key_env")  # maybe a key
        given = "" if hidden else f", got {problem['input']!r}"
        subject = f"{key}: " if key else ""
        lines.append(f"{where}{subject}{_expectation(key, problem)}{given}")
    return "\n".join(lines)


def _where(place: Sequence[int | str], file: str, origins: Mapping[str, Origin]) -> str:
    """Return where a setting was made; one in a list was made where the list was."""
    for length in range(len(place), 0, -1):
        key = ".".join(str(part) for part in place[:length])
        if key in origins:
            return origins[key].words
    return file


def _expectation(key: str, problem: Any) -> str:
    """Return what is wrong with a value, in the words of the configuration."""
    if problem["type"] == "string_pattern_mismatch":
        return IN_WORDS[problem["ctx"]["pattern"]]
    if problem["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return f"expected a table ([{key}])"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _suggestion(kind: type[BaseModel], place: Sequence[int | str]) -> str:
    if list(place) == ["sweep"]:
        return ": this is the file of a sweep, which assay sweep runs"
    for part in place[:-1]:
        if isinstance(part, str) and part in kind.model_fields:
            kind = next(_models_in(kind.model_fields[part].annotation), kind)
    known = list(kind.model_fields)
    near = get_close_matches(str(place[-1]), known, n=1)
    return f": did you mean {near[0]!r}?" if near else f"; known keys: {', '.join(known)}"


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models of the tables that a key takes, in lists and among alternatives too."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


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
            raise ConfigError(_idle_words(name, origin, kind))


def _idle_words(name: str, origin: Origin, kind: Origin | None) -> str:
    key, wanted = f"proposer.{name}", "replay" if name == "replay_of" else "openai"
    if origin.strength == FLAGS:
        flag = f"--{name.replace('_', '-')}" if name in WITH_FLAGS else f"--set {key}"
        return (
            f"{flag} has no effect with the offline proposer: add --proposer {wanted}, or leave "
            f"{flag} out"
        )
    said = "is not set, which means" if kind is None else "is"
    how = f'proposer.kind = "{wanted}"'
    if origin.strength in (DOTENV, ENVIRONMENT):
        how = f"ASSAY_PROPOSER__KIND={wanted}"
    return (
        f'{origin.words}{key} has no effect while proposer.kind {said} "offline": set {how}, '
        f"or remove {key}"
    )


USUAL_KEY = str(ProposerConfig.model_fields["api_key_env"].default)
URL, KEY, MODELS = "proposer.base_url", "proposer.api_key_env", "proposer.models"


def refuse_from_dotenv(settings: Mapping[str, object]) -> None:
    """Refuse settings of ``.env`` that say which code runs, and where."""
    for name, value in settings.items():
        if decides_what_runs(name, value):
            what = (
                "names a folder whose code runs" if name == "domain" else "says where policies run"
            )
            raise ConfigError(
                f"{DOTENV_FILE}: {variable_name(name)} {what}, which no file in the current folder "
                "decides: export that variable, or use a flag or --config"
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
                raise ConfigError(_trust_words(place, about, name))


def _sends_key(proposer: ProposerConfig, model: ModelConfig | None) -> bool:
    """Return whether a model is sent a key; a model with its own server needs its own key."""
    own = model is not None and model.base_url not in (None, proposer.base_url)
    return not own or (model is not None and model.api_key_env is not None)


def _from_dotenv(origin: Origin | None) -> bool:
    return origin is not None and origin.strength == DOTENV


def _trust_words(place: str, about: str, name: str) -> str:
    own = f"put the key for it into {DOTENV_FILE} too, with {name} unset"
    return (
        f"{DOTENV_FILE} in the current folder names {about} ({place}), and the key in {name} is "
        f"from your environment: such a file does not decide where your key is sent. If you mean "
        f"it, export {variable_name(place)} or give it as a flag; or {own}"
    )

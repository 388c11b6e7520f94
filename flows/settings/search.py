"""The configuration of a search: one model, read from a TOML file, overridden by flags."""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, ValidationError

from flows.errors import ConfigError
from flows.settings.idle import refuse_idle
from flows.settings.sections import (
    IN_WORDS,
    NAME,
    BudgetConfig,
    EvolveConfig,
    FeedbackConfig,
    GuardConfig,
    ProposerConfig,
    RunnerConfig,
    Section,
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
    dotted_keys,
    environment_settings,
    under,
    user_file,
    variable_name,
)
from flows.settings.trust import refuse_from_dotenv, refuse_leaks
from sandbox.limits import Limits


class SearchConfig(Section):
    """Everything that shapes a search. Unknown keys are refused."""

    name: str = Field(
        "search",
        pattern=NAME,
        description="names the experiment, together with all that shapes it",
    )
    suite: str = Field("smoke", min_length=1, description="a shipped suite or a suite file")
    seed: int = Field(0, ge=0, lt=2**63, description="of every random choice")
    objective: Literal["weighted_latency", "goodput", "legacy_throughput", "legacy_latency"] = (
        Field("weighted_latency", description="what a score is made of")
    )
    strategy: Literal["refine", "best_of_n", "evolve"] = Field(
        "refine", description="one after another; independent samples; a population"
    )
    cell: Literal["docker", "process"] = Field("docker", description="where policies run")
    slots: int = Field(1, ge=1, le=64, description="candidates tried side by side")
    policy_calls: Literal["every_tick", "on_change"] | None = Field(
        None, description="None leaves what the suite says"
    )
    baselines: tuple[str, ...] = Field(
        ("naive", "priority", "shortest-first", "right-size"),
        description="library policies tried first; naive is always among them",
    )
    proposer: ProposerConfig = ProposerConfig()
    evolve: EvolveConfig = EvolveConfig()
    guards: GuardConfig = GuardConfig()
    budget: BudgetConfig = BudgetConfig()
    feedback: FeedbackConfig = FeedbackConfig()
    limits: Limits = Limits()
    runner: RunnerConfig = RunnerConfig()


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
    settings, origins = _gathered(path, overrides, environment, dotenv)
    refuse_idle(settings, origins)
    try:
        config = SearchConfig.model_validate(settings)
    except ValidationError as error:
        file = f"{path}: " if path is not None else ""
        raise ConfigError(_explain(error, file, origins)) from None
    refuse_leaks(config.proposer, origins, environment)
    return config


def with_sdk_address(config: SearchConfig, environment: Mapping[str, str]) -> SearchConfig:
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
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def experiment_id(config: SearchConfig) -> str:
    """Return the experiment's id: equal configurations are one experiment, which is continued."""
    slug = re.sub(r"[^a-z0-9]+", "-", config.name.lower()).strip("-")
    return f"{slug}-{config_sha256(config)[:8]}"


def _gathered(
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
    _add_sdk_address(settings, origins, environment, dotenv)
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


def _explain(error: ValidationError, file: str, origins: Mapping[str, Origin]) -> str:
    """Return a line for each problem; it begins with where the setting was made."""
    lines = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        where = origins[key].words if key in origins else file
        if problem["type"] == "extra_forbidden":
            lines.append(f"{where}unknown key {key!r}{_suggestion(problem['loc'])}")
            continue
        told = isinstance(problem["input"], dict) or key.endswith("api_key_env")  # maybe a key
        given = "" if told else f", got {problem['input']!r}"
        lines.append(f"{where}{key or 'configuration'}: {_expectation(key, problem)}{given}")
    return "\n".join(lines)


def _expectation(key: str, problem: Any) -> str:
    """Return what is wrong with a value, in the words of the configuration."""
    if problem["type"] == "string_pattern_mismatch":
        return IN_WORDS[problem["ctx"]["pattern"]]
    if problem["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return f"expected a table ([{key}])"
    message = str(problem["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _suggestion(location: tuple[int | str, ...]) -> str:
    known = list(SearchConfig.model_fields)
    section = SearchConfig.model_fields.get(str(location[0])) if len(location) > 1 else None
    if section is not None and isinstance(section.annotation, type):
        known = list(getattr(section.annotation, "model_fields", {}))
    near = get_close_matches(str(location[-1]), known, n=1)
    return f": did you mean {near[0]!r}?" if near else f"; known keys: {', '.join(known)}"

"""The configuration of a sweep: a search, and the axes along which it is made again and again."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator

from flows.errors import ConfigError
from flows.settings.search import (
    MODELS,
    SearchConfig,
    config_sha256,
    gathered,
    load_as,
    refuse_leaks,
)
from flows.settings.sections import (
    NAME,
    OFFLINE,
    ModelConfig,
    ModelPrice,
    ProposerConfig,
    Section,
)

MODEL = "openai"
"""The kind of proposer that asks models."""
LONGEST_NAME = 61
"""Characters of the name of an experiment."""
SHORT_NAME = 20
"""Characters that stay of the name of a sweep where a search's name would be too long."""
MOST_MEMBERS = 1000
NOT_OF_A_SWEEP = {
    "weight": "a sweep asks each model by itself: leave weight out",
    "reasoning_effort": 'name the efforts of this model in its list, as in efforts = ["high"]',
}

Strategy = Literal["refine", "best_of_n", "evolve"]


class SweepModel(ModelConfig):
    """A model of a sweep; what its table leaves open is that of [proposer]."""

    efforts: tuple[str, ...] | None = Field(
        None,
        description="Its reasoning efforts. None means sweep.efforts; [] asks without naming one.",
    )
    prices: ModelPrice | None = Field(
        None,
        description="Its prices in dollars. None means proposer.prices, then what its provider "
        "publishes.",
    )

    @model_validator(mode="after")
    def _is_asked_by_itself(self) -> "SweepModel":
        for name, words in NOT_OF_A_SWEEP.items():
            if name in self.model_fields_set:
                raise ValueError(f"{name} is given for model {self.model!r}, but {words}")
        return self


class SweepBudget(Section):
    """Limits on all searches of a sweep together. None is no limit; [budget] limits each search."""

    candidates: int | None = Field(None, ge=1, description="Most attempts, baselines not counted.")
    minutes: float | None = Field(
        None, gt=0, description="Most minutes on the clock in which a search ran."
    )
    dollars: float | None = Field(
        None, gt=0, description="Most dollars for the replies of all models."
    )
    tokens: int | None = Field(
        None, ge=1, description="Most tokens of all models, input and output together."
    )


class SweepSection(Section):
    """The axes of a sweep. An axis that is left out has one value: that of the search itself."""

    models: tuple[SweepModel, ...] = Field(
        (),
        description="Models to ask: names, or tables with model, base_url, api_key_env, efforts, "
        "prices.",
    )
    efforts: tuple[str, ...] = Field((), description="Reasoning efforts of all models.")
    strategies: tuple[Strategy, ...] = Field((), description="How parents are chosen.")
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**63)], ...] = Field(
        (), description="Seeds, with one search each; a row has all of them."
    )
    offline: bool = Field(False, description="Search with the offline proposer as well.")
    at_once: int = Field(1, ge=1, le=16, description="How many searches run side by side.")
    budget: SweepBudget = SweepBudget()

    @field_validator("models", mode="before")
    @classmethod
    def _named_alone(cls, value: object) -> object:
        if not isinstance(value, list | tuple):
            return value
        return tuple({"model": each} if isinstance(each, str) else each for each in value)

    @field_validator("efforts", "strategies", "seeds")
    @classmethod
    def _once(cls, values: tuple[Any, ...], info: ValidationInfo) -> tuple[Any, ...]:
        twice = [each for place, each in enumerate(values) if each in values[:place]]
        if twice:
            raise ValueError(f"{twice[0]!r} stands in {info.field_name} twice: remove one")
        return values


class SweepConfig(SearchConfig):
    """A search, and the axes of a sweep: models x efforts x strategies x seeds."""

    name: str = Field(
        "sweep", pattern=NAME, description="Names the sweep, and begins the name of each search."
    )
    sweep: SweepSection = SweepSection()

    @classmethod
    def implied(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Return settings in which the first model of the sweep is asked, where no other one is."""
        models, proposer = _models_of(settings), settings.get("proposer", {})
        if not models or not isinstance(proposer, Mapping) or proposer.get("kind", MODEL) != MODEL:
            return settings
        asked = {"kind": MODEL}
        if not proposer.get("model") and not proposer.get("models"):
            asked["model"] = _name_in(models[0])
        return {**settings, "proposer": {**proposer, **asked}}

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, settings: Any) -> Any:
        return cls.implied(settings) if isinstance(settings, dict) else settings

    @model_validator(mode="after")
    def _is_a_sweep(self) -> "SweepConfig":
        kind = self.proposer.kind
        if kind == "replay":
            raise ValueError("proposer.kind is 'replay', but a sweep replays nothing: remove it")
        if self.sweep.models and kind != MODEL:
            raise ValueError(
                f"proposer.kind is {kind!r}, but sweep.models are to be asked: remove "
                "proposer.kind, and set sweep.offline = true for a row without a model"
            )
        if self.sweep.efforts and kind != MODEL:
            raise ValueError(
                "sweep.efforts has no effect where no model is asked: name models in sweep.models, "
                "or remove it"
            )
        members = self.members()
        if len(members) > MOST_MEMBERS:
            raise ValueError(
                f"sweep: the axes give {len(members)} searches, expected at most {MOST_MEMBERS}"
            )
        known: dict[str, Member] = {}
        for each in members:
            other = known.setdefault(_same(each), each)
            if other is not each:
                raise ValueError(
                    f"sweep.models: {each.label} is in the sweep twice: remove one of the two"
                )
        return self

    def members(self) -> tuple["Member", ...]:
        """Return the searches of the sweep, all rows with the first seed before the second."""
        sweep = self.sweep
        asked = [*self._askings(), *([_OFFLINE] if sweep.offline or not self._asks else [])]
        strategies, seeds = sweep.strategies or (self.strategy,), sweep.seeds or (self.seed,)
        return tuple(
            self._member(number, asking, strategy, seed)
            for number, (seed, asking, strategy) in enumerate(
                product(seeds, asked, strategies), start=1
            )
        )

    @property
    def _asks(self) -> bool:
        return self.proposer.kind == MODEL

    def _askings(self) -> Iterator["_Asking"]:
        """Yield each model with each of its efforts, as the proposer of a search."""
        if not self._asks:
            return
        usual = self.sweep.efforts or (self.proposer.reasoning_effort,)
        if not self.sweep.models:
            names = [each.model for each in self.proposer.models] or [self.proposer.model or ""]
            for effort in usual:
                changed = self.proposer.model_copy(update={"reasoning_effort": effort})
                yield _Asking(model=" + ".join(names), effort=effort or "", proposer=changed)
            return
        for name, model in zip(_names(self.sweep.models), self.sweep.models, strict=True):
            for effort in usual if model.efforts is None else model.efforts or (None,):
                proposer = _asking_one(self.proposer, model, effort)
                yield _Asking(model=name, effort=effort or "", proposer=proposer)

    def _member(self, number: int, asking: "_Asking", strategy: str, seed: int) -> "Member":
        settings: dict[str, Any] = {name: getattr(self, name) for name in SearchConfig.model_fields}
        return Member(
            number=number,
            model=asking.model,
            effort=asking.effort,
            strategy=strategy,
            seed=seed,
            config=SearchConfig.model_validate(
                {
                    **settings,
                    "name": _experiment_name(self.name, asking, strategy, seed),
                    "strategy": strategy,
                    "seed": seed,
                    "proposer": asking.proposer,
                }
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One search of a sweep: where it stands on each axis, and its configuration."""

    number: int
    """Counted from 1, in the order in which the searches begin."""
    model: str
    """Its name, with its server where two have the same name; ``offline`` for none."""
    effort: str
    """Empty where none is named."""
    strategy: str
    seed: int
    config: SearchConfig

    @property
    def row(self) -> tuple[str, str, str]:
        """The row of the sweep's table that it belongs to: all members that differ by seed."""
        return self.model, self.effort, self.strategy

    @property
    def label(self) -> str:
        """What it is called: ``gpt-5 high, evolve, seed 1``."""
        return f"{row_label(self.row)}, seed {self.seed}"


def row_label(row: tuple[str, str, str]) -> str:
    """Return what a row is called: ``gpt-5 high, evolve``."""
    model, effort, strategy = row
    return f"{model} {effort}".rstrip() + f", {strategy}"


def load_sweep(
    path: Path | None,
    overrides: Mapping[str, Any],
    environment: Mapping[str, str] = MappingProxyType({}),
    dotenv: Mapping[str, str] = MappingProxyType({}),
    models: Sequence[str] = (),
) -> SweepConfig:
    """Return the sweep of a file, a search's with a table ``[sweep]``, under variables and flags.

    ``models`` are those of the file's that are wanted; of a file without models, all that are.
    """
    settings, _ = gathered(path, overrides, environment, dotenv)
    known = _models_of(settings)
    if models and not known:
        overrides = {**overrides, "sweep.models": list(models)}
    config, origins = load_as(SweepConfig, path, overrides, environment, dotenv)
    if models and known:
        config = _with_only(config, models, f"{path}: " if path is not None else "")
    made = {name: origin for name, origin in origins.items() if name != MODELS}
    if "sweep.models" in origins:
        made[MODELS] = origins["sweep.models"]
    for member in config.members():
        refuse_leaks(member.config.proposer, made, environment)
    return config


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    model: str
    effort: str
    proposer: ProposerConfig


_OFFLINE = _Asking(model=OFFLINE, effort="", proposer=ProposerConfig(kind=OFFLINE))


def _with_only(config: SweepConfig, models: Sequence[str], file: str) -> SweepConfig:
    known = {each.model for each in config.sweep.models}
    unknown = [name for name in models if name not in known]
    if unknown:
        raise ConfigError(
            f"{file}sweep.models has no model {unknown[0]!r}: --model takes one of "
            f"{', '.join(sorted(known))}, or add a table for it"
        )
    chosen = tuple(each for each in config.sweep.models if each.model in models)
    return config.model_copy(update={"sweep": config.sweep.model_copy(update={"models": chosen})})


def _asking_one(base: ProposerConfig, model: SweepModel, effort: str | None) -> ProposerConfig:
    """Return a proposer that asks this model alone, as one of several that it might ask.

    So a model with a server of its own gets neither the key nor the headers of another server.
    """
    given = {name: getattr(model, name) for name in ModelConfig.model_fields}
    asked = ModelConfig.model_validate({**given, "reasoning_effort": effort})
    prices = base.prices if model.prices is None else {model.model: model.prices}
    changes = {"model": None, "models": (asked,), "reasoning_effort": None, "prices": prices}
    return base.model_copy(update=changes)


def _names(models: Sequence[SweepModel]) -> list[str]:
    """Return what the models are called; of two with one name, each by its server too."""
    names = [each.model for each in models]
    shown = []
    for each in models:
        servers = {other.base_url for other in models if other.model == each.model}
        host = urlsplit(each.base_url or "").netloc.rpartition("@")[2]
        shown.append(f"{each.model} at {host}" if len(servers) > 1 and host else each.model)
    return shown if len(set(shown)) >= len(set(names)) else names


def _models_of(settings: Mapping[str, Any]) -> Sequence[Any]:
    """Return the models that settings list, whatever they are."""
    sweep = settings.get("sweep")
    models = sweep.get("models") if isinstance(sweep, Mapping) else None
    return models if isinstance(models, list | tuple) else ()


def _name_in(model: Any) -> str:
    """Return the name of a model as a file gives it; what is wrong with it is told elsewhere."""
    name = model.get("model") if isinstance(model, Mapping) else model
    name = getattr(model, "model", name)
    return name if isinstance(name, str) and name else "unnamed"


def _experiment_name(sweep: str, asking: _Asking, strategy: str, seed: int) -> str:
    """Return the name of a search; what makes it an experiment of its own is its configuration."""
    tail = " ".join(filter(None, (asking.effort, strategy, str(seed))))
    room = LONGEST_NAME - len(tail) - 1
    head = f"{sweep} {asking.model}"
    if len(head) > room:
        head = f"{sweep[:SHORT_NAME]} {asking.model}"[: max(1, room)]
    return re.sub(r"[^A-Za-z0-9 ._-]+", "-", f"{head} {tail}")[:LONGEST_NAME].rstrip()


def _same(member: Member) -> str:
    """Return what two members share that would be one search."""
    config = member.config
    plain = config.proposer.model_copy(update={"prices": None})
    return config_sha256(config.model_copy(update={"name": "same", "proposer": plain}))

"""The sections of configurations: frozen models that refuse unknown keys."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    PlainValidator,
    Secret,
    Tag,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from sandbox.limits import Limits
from simulator.domain import DEFAULT, Domain, Scenario, find_domain

ENVIRONMENT_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
HEADER_NAME = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
NAME = r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,60}$"
IN_WORDS = {
    NAME: "expected a letter or digit, then at most 60 letters, digits, spaces or . _ -",
    HEADER_NAME: "expected the name of a header, never the key itself",
    ENVIRONMENT_NAME: "expected the name of an environment variable, never the key itself",
}
CellKind = Literal["docker", "process"]
OFFLINE = "offline"
OUTPUT_TOKENS = 16_000
"""Room for long thoughts and a policy of some two hundred lines."""
SLOWEST_TOKENS_PER_SECOND = 25
FIRST_TOKEN_SECONDS = 60.0
"""A slow server reads a prompt of 24,000 tokens in this time, then writes this fast."""
NOT_OFFLINE = (
    "model",
    "models",
    "base_url",
    "api",
    "api_key_env",
    "temperature",
    "reasoning_effort",
    "key_header",
    "headers",
    "query",
    "extra_body",
    "prices",
    "replay_of",
)
"""Settings of a proposer that say which model is asked, where and how, or what is replayed."""


class Section(BaseModel):
    """A part of a configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _found(value: object) -> Domain:
    """Return the domain that a configuration means; errors are the setting's."""
    if isinstance(value, Domain):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("expected the name of a domain, or the path of its folder")
    return find_domain(value)  # an InputError is a ValueError


DomainSetting = Annotated[
    Domain,
    PlainValidator(_found),
    PlainSerializer(lambda domain: domain.setting, return_type=str),
    WithJsonSchema({"type": "string"}),
]
"""A domain: found when the configuration is read, written as its name or the path of its folder."""


class OfDomain(Section):
    """Checks the settings that depend on ``domain``; what is not set has the domain's default."""

    @field_validator("suite", mode="before", check_fields=False)
    @classmethod
    def _suite_of_domain(cls, value: object, info: ValidationInfo) -> object:
        return value if value is not None else _spec_in(info, "suite", "unknown")

    @field_validator("policy_calls", check_fields=False)
    @classmethod
    def _mode_of_domain(cls, value: str | None, info: ValidationInfo) -> str | None:
        domain = info.data.get("domain")
        if value is not None and domain is not None and value not in domain.spec.calls.modes:
            raise ValueError(f"expected one of {', '.join(domain.spec.calls.modes)}")
        return value

    @field_validator("objective", mode="before", check_fields=False)
    @classmethod
    def _objective_of_domain(cls, value: object, info: ValidationInfo) -> object:
        domain = info.data.get("domain")
        if domain is not None and isinstance(value, str | None):
            return domain.spec.objective(value).name
        return value or "unknown"

    @field_validator("baselines", mode="before", check_fields=False)
    @classmethod
    def _baselines_of_domain(cls, value: object, info: ValidationInfo) -> object:
        return value if value is not None else tuple(_spec_in(info, "baselines", ()))


def _spec_in(info: ValidationInfo, name: str, otherwise: Any) -> Any:
    """Return what the domain says; ``otherwise`` where that itself is wrong, which is told once."""
    domain = info.data.get("domain")
    return otherwise if domain is None else getattr(domain.spec, name)


def defaults_of(domain: Domain) -> dict[str, Any]:
    """Return the settings that a domain has a default for."""
    return {
        "domain": domain.setting,
        "suite": domain.spec.suite,
        "objective": domain.spec.objective().name,
        "baselines": tuple(domain.spec.baselines),
    }


def choices_of(domain: Domain) -> dict[str, list[str]]:
    """Return what can be chosen for the settings that a domain has a list of."""
    return {
        "objective": [each.name for each in domain.spec.objectives],
        "policy_calls": list(domain.spec.calls.modes),
    }


DOMAIN = "The domain, which is what is simulated: its name or its folder."
SUITE = "The suite of scenarios: one of the domain's, or the path of a suite file."
POLICY_CALLS = "When policies are called: a mode of the domain. None means as the suite says."
OBJECTIVE = "What a score is made of: an objective of the domain."
CELL = "Where policies run: in a locked Docker container, or in an embedded cell (process)."
BASELINES = "The library policies to beat, tried first. The reference policy is always one."


class ModelPrice(Section):
    """What a million tokens of one model cost in dollars."""

    input_per_million: float = Field(
        ge=0, allow_inf_nan=False, description="Dollars for a million tokens of input."
    )
    output_per_million: float = Field(
        ge=0, allow_inf_nan=False, description="Dollars for a million tokens of output."
    )
    cached_input_per_million: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="Dollars for a million tokens of cached input. None means as other input.",
    )


AS_FILE, AS_TABLE = "(file)", "(table)"
"""What the places of errors name the two forms of ``Prices``; no message shows it."""

Prices = Annotated[
    Annotated[Path, Tag(AS_FILE)] | Annotated[Mapping[str, ModelPrice], Tag(AS_TABLE)],
    Discriminator(lambda value: AS_TABLE if isinstance(value, Mapping) else AS_FILE),
]
"""A TOML file with prices, or the prices themselves by model."""


class ModelConfig(Section):
    """One of several models that are asked in turn, cheap ones more often than strong ones."""

    model: str = Field(min_length=1, description="The model's name at its server.")
    weight: float = Field(
        1.0, gt=0, description="Its share of the proposals, beside the weights of the others."
    )
    base_url: str | None = Field(
        None, description="Address of its server. None means proposer.base_url."
    )
    api_key_env: str | None = Field(
        None,
        pattern=ENVIRONMENT_NAME,
        description="Name of the variable with its key. None means proposer.api_key_env.",
    )
    temperature: float | None = Field(
        None, ge=0, le=2, description="Its temperature. None means proposer.temperature."
    )
    reasoning_effort: str | None = Field(
        None, description="Its reasoning effort. None means proposer.reasoning_effort."
    )
    key_header: str | None = Field(
        None,
        pattern=HEADER_NAME,
        description="Header with its key. None means proposer.key_header, at that server only.",
    )
    headers: Mapping[str, str] | None = Field(
        None, description="Headers for it. None means proposer.headers, at that server only."
    )
    query: Mapping[str, str] | None = Field(
        None, description="Query for it. None means proposer.query, at that server only."
    )
    extra_body: Mapping[str, Any] | None = Field(
        None, description="Fields for its requests. None means proposer.extra_body."
    )


class ProposerConfig(Section):
    """Who proposes policies; most of it is about models behind OpenAI-compatible servers."""

    kind: Literal["offline", "openai", "replay"] = Field(
        "offline",
        description="Who writes policies: seeded rules without a model (offline), a model behind "
        "an OpenAI-compatible server (openai), or an earlier experiment (replay).",
    )
    base_url: str | None = Field(
        None, description="Address of the model's server. None means OpenAI's own."
    )
    model: str | None = Field(None, description="The model's name at that server.")
    models: tuple[ModelConfig, ...] = Field((), description="Several models instead of one.")
    api: Literal["auto", "chat", "responses"] = Field(
        "auto", description="The API that the server speaks; auto finds out."
    )
    api_key_env: str = Field(
        "OPENAI_API_KEY",
        pattern=ENVIRONMENT_NAME,
        description="Name of the environment variable that holds the key.",
    )
    temperature: float | None = Field(
        None, ge=0, le=2, description="Sampling temperature. None leaves it to the server."
    )
    reasoning_effort: str | None = Field(
        None, description="Reasoning effort, such as low. None leaves it to the server."
    )
    key_header: str | None = Field(
        None,
        pattern=HEADER_NAME,
        description="Header that carries the key. None means Authorization: Bearer KEY.",
    )
    headers: Mapping[str, str] = Field(
        {}, description="Headers sent with each request. Never put a key here."
    )
    query: Mapping[str, str] = Field(
        {}, description="Parameters put into the address, such as api-version."
    )
    extra_body: Mapping[str, Any] = Field(
        {}, description="Fields put into the body of each request."
    )
    max_output_tokens: int = Field(
        OUTPUT_TOKENS, ge=256, description="Most tokens of one reply, its reasoning included."
    )
    timeout_seconds: float | None = Field(
        None,
        gt=0,
        description="Seconds for one request, its reply included. None means "
        f"{FIRST_TOKEN_SECONDS:g} s and 1 s for each {SLOWEST_TOKENS_PER_SECOND} of "
        "max_output_tokens.",
    )
    tries: int = Field(
        4, ge=1, le=20, description="Requests that may fail before a proposal is lost."
    )
    wait_seconds: float = Field(
        300.0,
        ge=0,
        description="Most seconds to wait for a rate limit or a model that loads; with "
        "budget.minutes it is the time that is left.",
    )
    structured: bool = Field(
        False, description="Ask for JSON by a schema; policies in fences are read all the same."
    )
    replay_of: str | None = Field(
        None, description="The experiment whose proposals are tried again."
    )
    prices: Prices | None = Field(
        None,
        description="Prices of models: a TOML file, or a table with a table for each model.",
    )

    @property
    def deadline_seconds(self) -> float:
        """The seconds that one request may take: what is set, else what fits the longest reply."""
        fitting = FIRST_TOKEN_SECONDS + self.max_output_tokens / SLOWEST_TOKENS_PER_SECOND
        return fitting if self.timeout_seconds is None else self.timeout_seconds

    @model_validator(mode="after")
    def _names_its_source(self) -> "ProposerConfig":
        if self.kind == "openai" and not self.model and not self.models:
            raise ValueError("the openai proposer needs a model: set proposer.model or --model")
        if self.model and self.models:
            raise ValueError("give either proposer.model or proposer.models, not both")
        if self.kind == "replay" and not self.replay_of:
            raise ValueError(
                "the replay proposer needs an experiment: set proposer.replay_of or --replay"
            )
        if "kind" not in self.model_fields_set and self.idle():
            raise ValueError(
                f"{self.idle()[0]} has no effect while kind is not set, which means offline: set "
                "kind to openai or replay, or to offline"
            )
        return self

    def idle(self) -> tuple[str, ...]:
        """Return what is set that the offline proposer, if it is the one, makes no use of."""
        if self.kind != OFFLINE:
            return ()
        usual = {name: type(self).model_fields[name].default for name in NOT_OFFLINE}
        given = ((name, getattr(self, name)) for name in NOT_OFFLINE)
        return tuple(n for n, value in given if value not in (None, "", (), [], {}, usual[n]))


class EvolveConfig(Section):
    """The strategy ``evolve``: who has descendants."""

    parents: Literal["rank", "front"] = Field(
        "rank",
        description="Who becomes a parent: the better the likelier (rank), or those that are best "
        "in some family of scenarios (front).",
    )
    population: int = Field(
        12, ge=2, le=1000, description="How many of the best and most different attempts may breed."
    )
    crossover: float = Field(
        0.35, ge=0, le=1, description="Share of the proposals with two parents."
    )
    fresh: float = Field(0.1, ge=0, le=1, description="Share of the proposals without a parent.")


class RacingConfig(Section):
    """Candidates that can no longer become the best are stopped before all of train is tried."""

    enabled: bool = Field(
        False, description="Try candidates on train in rungs, and stop those that fall behind."
    )
    confidence: float = Field(
        0.8,
        ge=0.5,
        le=0.99,
        description="Share of earlier attempts that their last scenarios did not lift further.",
    )

    @model_validator(mode="before")
    @classmethod
    def _in_short(cls, value: object) -> object:
        """``racing = true`` says all that is needed."""
        return value if isinstance(value, Mapping | RacingConfig) else {"enabled": value}


class GuardConfig(Section):
    """What a candidate must pass before it is called the best."""

    confidence: float = Field(
        0.95, gt=0.5, lt=1, description="Confidence of the interval of a gain."
    )
    resamples: int = Field(
        10_000, ge=1000, le=1_000_000, description="Bootstrap samples behind the interval."
    )
    gap_percent: float = Field(
        15.0,
        gt=0,
        description="How many per cent train may be above validation, beyond the same for the best "
        "baseline; more bars a candidate.",
    )
    audit_scenarios: int = Field(
        2,
        ge=0,
        description="Train scenarios on which a new best is audited in another calling mode.",
    )
    test: bool = Field(
        True, description="Try the best and the baselines on the test scenarios, once, at the end."
    )
    fresh_test: Secret[Annotated[int, Field(ge=0, lt=2**63)]] | None = Field(
        None,
        description="Seed for redrawing the test scenarios; kept out of the history until then.",
    )

    @model_validator(mode="after")
    def _tests_what_it_draws(self) -> "GuardConfig":
        if self.fresh_test is not None and not self.test:
            raise ValueError(
                "fresh_test has no effect while test is false: set test = true or remove fresh_test"
            )
        return self


class BudgetConfig(Section):
    """Limits of a search; it stops at the first one reached. None is no limit."""

    candidates: int = Field(
        24, ge=1, le=1_000_000, description="Most attempts, baselines not counted."
    )
    evaluations: int | None = Field(
        None, ge=1, description="Most tries of a candidate on a scenario."
    )
    minutes: float | None = Field(
        None, gt=0, description="Most minutes on the clock, all runs together."
    )
    dollars: float | None = Field(None, gt=0, description="Most dollars for a model's replies.")
    tokens: int | None = Field(
        None, ge=1, description="Most tokens of a model, input and output together."
    )


class FeedbackConfig(Section):
    """What prompts show of earlier attempts."""

    show: Literal["score", "diagnoses", "history"] = Field(
        "history",
        description="How much prompts show: the last score, its diagnoses too, or earlier attempts "
        "as well.",
    )
    attempts: int = Field(
        8, ge=0, description="How many of the last attempts are shown, with their diagnoses."
    )
    best: int = Field(
        3, ge=0, description="How many of the best attempts are shown, with their source."
    )
    lessons: bool = Field(False, description="Show which changes helped or hurt over all attempts.")
    prompt_tokens: int = Field(
        24_000, ge=2_000, description="Most tokens of a prompt, counted as 4 characters each."
    )
    prompts: Path | None = Field(None, description="A folder with your own templates.")


class RunnerConfig(Section):
    """Where Prefect runs the trials of a search; no part of what is searched."""

    kind: Literal["threads", "dask"] = Field(
        "threads",
        description="Where trials run: in this process, or on a Dask cluster (needs an extra).",
    )
    address: str | None = Field(
        None, description="Address of a cluster that runs already. None starts a local one."
    )
    workers: int = Field(2, ge=1, le=1024, description="Processes of a local cluster.")


class TrialConfig(OfDomain):
    """What policies are tried on, and where."""

    domain: DomainSetting = Field(DEFAULT, validate_default=True, description=DOMAIN)
    suite: str = Field(None, min_length=1, validate_default=True, description=SUITE)
    split: Literal["train", "validation", "test"] = Field(
        "validation", description="Which scenarios of the suite policies are tried on."
    )
    policy_calls: str | None = Field(None, description=POLICY_CALLS)
    cell: CellKind = Field("docker", description=CELL)
    slots: int = Field(1, ge=1, le=64, description="How many policies are tried side by side.")
    limits: Limits = Limits()
    runner: RunnerConfig = RunnerConfig()


class FolderConfig(TrialConfig):
    """A folder of policies that are tried one by one and kept in the history."""

    folder: Path = Field(description="The folder whose *.py files are the policies.")
    name: str = Field("policies", pattern=NAME, description="Names the experiment in the history.")
    baselines: tuple[str, ...] = Field(None, validate_default=True, description=BASELINES)


class CompareConfig(TrialConfig):
    """Policies that are compared on the same scenarios."""

    policies: tuple[str, ...] = Field(
        min_length=1,
        description="What is compared: files, library policies, candidates by the start of their "
        "sha256, or experiments, which stand for their best.",
    )
    objective: str = Field(None, validate_default=True, description=OBJECTIVE)


def folder_sha256(config: FolderConfig, scenarios: Sequence[Scenario]) -> str:
    """Return the hash of what shapes the figures: the folder and the machinery can change."""
    settings = config.model_dump(
        mode="json", include={"name", "suite", "split", "policy_calls", "cell", "limits"}
    )
    settings["domain"] = config.domain.name  # its content is recorded, and compared on a resume
    settings["scenarios"] = [scenario.sha256 for scenario in scenarios]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def folder_experiment_id(config: FolderConfig, digest: str) -> str:
    """Return the experiment's id: equal settings are one experiment, which is continued."""
    slug = re.sub(r"[^a-z0-9]+", "-", config.name.lower()).strip("-")
    return f"{slug}-{digest[:8]}"

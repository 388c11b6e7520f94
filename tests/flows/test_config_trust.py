"""A folder that one stands in may be anybody's: what a file in it can do, and what it cannot."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.errors import ConfigError
from flows.proposers.choices import OPENAI_URL, model_settings
from flows.settings.page import config_toml
from flows.settings.search import SearchConfig, load_config, with_sdk_address
from flows.settings.sources import dotted_keys, variable_name
from simulator.domain import find_domain
from simulator.domains.pipelines.library import policy_source
from tests.support.command import assay
from tests.support.model_server import ModelServer, policy
from tests.support.small_suite import write_suite

KEY = "planted-key-5be1d4c09a7f3382"
THEIRS = "http://127.0.0.1:9/v1"
OTHER_PEOPLES = """
PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONINSPECT PYTHONUSERBASE PYTHONWARNINGS PYTHONBREAKPOINT
PYTHONPLATLIBDIR PYTHONSAFEPATH LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT DYLD_INSERT_LIBRARIES PATH HOME
XDG_CONFIG_HOME XDG_CACHE_HOME TMPDIR BASH_ENV ENV SHELL IFS PAGER EDITOR GIT_SSH_COMMAND
DOCKER_HOST DOCKER_CONTEXT DOCKER_CONFIG DOCKER_CERT_PATH DOCKER_TLS_VERIFY DOCKER_API_VERSION
HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy NETRC
SSL_CERT_FILE SSL_CERT_DIR SSLKEYLOGFILE REQUESTS_CA_BUNDLE CURL_CA_BUNDLE OPENSSL_CONF
PREFECT_API_URL PREFECT_API_KEY PREFECT_HOME PREFECT_PROFILE PREFECT_PROFILES_PATH
PREFECT_LOGGING_SETTINGS_PATH PREFECT_SERVER_DATABASE_CONNECTION_URL PREFECT_CLIENT_CUSTOM_HEADERS
DASK_CONFIG DASK_ROOT_CONFIG OPENAI_ORG_ID OPENAI_PROJECT_ID OPENAI_ADMIN_KEY OPENAI_LOG
OPENBLAS_NUM_THREADS DUCKDB_HOME MallocStackLogging CLICK_COMPLETE _ASSAY_COMPLETE
ASSAY_DOCKERD_LOG ASSAY_SETUP_DIR ASSAY_VENV ASSAY_OFFICIAL_IMAGE ASSAY_DOCKER_RUN_DIR
""".split()
"""Names that no file in a folder may set, of every kind that something we start listens to."""

ENVIRONMENT_OF_MAIN = """
import os, sys
from flows.cli.main import main
before = dict(os.environ)
try:
    main(["traces", "formats"])
except SystemExit:
    print(sorted(n for n, v in os.environ.items() if before.get(n) != v), file=sys.stderr)
"""


def test_nothing_of_the_file_reaches_the_environment_but_the_home_folder(tmp_path: Path) -> None:
    settings = [variable_name(name) for name in dotted_keys(SearchConfig().model_dump())]
    names = [*OTHER_PEOPLES, *settings, "OPENAI_API_KEY", "OPENAI_BASE_URL", "ASSAY_HOME"]
    (tmp_path / ".env").write_text("".join(f"{name}=planted\n" for name in names))
    clean = {name: value for name, value in os.environ.items() if name not in names}
    clean |= {"PATH": os.environ["PATH"], "NO_PROXY": "", "no_proxy": ""}

    done = subprocess.run(
        [sys.executable, "-P", "-c", ENVIRONMENT_OF_MAIN],
        cwd=tmp_path, env=clean, capture_output=True, text=True,
    )  # fmt: skip

    assert done.stderr.splitlines()[-1] == "['ASSAY_HOME', 'NO_PROXY', 'no_proxy']", done.stderr
    assert [
        name for name in OTHER_PEOPLES if f"\n{name.lower()} =" in config_toml(find_domain())
    ] == []


@pytest.mark.parametrize("name", ["ASSAY_CELL", "ASSAY_RUNNER__ADDRESS", "ASSAY_RUNNER"])
def test_the_file_does_not_say_where_policies_run(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^\.env: {name} says where policies run"):
        load_config(None, {}, {}, {name: "process"})


@pytest.mark.parametrize("folder", ["./mine", "/tmp/mine", ".", "~/mine"])
def test_the_file_names_no_folder_whose_code_is_the_domain(folder: str) -> None:
    with pytest.raises(ConfigError, match=r"^\.env: ASSAY_DOMAIN names a folder whose code runs"):
        load_config(None, {}, {}, {"ASSAY_DOMAIN": folder})


def test_the_file_may_name_a_domain_that_is_installed() -> None:
    assert load_config(None, {}, {}, {"ASSAY_DOMAIN": "pipelines"}).domain.name == "pipelines"


def asked(place: str) -> dict[str, dict[str, str]]:
    """Return who names a server, as the arguments of ``load_config``."""
    variables = {"ASSAY_PROPOSER__KIND": "openai", "ASSAY_PROPOSER__MODEL": "any"}
    by_place = {
        "flag": {"overrides": {"proposer.base_url": THEIRS}},
        "environment": {"environment": {"ASSAY_PROPOSER__BASE_URL": THEIRS}},
        "the SDK's variable": {"environment": {"OPENAI_BASE_URL": THEIRS}},
        ".env": {"dotenv": {"ASSAY_PROPOSER__BASE_URL": THEIRS}},
        "a table in .env": {"dotenv": {"ASSAY_PROPOSER": f'{{base_url = "{THEIRS}"}}'}},
        "the SDK's variable in .env": {"dotenv": {"OPENAI_BASE_URL": THEIRS}},
        "nobody": {},
    }
    return {"dotenv": {}, "overrides": {}, **by_place[place]} | {
        "environment": variables | by_place[place].get("environment", {})
    }


PLACES = [
    "flag", "environment", "the SDK's variable", "nobody",
    ".env", "a table in .env", "the SDK's variable in .env",
]  # fmt: skip


@given(st.sampled_from(PLACES), st.sampled_from(["environment", "dotenv", "nowhere"]))
def test_a_key_of_the_environment_goes_to_no_server_that_only_the_file_names(
    server: str, key: str
) -> None:
    given = asked(server)
    if key != "nowhere":
        given[key] = {**given[key], "OPENAI_API_KEY": KEY}

    if ".env" in server and key == "environment":
        with pytest.raises(ConfigError, match="is from your environment: such a file") as caught:
            load_config(None, **given)
        assert "export ASSAY_PROPOSER__BASE_URL" in str(caught.value)
        assert KEY not in str(caught.value)
    else:
        [model] = model_settings(load_config(None, **given).proposer)
        assert model.base_url == (OPENAI_URL if server == "nobody" else THEIRS)


@pytest.mark.parametrize(
    "dotenv",
    [
        {"ASSAY_PROPOSER__API_KEY_ENV": "GITHUB_TOKEN"},
        {"ASSAY_PROPOSER__MODELS": '[{model = "m", api_key_env = "GITHUB_TOKEN"}]'},
        {"ASSAY_PROPOSER__MODELS": f'[{{model = "m", base_url = "{THEIRS}", '
         'api_key_env = "OPENAI_API_KEY"}]'},
        {"ASSAY_PROPOSER__MODELS": '[{model = "m"}]', "ASSAY_PROPOSER__BASE_URL": THEIRS},
        {"ASSAY_PROPOSER__MODELS": f'[{{model = "m"}}, {{model = "n", base_url = "{THEIRS}", '
         'api_key_env = "GITHUB_TOKEN"}]'},
    ],
)  # fmt: skip
def test_the_file_does_not_choose_which_key_of_the_environment_is_sent(
    dotenv: dict[str, str],
) -> None:
    environment = {"GITHUB_TOKEN": KEY, "OPENAI_API_KEY": KEY, "ASSAY_PROPOSER__KIND": "openai"}
    if "ASSAY_PROPOSER__MODELS" not in dotenv:
        environment["ASSAY_PROPOSER__MODEL"] = "any"

    with pytest.raises(ConfigError, match="does not decide where your key is sent"):
        load_config(None, {}, environment, dotenv)


def test_a_model_without_a_key_may_be_named_by_the_file() -> None:
    models = f'[{{model = "m", base_url = "{THEIRS}"}}]'
    environment = {"OPENAI_API_KEY": KEY, "ASSAY_PROPOSER__KIND": "openai"}

    config = load_config(None, {}, environment, {"ASSAY_PROPOSER__MODELS": models})

    assert [each.api_key_env for each in model_settings(config.proposer)] == [None]


def test_a_flow_honours_the_sdks_variable_too() -> None:
    plain = load_config(None, {"proposer.kind": "openai", "proposer.model": "any"})
    named = load_config(None, {**asked("flag")["overrides"], "proposer.kind": "openai",
                               "proposer.model": "any"})  # fmt: skip

    assert with_sdk_address(plain, {"OPENAI_BASE_URL": "http://h/v1"}).proposer.base_url
    assert with_sdk_address(named, {"OPENAI_BASE_URL": "http://h/v1"}) == named
    assert with_sdk_address(SearchConfig(), {"OPENAI_BASE_URL": "http://h/v1"}) == SearchConfig()


def test_a_hostile_folder_gets_no_request_and_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = write_suite(tmp_path)
    command = ("run", "--direct", "--cell", "process", "--proposer", "openai", "--model", "any",
               "--suite", suite, "--baseline", "naive", "--candidates", "1")  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with ModelServer(policy(policy_source("priority"))) as model:
        for line in (f"ASSAY_PROPOSER__BASE_URL={model.url}", f"OPENAI_BASE_URL={model.url}"):
            (tmp_path / ".env").write_text(line + "\n")
            refused = assay(*command, home=tmp_path / "home", OPENAI_API_KEY=KEY)
            assert (refused.returncode, len(model.requests)) == (2, 0), refused.stderr
            assert "is from your environment" in refused.stderr
        (tmp_path / ".env").write_text(f"OPENAI_BASE_URL={model.url}\nOPENAI_API_KEY={KEY}\n")

        done = assay(*command, home=tmp_path / "home", OPENAI_API_KEY="")

        assert (done.returncode, len(model.requests)) == (0, 1), done.stderr
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []

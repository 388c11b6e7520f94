"""What surrounds a search: its lock, its place among demos, Prefect's settings, the price check."""

import fcntl
import re
from pathlib import Path
from typing import Any

import pytest

from flows.cli.searches import SEED, demo_config
from flows.errors import AlreadyRunning, ConfigError, UserError
from flows.experiment import make_proposer, run_experiment
from flows.history.journal import Journal
from flows.home import experiment_folder
from flows.orchestration.server import prepare_prefect, uses_a_server
from flows.proposers.choices import keys_of
from flows.search.loop import run_search
from flows.search.progress import ignore
from flows.settings.search import experiment_id, load_config
from tests.support.command import assay
from tests.support.search_fakes import FakeProposer, better_each_time, services
from tests.support.small_suite import write_suite


def model(**settings: Any) -> Any:
    chosen = {"proposer.kind": "openai", "proposer.model": "no-such-model", **settings}
    return load_config(None, {key.replace("__", "."): value for key, value in chosen.items()})


def test_an_experiment_has_one_worker_at_a_time(tmp_path: Path) -> None:
    config = load_config(None, {})
    folder = experiment_folder(tmp_path, experiment_id(config))
    folder.mkdir(parents=True)

    with (folder / "lock").open("w") as file:
        file.write("4711")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)

        with pytest.raises(AlreadyRunning, match="worked on by process 4711"):
            run_experiment(config, tmp_path, ignore)


def test_a_disk_on_which_nothing_can_be_written_ends_a_search_with_words(tmp_path: Path) -> None:
    suite = write_suite(tmp_path)

    done = assay(
        *("run", "--direct", "--quiet", "--cell", "process", "--suite", suite),
        home=tmp_path / "home",
        before=("prlimit", "--fsize=0"),
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(r"cannot write .*\.jsonl: File too large; nothing of this step", done.stderr)


def test_a_lock_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    config = load_config(None, {})
    (experiment_folder(tmp_path, experiment_id(config))).mkdir(parents=True)
    (experiment_folder(tmp_path, experiment_id(config)) / "lock").symlink_to("/nowhere/at/all")

    with pytest.raises(UserError, match=r"cannot create the lock .* \(No such file"):
        run_experiment(config, tmp_path, ignore)


def test_a_demo_that_has_ended_is_followed_by_another(tmp_path: Path) -> None:
    first = demo_config(tmp_path, fresh=False)
    assert (first.name, first.seed) == ("demo", SEED)

    with Journal(tmp_path, experiment_id(first)) as journal:
        run_search(first, services(FakeProposer(better_each_time), journal=journal))

    assert demo_config(tmp_path, fresh=False).name == "demo-2"


def test_a_demo_that_was_interrupted_goes_on_unless_it_is_to_be_fresh(tmp_path: Path) -> None:
    first = demo_config(tmp_path, fresh=False)

    def impatient(_: object) -> Any:
        raise KeyboardInterrupt

    with Journal(tmp_path, experiment_id(first)) as journal, pytest.raises(KeyboardInterrupt):
        run_search(first, services(FakeProposer(impatient), journal=journal))

    assert demo_config(tmp_path, fresh=False).name == "demo"
    assert demo_config(tmp_path, fresh=True).name == "demo-2"


def test_what_the_user_has_set_for_prefect_stays(tmp_path: Path) -> None:
    environment = {"PREFECT_LOGGING_LEVEL": "DEBUG", "PREFECT_API_URL": "http://server/api"}

    prepare_prefect(tmp_path / "home", environment)

    assert environment["PREFECT_LOGGING_LEVEL"] == "DEBUG"
    assert environment["DO_NOT_TRACK"] == "1"
    assert "PREFECT_HOME" not in environment


def test_without_a_server_prefect_lives_under_our_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    environment: dict[str, str] = {}
    assert not uses_a_server(environment)

    prepare_prefect(tmp_path / "home", environment)

    assert environment["PREFECT_HOME"] == str(tmp_path / "home" / "prefect")
    assert (tmp_path / "home").is_dir()


def test_the_chosen_profile_with_a_server_counts_as_a_server(tmp_path: Path) -> None:
    profile = '[profiles.mine]\nPREFECT_API_URL = "http://server/api"\n[profiles.other]\n'
    home = {"PREFECT_HOME": str(tmp_path)}

    for active, expected in (("mine", True), ("other", False), ("gone", False)):
        text = f'active = "{active}"\n{profile}'
        (tmp_path / "profiles.toml").write_text(text, encoding="utf-8")
        assert uses_a_server(home) is expected, active
    assert uses_a_server({**home, "PREFECT_PROFILE": "mine"})
    (tmp_path / "profiles.toml").write_text("torn [", encoding="utf-8")
    assert not uses_a_server(home)


def test_a_proxy_that_no_client_here_speaks_to_stops_no_local_server(tmp_path: Path) -> None:
    environment = {"ALL_PROXY": "socks5://127.0.0.1:9", "https_proxy": "http://proxy:1"}

    prepare_prefect(tmp_path / "home", environment)

    assert "ALL_PROXY" not in environment
    assert environment["https_proxy"] == "http://proxy:1"


def test_the_key_comes_from_the_named_variable_only() -> None:
    proposer = model(proposer__api_key_env="MY_KEY").proposer

    found = keys_of(proposer, {"MY_KEY": " secret \n", "OPENAI_API_KEY": "other"})
    assert found == {"MY_KEY": "secret"}
    with pytest.raises(ConfigError, match="MY_KEY holds no key"):
        keys_of(proposer, {"OPENAI_API_KEY": "other"})


def test_a_server_of_ones_own_needs_no_key() -> None:
    proposer = model(proposer__base_url="http://127.0.0.1:1/v1").proposer

    assert keys_of(proposer, {}) == {}


def test_a_budget_in_dollars_needs_a_known_price() -> None:
    with pytest.raises(ConfigError, match=r"price of model 'no-such-model'.*budget\.tokens"):
        make_proposer(model(budget__dollars=2.0), {}, Path())

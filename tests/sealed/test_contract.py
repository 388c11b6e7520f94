"""``contract.toml`` and ``laws.toml``: what is wrong with one is told by file and key."""

from pathlib import Path

import pytest

from simulator.errors import InputError
from simulator.sealed.laws import read_laws
from simulator.sealed.scenarios import generate, make_scenario, open_scenario
from simulator.sealed.spec import public, read_contract
from tests.support.sealed import QUEUE, changed_contract, queue_spec


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[values.horizon]", "[values.end]", "values.horizon is missing"),
        ('{ job = "jobs" }', '{ job = "jbs" }', "no field of arrived shows a row of jobs"),
        ('causes = "started"', 'causes = "begun"', "decisions.start.causes is begun"),
        ('job = "waiting"', 'job = "idle"', "decisions.start.when.job is idle"),
        ('"busy < servers"', '"busy < machines"', "unknown name machines"),
        ('revealed_by = "arrived"', 'revealed_by = "came"', "tables.jobs.revealed_by is came"),
        ('"at.started - arrival"', '"at.begun - arrival"', "unknown name at.begun"),
        ("[values.servers]", "[values.class]", "the name class is taken"),
        ("default = 0", "default = -1", "default is -1, not from 0"),
        ("hidden = true", "secret = true", "secret"),
        (
            'at_most = "servers"',
            'at_most = "servers"\nper = "node"',
            "gauges.busy.per: node is not a row",
        ),
        ("asks = true\n\n[events.started]", "hidden = true\n\n[events.started]", "arrived"),
        ('draw = "poisson"', 'draw = "cauchy"', "cauchy"),
        ('name = "queue"', 'name = "queue"\nextra = 1', "extra"),
    ],
)
def test_a_contract_that_does_not_fit_together_is_refused(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    path = changed_contract(tmp_path, (old, new))

    with pytest.raises(InputError) as refused:
        read_contract(path)

    assert str(refused.value).startswith(str(path)), refused.value
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"busy < servers"', '"' + "(" * 3000 + '1"'),
        ('"busy < servers"', '"' + "-" * 3000 + '1"'),
        ('"busy < servers"', '"9 ** 9 ** 9"'),
        ('"busy < servers"', '"' + "9" * 3000 + '"'),
        ('"busy < servers"', '"__import__"'),
        ('"busy < servers"', '"servers.__class__"'),
        ("most = 100_000", "most = 100_000_000_000"),
        ("high = 64", f"high = {1 << 80}"),
        ("high = 64", "high = 1e3"),
        ("default = 0", "default = true"),
        ("rows = 500", "rows = 500_000"),
        ("mean = 80_000", "mean = inf"),
        ("mean = 80_000", "mean = 0"),
        ("[generators.poisson]", "[generators.poisson]\nseed = " + "[" * 3000),
        ("[events.started]", "".join(f"[events.e{n}]\n" for n in range(200)) + "[events.started]"),
    ],
    ids=range(15),
)
def test_a_hostile_contract_is_refused_at_once(tmp_path: Path, old: str, new: str) -> None:
    path = changed_contract(tmp_path, (old, new))

    with pytest.raises(InputError) as refused:
        generate(read_contract(path), "poisson", 1)

    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(
    ("law", "told"),
    [
        ('kind = "at"\nevent = "came"\ntime = "1"', "came is no event"),
        ('kind = "at"\nevent = "arrived"\ntime = "job.weight"', "unknown name job.weight"),
        ('kind = "lasts"\nevent="finished"\nafter="started"\nrow="x"\ntime="1"', "row is x"),
        ('kind = "balance"\nholds = "job.arrival > 1"', "unknown name job.arrival"),
        ('kind = "always"', "always"),
    ],
)
def test_a_law_that_does_not_fit_the_contract_is_refused(
    tmp_path: Path, law: str, told: str
) -> None:
    path = tmp_path / "laws.toml"
    path.write_text(f'[[laws]]\nname = "odd"\n{law}\n', encoding="utf-8")

    with pytest.raises(InputError) as refused:
        read_laws(path, queue_spec())

    assert told in str(refused.value)


def test_what_is_hidden_is_not_in_the_public_contract(tmp_path: Path) -> None:
    path = changed_contract(
        tmp_path, ('add = { started = "1" }', 'add = { started = "job.service" }')
    )
    spec = public(read_contract(path))

    assert "service" not in spec.tables["jobs"].columns
    assert not spec.gauges, "a gauge that counts hidden numbers would tell them"
    assert not spec.generators
    assert "busy" in public(queue_spec()).gauges


def test_a_generator_gives_the_same_scenario_for_the_same_seed() -> None:
    spec = queue_spec()

    first, again, other = (generate(spec, "poisson", seed) for seed in (1, 1, 2))
    fewer = generate(spec, "poisson", 1, {"jobs.rows": 3, "servers": 2})

    assert first == again
    assert first.sha256 == again.sha256 != other.sha256
    assert fewer.tables["jobs"] == first.tables["jobs"][:3]
    assert (fewer.values["servers"], fewer.size) == (2, {"jobs": 3})


@pytest.mark.parametrize(
    ("values", "jobs", "told"),
    [
        ({"horizon": 0, "servers": 1}, [], "values.horizon is 0"),
        ({"horizon": 9}, [], "values.servers is missing"),
        ({"horizon": 9, "servers": 1}, [[1, 1]], "a row has 2 numbers, expected 3"),
        ({"horizon": 9, "servers": 1}, [[1, 0, 1]], "row 0: service is 0"),
        ({"horizon": 9, "servers": 1}, [[5, 1, 1], [4, 1, 1]], "row 1 comes before row 0"),
        ({"horizon": 9, "servers": True}, [], "values.servers is True"),
    ],
)
def test_a_scenario_outside_the_contract_is_refused(
    values: dict[str, int], jobs: list[list[int]], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        make_scenario(queue_spec(), values, {"jobs": jobs}, where="here")


def test_a_scenario_file_names_its_tables_or_holds_them(tmp_path: Path) -> None:
    spec = queue_spec()
    (tmp_path / "jobs.csv").write_text("service,arrival,estimate\n5,1,4\n", encoding="utf-8")
    for rows in ('"jobs.csv"', "[[1, 5, 4]]"):
        path = tmp_path / "one.toml"
        text = f"values = {{ horizon = 9, servers = 1 }}\n[tables]\njobs = {rows}\n"
        path.write_text(text, encoding="utf-8")

        scenario = open_scenario(spec, path)

        assert scenario.tables == {"jobs": [[1, 5, 4]]}
        assert scenario.figures == {"worst_delay": 8.0}


def test_the_examples_own_files_are_right() -> None:
    assert read_laws(QUEUE / "laws.toml", queue_spec()).checks

"""A domain of a third party: found by folder or entry point, put in cells, held to rules."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.errors import CellFailed
from sandbox.image import image_tag
from sandbox.outcome import Outcome
from sandbox.trial import Payload, Sandbox
from simulator.domain import MAX_DOMAIN_BYTES, MAX_DOMAIN_ENTRIES, Domain, open_domain
from simulator.driver import LocalPolicy
from simulator.suites import load_suite
from tests.support.cells import ROOT, TIGHT
from tests.support.command import assay
from tests.support.domains import copy_of_the_toy, toy
from tests.support.in_process import Done, command_at

Assay = Callable[..., Done]
BOMB = 'raise SystemExit("a domain was imported")\n'


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Assay:
    return command_at(tmp_path / "home", monkeypatch, capsys)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the toy, to be changed."""
    return copy_of_the_toy(tmp_path / "queue")


def installed(site: Path, package: str, name: str, *changes: tuple[str, str, str]) -> None:
    """Install the toy as a package whose import fails, as pip leaves it in a site folder."""
    site.mkdir(exist_ok=True)
    copy_of_the_toy(site / package, *changes)
    (site / package / "__init__.py").write_text(BOMB)
    facts = site / f"{package}-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[assay.domains]\n{name} = {package}\n")


def payloads(domain: Domain, count: int = 2) -> list[Payload]:
    scenarios = load_suite("small", domain).scenarios[:count]
    return [Payload(name=s.name, data=domain.cell.encode_scenario(s)) for s in scenarios]


def test_a_folder_is_a_domain_by_its_path(run: Assay, folder: Path) -> None:
    done = run("domains", "show", folder, "--json")

    shown = json.loads(done.out)
    assert done.code == 0
    assert (shown["name"], shown["policies"]) == ("one-server", ["fifo", "shortest"])
    assert shown["sha256"] == toy().sha256


def test_list_and_show_import_nothing_of_a_domain(
    run: Assay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path / "site", "queue_domain", "one-server")
    for name in ("contract.py", "cell.py"):
        (tmp_path / "site" / "queue_domain" / name).write_text(BOMB)
    monkeypatch.syspath_prepend(tmp_path / "site")

    listed = json.loads(run("domains", "list", "--json").out)["domains"]
    shown = run("domains", "show", "one-server")

    assert [each["name"] for each in listed] == ["faas", "one-server", "pipelines"]
    assert listed[1]["from"] == str(tmp_path / "site" / "queue_domain")
    assert (shown.code, shown.err) == (0, "")


@pytest.mark.slow
def test_a_package_that_pip_installed_is_a_domain_by_its_name(tmp_path: Path) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    copy_of_the_toy(source / "queue_domain")
    (source / "queue_domain" / "__init__.py").write_text(BOMB)
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "queue-domain"\nversion = "1.0"\n'
        '[project.entry-points."assay.domains"]\none-server = "queue_domain"\n'
    )
    options = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", site)
    command = [sys.executable, "-m", "pip", "install", *map(str, options), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    found = os.pathsep.join([str(site), str(ROOT)])
    run_policy = (
        "from pathlib import Path\n"
        "from sandbox.trial import Payload, Sandbox\n"
        "from simulator.domain import find_domain\n"
        "from simulator.suites import load_suite\n"
        "domain = find_domain('one-server')\n"
        "scenario = load_suite('small', domain).scenarios[0]\n"
        "payload = Payload(name=scenario.name, data=domain.cell.encode_scenario(scenario))\n"
        "with Sandbox(cell='process', ready=False, domain=domain) as sandbox:\n"
        "    trial = sandbox.try_policy(domain.policy_source('shortest'), [payload])\n"
        "print(trial.outcome)\n"
    )

    listed = assay("domains", "list", "--json", home=tmp_path / "home", PYTHONPATH=found)
    tried = subprocess.run(
        [sys.executable, "-c", run_policy],
        env={**os.environ, "PYTHONPATH": found},
        capture_output=True,
        text=True,
    )

    assert "one-server" in [each["name"] for each in json.loads(listed.stdout)["domains"]]
    assert (tried.stdout, tried.stderr) == ("ok\n", "")


@pytest.mark.slow
def test_an_embedded_cell_simulates_with_a_folder_as_this_process_does(folder: Path) -> None:
    domain = open_domain(folder)
    source = domain.policy_source("shortest")
    scenario = load_suite("small", domain).scenarios[0]
    alone = domain.cell.simulate(scenario, LocalPolicy(domain.contract, source))

    with Sandbox(TIGHT, cell="process", ready=False, domain=domain) as sandbox:
        trial = sandbox.try_policy(source, payloads(domain))
        crash = sandbox.try_policy(source.replace("queue.waiting[0]", "1 / 0"), payloads(domain))

    assert trial.outcome is Outcome.OK
    assert trial.evaluations[0].metrics == alone.metrics
    assert trial.evaluations[0].decision_sha256 == alone.decision_sha256
    assert crash.outcome is Outcome.OK
    assert not [path for path in folder.rglob("*") if path.suffix == ".pyc"]


@pytest.mark.slow
def test_a_cell_that_finds_a_changed_folder_is_our_failure(folder: Path) -> None:
    domain = open_domain(folder)
    source, scenarios = domain.policy_source("fifo"), payloads(domain)

    with Sandbox(TIGHT, cell="process", ready=False, domain=domain) as sandbox:
        text = (folder / "cell.py").read_text()
        (folder / "cell.py").write_text(text + "\n")

        with pytest.raises(CellFailed, match="another domain"):
            sandbox.try_policy(source, scenarios)


def test_a_change_within_the_second_and_of_the_same_size_is_seen(folder: Path) -> None:
    first = open_domain(folder).cell.canary().jobs
    stamp = (folder / "cell.py").stat()
    text = (folder / "cell.py").read_text()

    (folder / "cell.py").write_text(
        text.replace("((1, 2, 3), (2, 1, 1))", "((1, 2, 4), (2, 1, 1))")
    )
    os.utime(folder / "cell.py", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    second = open_domain(folder).cell.canary().jobs

    assert first[0] == (1, 2, 3)
    assert second[0] == (1, 2, 4)


def test_every_file_but_suites_is_in_the_tag_of_the_image(folder: Path) -> None:
    def tag() -> str:
        return image_tag(domain=open_domain(folder))

    tags = [image_tag(), tag()]
    for name in ("domain.toml", "cell.py", "policies/fifo.py", "contract.md"):
        with (folder / name).open("a") as file:
            file.write("\n")
        tags.append(tag())
    (folder / "data").mkdir()
    (folder / "data" / "table.csv").write_text("1")
    tags.append(tag())
    with (folder / "suites" / "small.toml").open("a") as file:
        file.write("\n")

    assert len(set(tags)) == len(tags)
    assert tag() == tags[-1]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Domain]:
    """A domain like no other with its image, which is removed after the tests."""
    folder = tmp_path_factory.mktemp("image") / "queue"
    copy_of_the_toy(folder)
    (folder / "nonce.txt").write_text(str(time.time_ns()))
    base = subprocess.run(
        [ROOT / "scripts" / "base-image.sh", "--name"], capture_output=True, text=True, check=True
    ).stdout.strip()
    work = ROOT / ".assay-setup" / "image"
    options = ("--base", base, "--work", str(work), "--domain", str(folder))
    build = [sys.executable, "-m", "sandbox.image_build", *options]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    domain = open_domain(folder)
    yield domain
    subprocess.run(["docker", "image", "rm", image_tag(domain=domain)], capture_output=True)


@pytest.mark.docker
def test_a_docker_cell_simulates_with_a_folder_as_an_embedded_one(image: Domain) -> None:
    source, scenarios = image.policy_source("shortest"), payloads(image)

    with Sandbox(TIGHT, ready=False, domain=image) as sandbox:
        contained = sandbox.try_policy(source, scenarios)
    with Sandbox(TIGHT, ready=False, cell="process", domain=image) as sandbox:
        embedded = sandbox.try_policy(source, scenarios)

    assert contained.outcome is Outcome.OK
    assert contained.cell is not None
    assert contained.cell.isolation.startswith("docker/")
    assert [one.metrics for one in contained.evaluations] == [
        one.metrics for one in embedded.evaluations
    ]


@pytest.mark.docker
def test_an_image_with_another_domain_is_our_failure(image: Domain, tmp_path: Path) -> None:
    other = open_domain(copy_of_the_toy(tmp_path / "queue"))
    source, scenarios = other.policy_source("fifo"), payloads(other)

    with (
        Sandbox(TIGHT, ready=False, image=image_tag(domain=image), domain=other) as sandbox,
        pytest.raises(CellFailed, match="another domain"),
    ):
        sandbox.try_policy(source, scenarios)


def _link(folder: Path) -> None:
    (folder / "policies" / "stolen.py").symlink_to("/etc/passwd")


def _linked_folder(folder: Path) -> None:
    (folder / "etc").symlink_to("/etc")


def _linked_spec(folder: Path) -> None:
    (folder / "domain.toml").unlink()
    (folder / "domain.toml").symlink_to("/etc/passwd")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "policies" / "waits.py")


def _huge(folder: Path) -> None:
    with (folder / "table.bin").open("wb") as file:
        file.truncate(MAX_DOMAIN_BYTES + 1)


def _crowded(folder: Path) -> None:
    (folder / "data").mkdir()
    for number in range(MAX_DOMAIN_ENTRIES):
        (folder / "data" / str(number)).touch()


def _odd_name(folder: Path) -> None:
    (folder / "a\nb.py").touch()


def _no_text_name(folder: Path) -> None:
    os.close(os.open(os.fsencode(folder) + b"/\xff.py", os.O_CREAT))


def _named(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / "domain.toml").read_text()
        (folder / "domain.toml").write_text(text.replace('"one-server"', json.dumps(name)))

    return change


def _says(text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "domain.toml").write_text(text)

    return change


MANY = 1_000_000
ATTACKS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a link to a file": (_link, "stolen.py: is a symbolic link"),
    "a link to a folder": (_linked_folder, "etc: is a symbolic link"),
    "a link as domain.toml": (_linked_spec, "domain.toml: is a symbolic link"),
    "a pipe": (_pipe, "waits.py: is neither a file nor a folder"),
    "a huge file": (_huge, "bytes are more than the allowed"),
    "too many files": (_crowded, "more than 2000 files and folders"),
    "a line break in a name": (_odd_name, "a file in it is named 'a\\nb.py'"),
    "a name that is no text": (_no_text_name, "a file in it is named"),
    "a name that climbs": (_named("../../etc"), "`$.name`"),
    "an absolute name": (_named("/etc"), "`$.name`"),
    "a name that ends in a line break": (_named("one\n"), "`$.name`"),
    "the name of a shipped domain": (_named("pipelines"), "comes with Assay"),
    "nested arrays": (_says("a = " + "[" * MANY), "expected a smaller file"),
    "nested tables": (_says("[" + "a." * MANY + "a]"), "expected a smaller file"),
    "deep keys": (_says("a." * 30_000 + "a = 1"), ":1: 60005 characters"),
    "deep arrays": (_says("a = [\n" + "[\n" * 30_000), "nested too deeply"),
    "another kind of file": (_says("\x00\x01"), "not valid TOML"),
    "an unknown key": (_says('colour = "red"'), "colour"),
}


@pytest.mark.parametrize(("change", "said"), ATTACKS.values(), ids=ATTACKS.keys())
def test_a_hostile_folder_gets_one_line(
    run: Assay, folder: Path, change: Callable[[Path], None], said: str
) -> None:
    change(folder)
    started = time.process_time()

    for command in (("domains", "check"), ("domains", "show")):
        done = run(*command, folder)

        assert done.code == 2
        assert done.err.startswith("assay: ")
        assert done.err.count("\n") == 1
        assert said in done.err
        assert done.out == ""
    assert time.process_time() - started < 20


def test_two_packages_with_one_name_are_told_apart_by_their_folders(
    run: Assay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    installed(site, "queue_a", "one-server")
    installed(site, "queue_b", "one-server")
    monkeypatch.syspath_prepend(site)

    by_name = run("domains", "show", "one-server")
    by_folder = run("domains", "show", site / "queue_b")
    listed = run("domains", "list")

    assert by_name.code == 2
    assert by_name.err.startswith("assay: domain one-server: 'queue_a' and 'queue_b' are installed")
    assert by_folder.code == listed.code == 0


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("pipelines", "queue_a", "has the name of a domain that comes with Assay"),
        ("queue", "queue_a", "name is one-server, but its package is installed as domain queue"),
        ("one-server", "queue_a:main", "its entry point is 'queue_a:main', expected a package"),
        ("one-server", "__main__", "its package __main__ is not installed"),
        ("one-server", "gone", "its package gone is not installed"),
        ("one-server", "queue_a.deeper", "there is no such folder"),
    ],
)
def test_a_wrong_entry_point_gets_one_line(
    run: Assay,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    said: str,
) -> None:
    installed(tmp_path / "site", "queue_a", "one-server")
    facts = tmp_path / "site" / "queue_a-1.0.dist-info" / "entry_points.txt"
    facts.write_text(f"[assay.domains]\n{name} = {value}\n")
    monkeypatch.syspath_prepend(tmp_path / "site")

    done, listed = run("domains", "show", name), run("domains", "list")

    assert (done.code, done.err.count("\n")) == (2, 1)
    assert said in done.err
    assert listed.code == 0
    assert "cannot be used" in listed.out

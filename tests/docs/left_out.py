"""The few commands of the pages that no test types, each with the reason and what does its work."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Why a command is not typed, and the line of a file that shows what does its work."""

    reason: str
    file: str
    line: str


LONG_SEARCH = "assay run --direct --suite mixed --strategy evolve"
PAPER_SEARCH = "assay run --direct --suite paper --strategy evolve"
FAAS_SEARCH = "assay run --direct --domain faas --suite faas-mixed --strategy evolve"

LEFT_OUT = {
    "make test": LeftOut(
        reason="it runs this very test; continuous integration types it",
        file=".ci/run",
        line="try make test",
    ),
    "make demo": LeftOut(
        reason="set-up and a search of minutes; continuous integration types it",
        file=".ci/run",
        line="try make demo",
    ),
    "make demo-model": LeftOut(
        reason="it downloads a model and asks it for minutes; what it runs is tested every night",
        file="tests/acceptance/test_real_model.py",
        line='[ROOT / "scripts" / "demo-model.sh", "1"],',
    ),
    "make simulators": LeftOut(
        reason="it installs from the package index; every night continuous integration types it",
        file="Makefile",
        line="@scripts/simulators.sh",
    ),
    "python -m tests.domains.faas.differential.record": LeftOut(
        reason="it needs 'make simulators'; what it records is tested every night",
        file="tests/domains/faas/test_differential.py",
        line="before, now = recorded(other), record(other)",
    ),
    "make check": LeftOut(
        reason="it runs the tests of the documentation; continuous integration types it",
        file=".github/workflows/ci.yml",
        line="- run: make check",
    ),
    "make test-all": LeftOut(
        reason="it runs this very test; continuous integration types it every night",
        file=".github/workflows/ci.yml",
        line="- run: make test-all",
    ),
    "make cluster-test": LeftOut(
        reason="minutes on three hosts; every night continuous integration types it as root",
        file=".github/workflows/ci.yml",
        line='- run: sudo env "PATH=$PATH" make cluster-test',
    ),
    "make durations": LeftOut(
        reason="it runs this very test, as 'make test' does, and prints more at the end",
        file="Makefile",
        line='$(PYTEST) -m "not nightly" --durations=20 --durations-min=1',
    ),
    "make image test": LeftOut(
        reason="'make setup', which is typed, makes the image as well; for 'make test' see above",
        file=".ci/run",
        line="try make test",
    ),
    f"{LONG_SEARCH} --candidates 200 --slots 2 --seed 1": LeftOut(
        reason="it takes 18 minutes; the same search with fewer candidates is typed before",
        file="docs/search.md",
        line="assay run --direct --cell process --name guarded --baseline priority --candidates 4 "
        "--strategy evolve --slots 2",
    ),
    f"{PAPER_SEARCH} --candidates 100 --slots 2 --seed 1 --name paper": LeftOut(
        reason="it takes 10 to 20 minutes; the same search with fewer candidates is typed",
        file="docs/search.md",
        line="assay run --direct --cell process --name guarded --baseline priority --candidates 4 "
        "--strategy evolve --slots 2",
    ),
    f"{FAAS_SEARCH} --candidates 200 --slots 2 --seed 1": LeftOut(
        reason="it takes 40 minutes; the same search with fewer candidates is typed",
        file="tests/docs/test_faas_guide.py",
        line='"--candidates 200": "--candidates 3 --baseline break-even",',
    ),
    "assay compare paper shortest-first naive --suite paper --slots 2": LeftOut(
        reason="it compares what that search found; library policies are compared so",
        file="docs/compare.md",
        line="assay compare fifo-one priority --suite paper --slots 2",
    ),
    "assay bootstrap my-system --another --proposer openai --model another-model": LeftOut(
        reason="it asks a model; a server of the tests answers the same command",
        file="tests/bootstrap/test_bootstrap.py",
        line='words = ("bootstrap", "queue", "--direct", "--cell", "process", "--another", *asked)',
    ),
    "make packages": LeftOut(
        reason="it installs from the package index; every night its tests run with all others",
        file="Makefile",
        line="$(PYTHON_IN_VENV) -m pytest -v "
        "tests/setup/test_packages.py tests/setup/test_wheel.py",
    ),
    "make base": LeftOut(
        reason="'make setup', which is typed, does it as well",
        file="Makefile",
        line="@scripts/base-image.sh",
    ),
    "make lock": LeftOut(
        reason="it asks registries for the newest versions; what it writes is tested",
        file="tests/setup/test_scripts.py",
        line="def test_a_lock_file_pins_every_package_by_hash_and_names_no_host("
        "name: str) -> None:",
    ),
    "shinka_run --task-dir examples/shinka --results_dir results --num_generations 20": LeftOut(
        reason="ShinkaEvolve is not part of the tests; what it would run is run as it does",
        file="tests/peers/test_gepa_and_shinka.py",
        line="def test_shinkas_program_writes_score_correctness_and_feedback("
        "tmp_path: Path, suite: Path) -> None:",
    ),
    "python examples/gepa/optimize.py my_policy.py": LeftOut(
        reason="it asks a model of OpenAI a hundred times; its function is called with another one",
        file="tests/peers/test_gepa_and_shinka.py",
        line="result = improve(source, model, calls=9)",
    ),
    "pip install --require-hashes -r requirements.lock": LeftOut(
        reason="it would install into the environment of the tests, which was made in this way",
        file="scripts/venv.sh",
        line='logged "${PIP[@]}" install --require-hashes -r "$LOCK"',
    ),
    "pip install 'assay[dask]'": LeftOut(
        reason="installed for the tests, whose lock file has the extra",
        file="tests/prefect/test_dask.py",
        line="def test_two_dask_workers_give_the_history_of_threads_and_leave_no_cells(",
    ),
    "pip install 'assay[mcp]'": LeftOut(
        reason="installed for the tests, whose lock file has the extra",
        file="tests/flows/test_mcp.py",
        line="def test_over_http_a_token_opens_the_door(suite: Path, tmp_path: Path) -> None:",
    ),
}

"""The command ``python -m simulator``: run a trusted policy in this process, or write a trace."""

import argparse
import contextlib
import json
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from simulator.domain import DEFAULT, MAX_POLICY_BYTES, Domain, Run, find_domain
from simulator.domains.pipelines.cell import scenario_from_files
from simulator.domains.pipelines.generate import generate_workload
from simulator.domains.pipelines.params import TRACE_DRAWS, load_params
from simulator.domains.pipelines.tracefile import write_trace
from simulator.driver import LocalPolicy
from simulator.errors import Failure, InputError, PolicyFailure
from simulator.textfile import read_text, refused_path, show

DONE, INTERNAL, BAD_INPUT, POLICY_FAILED, INTERRUPTED = 0, 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command and return its exit code; every problem is one line on stderr."""
    try:
        options = _parser().parse_args(arguments)
        code = _run(options) if options.command == "run" else _trace(options)
        sys.stdout.flush()
        return code
    except InputError as error:
        return _complain(str(error), BAD_INPUT)
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        refused = refused_path(error) if isinstance(error, OSError) else None
        if refused is not None:
            return _complain(refused, BAD_INPUT)
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        return _complain(f"internal error at {where}: {type(error).__name__}: {error}", INTERNAL)


def _run(options: argparse.Namespace) -> int:
    domain = find_domain(options.domain)
    if options.scenario is not None:
        scenario = domain.cell.open_scenario(options.scenario)
        name = options.policy or domain.spec.reference
        if options.policy_calls is not None:
            scenario = domain.cell.with_calls(scenario, _mode(domain, options.policy_calls))
        where = str(options.scenario)
    else:
        if domain.name != DEFAULT or options.params is None:
            raise InputError("which scenario? give --scenario, or --params for pipelines")
        params = load_params(options.params)
        if options.policy_calls is not None:
            params = replace(params, policy_calls=_mode(domain, options.policy_calls))
        scenario = scenario_from_files(options.trace, params)
        name, where = options.policy or params.scheduler_algo, options.params
    source = _find_policy(domain, name, where)
    try:
        # Whatever a policy prints must not mix with the result.
        with contextlib.redirect_stdout(sys.stderr):
            run = domain.cell.simulate(scenario, LocalPolicy(domain.contract, source))
    except PolicyFailure as problem:
        return _failed(problem.failure, domain.spec.unit_of_step, options.json)
    print(json.dumps(_report(run), allow_nan=False) if options.json else _table(run))
    return DONE


def _failed(failure: Failure, unit_of_step: str, as_json: bool) -> int:
    error = {
        "kind": failure.kind,
        "message": failure.message,
        unit_of_step: failure.step,
        "line": failure.line,
    }
    if as_json:
        print(json.dumps({"error": error}, allow_nan=False))
        return POLICY_FAILED
    at = "".join(f", {k} {error[k]}" for k in (unit_of_step, "line") if error[k] is not None)
    return _complain(f"the policy failed: {failure.kind}{at}: {failure.message}", POLICY_FAILED)


def _mode(domain: Domain, mode: str) -> str:
    modes = domain.spec.calls.modes
    if mode not in modes:
        raise InputError(f"--policy-calls is {show(mode)}, expected one of {', '.join(modes)}")
    return mode


def _trace(options: argparse.Namespace) -> int:
    params = load_params(options.params)
    if options.draws is not None:
        params = replace(params, trace_draws=options.draws)
    write_trace(generate_workload(params), options.out, params.ticks_per_second)
    return DONE


def _find_policy(domain: Domain, name: str, where: str) -> str:
    """Return the source of a policy file, or of a policy of the library."""
    if name.replace("_", "-") in domain.policy_names():
        return domain.policy_source(name)
    path = Path(name)
    if path.suffix == ".py":
        return read_text(path, InputError, MAX_POLICY_BYTES)
    raise InputError(
        f"{where}: unknown policy {show(name)}, expected the path of a .py file or one of "
        f"{', '.join(domain.policy_names())}"
    )


def _report(run: Run) -> dict[str, Any]:
    return {
        "stats": run.stats,
        "metrics": run.metrics,
        "policy_calls": run.policy_calls,
        "decision_sha256": run.decision_sha256,
    }


def _table(run: Run) -> str:
    lines = []
    for name, value in {**run.stats, "policy_calls": run.policy_calls}.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {_number(each)}" for key, each in value.items()) or "none"
        lines.append(f"{name:32} {_number(value)}")
    return "\n".join(lines)


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else "-" if value is None else str(value)


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        raise InputError(" ".join(message.split()))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m simulator", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="run|trace")
    run = commands.add_parser("run", help="simulate a policy on a trace", allow_abbrev=False)
    run.add_argument("--domain", default=DEFAULT, help="name or folder, by default %(default)s")
    run.add_argument("--scenario", type=Path, help="file or folder with a scenario of the domain")
    run.add_argument("--params", help="pipelines: parameter file, .json or .toml")
    run.add_argument("--trace", help="pipelines: trace file; without it the generator runs")
    run.add_argument("--policy", help="a .py file or a name")
    run.add_argument("--policy-calls", help="when the policy is called")
    run.add_argument("--json", action="store_true", help="print one JSON object")
    trace = commands.add_parser("trace", help="write a generated trace", allow_abbrev=False)
    trace.add_argument("--params", required=True, help="parameter file, .json or .toml")
    trace.add_argument("--draws", choices=TRACE_DRAWS, help="order of the random draws")
    trace.add_argument("--out", required=True, help="the trace file to write")
    return parser


def _complain(message: str, code: int) -> int:
    line = " ".join(message.split())
    print(f"simulator: {line}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())

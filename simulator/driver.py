"""Runs a policy's source: loads it, and calls it as its domain's contract says.

The same driver serves trusted policies in the simulator's process and candidates in a sealed
worker. Whatever goes wrong in a policy comes out as :class:`PolicyFailure`, with the policy's line.
"""

import builtins
import sys
from collections.abc import Callable, Mapping
from types import ModuleType, TracebackType
from typing import Any, Never

from simulator.contract import Contract, Mirror, without_addresses
from simulator.errors import Failure, PolicyFailure

Step = Callable[..., Any]

MODULE_NAME = "policy"


class PolicyDriver:
    """One policy in one simulation: ``load``, then ``start``, then ``decide`` again and again."""

    def __init__(self, contract: Contract, source: str, filename: str = "policy.py") -> None:
        self._contract = contract
        self._source = source
        self._filename = filename
        self._key = ""
        self._init: Step | None = None
        self._step: Step | None = None
        self._mirror: Mirror | None = None

    def load(self) -> None:
        """Execute the source and find the one pair of functions that it registers."""
        contract = self._contract
        inits, steps = _Table(contract.init), _Table(contract.step)
        names = {contract.init: inits.register, contract.step: steps.register, **contract.names()}
        module = ModuleType(MODULE_NAME)
        module.__dict__.update(names)
        module.__dict__["__builtins__"] = _builtins(contract.modules(names))
        before = sys.modules.get(MODULE_NAME)
        # Dataclasses look up the module in which they are defined.
        sys.modules[MODULE_NAME] = module
        try:
            code = compile(self._source, self._filename, "exec", dont_inherit=True)
            exec(code, module.__dict__)
        except BaseException as error:
            self._fail("load_error", error, None)
        finally:
            del sys.modules[MODULE_NAME]
            if before is not None:
                sys.modules[MODULE_NAME] = before
        if not contract.needs_init and not inits.functions:
            inits.functions = dict.fromkeys(steps.functions, _nothing)
        if not inits.functions and not steps.functions:
            _refuse_load(_how_to_register(contract))
        self._key, self._init, self._step = _registered_pair(inits, steps)

    def start(self, setup: Any) -> None:
        """Build what the policy sees and call its init function."""
        assert self._init is not None, "load comes before start"
        self._mirror = self._contract.mirror(setup, self._key)
        try:
            self._init(self._mirror.state)
        except BaseException as error:
            self._fail("policy_error", error, None)

    def decide(self, observation: Any, answer: Callable[[Any], Any]) -> Any:
        """Call the policy up to ``quiet_until``, or until it decides something."""
        mirror = self._mirror
        assert mirror is not None, "start comes before decide"
        try:
            return mirror.decide(self._step, observation, answer)  # type: ignore[arg-type]
        except PolicyFailure:
            raise
        except BaseException as error:
            self._fail("policy_error", error, mirror.step)

    def _fail(self, kind: str, error: BaseException, step: int | None) -> Never:
        line = _line_in(self._filename, error.__traceback__)
        if isinstance(error, SyntaxError) and error.filename == self._filename:
            line = error.lineno
            message = f"{type(error).__name__}: {error.msg}"
        elif isinstance(error, SystemExit | KeyboardInterrupt | GeneratorExit):
            message = f"the policy tried to end the program: {_describe(error)}"
        else:
            message = _describe(error)
        raise PolicyFailure(Failure(kind=kind, message=message, step=step, line=line)) from error


class LocalPolicy:
    """A policy in the simulator's own process, with no wall around it.

    For baselines, tests and benchmarks. Never run untrusted source with it.
    """

    def __init__(self, contract: Contract, source: str, filename: str = "policy.py") -> None:
        self._driver = PolicyDriver(contract, source, filename)

    def start(self, setup: Any) -> None:
        """Load the policy and call its init function."""
        try:
            self._driver.load()
            self._driver.start(setup)
        except PolicyFailure as failure:
            _let_interrupts_through(failure)
            raise

    def decide(self, observation: Any, answer: Callable[[Any], Any]) -> Any:
        """Ask the policy for its next decision."""
        try:
            return self._driver.decide(observation, answer)
        except PolicyFailure as failure:
            _let_interrupts_through(failure)
            raise


class _Table:
    """What a policy registers with one of the two decorators."""

    def __init__(self, decorator: str) -> None:
        self.decorator = decorator
        self.functions: dict[str, Step] = {}

    def register(self, key: str) -> Callable[[Step], Step]:
        if not isinstance(key, str):
            raise TypeError(f"{self.decorator} needs a key, write @{self.decorator}(key=...)")

        def keep(function: Step) -> Step:
            if key in self.functions:
                raise KeyError(f"{self.decorator}: the key {key!r} is registered twice")
            self.functions[key] = function
            return function

        return keep


def _how_to_register(contract: Contract) -> str:
    if not contract.needs_init:
        return f"the source registers nothing, decorate its function with @{contract.step}(key=...)"
    return (
        "the policy registers nothing, decorate its init function with "
        f"@{contract.init}(key=...) and its step function with @{contract.step}(key=...)"
    )


def _nothing(_state: Any) -> None:
    """Stand for the init function of a source that has none and needs none."""


def _registered_pair(inits: _Table, steps: _Table) -> tuple[str, Step, Step]:
    if len(inits.functions) > 1 or len(steps.functions) > 1:
        keys = ", ".join(repr(key) for key in dict.fromkeys([*inits.functions, *steps.functions]))
        _refuse_load(f"the policy registers more than one scheduler ({keys}), keep one pair")
    if inits.functions.keys() != steps.functions.keys():
        _refuse_load(
            f"the policy registers init functions for {sorted(inits.functions)} and step functions "
            f"for {sorted(steps.functions)}, give one of each with the same key"
        )
    key = next(iter(inits.functions))
    return key, inits.functions[key], steps.functions[key]


def _refuse_load(message: str) -> Never:
    raise PolicyFailure(Failure(kind="load_error", message=message))


def _builtins(modules: Mapping[str, ModuleType]) -> dict[str, Any]:
    """Return the built-ins of a policy, whose imports also find the contract's modules."""
    packages = {name.partition(".")[0] for name in modules}

    def import_(
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Any = (),
        level: int = 0,
    ) -> ModuleType:
        package = name.partition(".")[0]
        if level == 0 and package in packages:
            if name not in modules:
                raise ModuleNotFoundError(f"no module named {name!r} here", name=name)
            return modules[name if fromlist else package]
        return builtins.__import__(name, globals, locals, fromlist, level)

    return {**vars(builtins), "__import__": import_}


def _line_in(filename: str, trace: TracebackType | None) -> int | None:
    """Return the innermost line of a traceback that lies in the policy's own source."""
    line = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _describe(error: BaseException) -> str:
    try:
        text = without_addresses(str(error))
    except BaseException:
        text = "(its text cannot be read)"
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def _let_interrupts_through(failure: PolicyFailure) -> None:
    """An interrupt in this process is the user's, not the policy's."""
    if isinstance(failure.__cause__, KeyboardInterrupt):
        raise failure.__cause__

"""Prefect's task runners that try policies in other processes: Dask and Ray, both extras."""

import logging
import os
from importlib.util import find_spec
from typing import Any, cast

from flows.errors import ConfigError
from flows.settings.sections import RunnerConfig

Losses = tuple[type[Exception], ...]


def check_runner(config: RunnerConfig) -> None:
    """Refuse a runner whose extra is not installed, without the slow import of it."""
    package = f"prefect_{config.kind}"
    if config.kind != "threads" and find_spec(package) is None:
        raise ConfigError(
            f"runner.kind is {config.kind!r}, which needs the package {package}: install "
            f"assay[{config.kind}], or use runner.kind 'threads'"
        )


def make_runner(config: RunnerConfig) -> tuple[Any, Losses]:
    """Return the task runner, and the errors that tell that a worker died under its work."""
    check_runner(config)
    return _dask(config) if config.kind == "dask" else _ray(config)


def _dask(config: RunnerConfig) -> tuple[Any, Losses]:
    from distributed.scheduler import KilledWorker
    from prefect_dask.task_runners import DaskTaskRunner

    if config.address is not None:
        return DaskTaskRunner(address=config.address), (KilledWorker,)
    own: dict[str, Any] = {
        "n_workers": config.workers,
        "threads_per_worker": 1,
        "dashboard_address": "127.0.0.1:0",
        "silence_logs": logging.ERROR,
    }
    return DaskTaskRunner(cluster_kwargs=own), (KilledWorker,)


def _ray(config: RunnerConfig) -> tuple[Any, Losses]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # as with Prefect: no telemetry
    from prefect_ray.task_runners import RayTaskRunner
    from ray.exceptions import RayError

    if config.address is not None:
        return RayTaskRunner(address=config.address), (cast(type[Exception], RayError),)
    own = {"num_cpus": config.workers, "include_dashboard": False}
    return RayTaskRunner(init_kwargs=own), (cast(type[Exception], RayError),)

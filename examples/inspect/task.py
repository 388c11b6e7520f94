"""Evaluate a model with Inspect: it writes a policy three times, told in between what held it back.

Run it as inspect eval task.py --model MODEL, with the variables that Inspect reads for MODEL.
"""

from inspect_ai import Task, task

from flows.inspect_task import write_policy


@task
def schedule(
    domain: str = "pipelines",
    suite: str = "smoke",
    split: str = "validation",
    attempts: int = 3,
    cell: str = "docker",
) -> Task:
    """Return the task; each argument can be set on the command line with -T."""
    return write_policy(domain=domain, suite=suite, split=split, attempts=attempts, cell=cell)

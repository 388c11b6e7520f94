"""Let GEPA improve a policy: Assay scores it, one scenario at a time.

Run it as python optimize.py INITIAL_POLICY.py, with the variables that LiteLLM reads for MODEL.
"""

import sys
from pathlib import Path

from gepa.optimize_anything import (
    EngineConfig,
    GEPAConfig,
    GEPAResult,
    ReflectionConfig,
    optimize_anything,
)

from flows.evaluator import evaluate_text, scenario_names

MODEL = "openai/gpt-5-mini"
OBJECTIVE = (
    "Improve this scheduling policy for data pipelines. 1.0 is the naive policy and higher is "
    "better; urgent pipelines weigh more, and work left undone is charged in full."
)


def improve(source: str, model: object = MODEL, calls: int = 100) -> GEPAResult:
    """Return GEPA's result; ``model`` is a name, or a function from a prompt to a reply."""
    return optimize_anything(
        source,
        evaluator=evaluate_text,
        dataset=scenario_names(),
        objective=OBJECTIVE,
        config=GEPAConfig(
            engine=EngineConfig(max_metric_calls=calls, parallel=False),
            reflection=ReflectionConfig(reflection_lm=model),
        ),
    )


if __name__ == "__main__":
    print(improve(Path(sys.argv[1]).read_text(encoding="utf-8")).best_candidate)

"""What OpenEvolve calls for each program: Assay tries it in a cell and scores it."""

from openevolve.evaluation_result import EvaluationResult

from flows.evaluator import evaluate_program


def evaluate(program_path: str) -> EvaluationResult:
    """Return metrics and what the next prompt is told, of the policy in a file."""
    return EvaluationResult(**evaluate_program(program_path))

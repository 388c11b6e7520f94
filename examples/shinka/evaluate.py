"""What ShinkaEvolve runs for each program: Assay tries it in a cell and writes the results."""

import argparse

from flows.evaluator import write_results

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program_path", required=True)
    parser.add_argument("--results_dir", required=True)
    given = parser.parse_args()
    print(write_results(given.program_path, given.results_dir)["combined_score"])

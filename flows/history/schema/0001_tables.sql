-- The tables of the history. Every table ends with recorded_at and recorded_in: when a row was
-- written and in which journal file. No foreign keys: journals may arrive in any order.

CREATE SCHEMA bookkeeping;

CREATE TABLE bookkeeping.journal_files (
    journal_file VARCHAR PRIMARY KEY,
    read_bytes BIGINT NOT NULL
);
COMMENT ON TABLE bookkeeping.journal_files IS 'How far each journal file has been read.';
COMMENT ON COLUMN bookkeeping.journal_files.journal_file IS 'Name of the file in the journal folder.';
COMMENT ON COLUMN bookkeeping.journal_files.read_bytes IS 'Bytes read; the next ingest starts here.';

CREATE TABLE bookkeeping.skipped_lines (
    journal_file VARCHAR,
    start_byte BIGINT,
    byte_count BIGINT NOT NULL,
    reason VARCHAR NOT NULL,
    PRIMARY KEY (journal_file, start_byte)
);
COMMENT ON TABLE bookkeeping.skipped_lines IS 'Journal lines that this version could not read; they stay in the journal.';
COMMENT ON COLUMN bookkeeping.skipped_lines.journal_file IS 'Name of the file in the journal folder.';
COMMENT ON COLUMN bookkeeping.skipped_lines.start_byte IS 'Where the line begins in the file, in bytes from 0.';
COMMENT ON COLUMN bookkeeping.skipped_lines.byte_count IS 'Length of the line in bytes, newline included.';
COMMENT ON COLUMN bookkeeping.skipped_lines.reason IS 'Why the line was skipped.';

CREATE TABLE bookkeeping.reader (
    fingerprint VARCHAR PRIMARY KEY
);
COMMENT ON TABLE bookkeeping.reader IS 'Which kinds of rows the last ingest knew; another reader reads all journals again.';
COMMENT ON COLUMN bookkeeping.reader.fingerprint IS 'sha256 over the journal version and the known kinds and fields.';

CREATE TABLE experiments (
    experiment_id VARCHAR PRIMARY KEY,
    name VARCHAR NOT NULL,
    created_at TIMESTAMP NOT NULL,
    status VARCHAR NOT NULL,
    status_detail VARCHAR,
    seed BIGINT,
    suite VARCHAR,
    objective VARCHAR,
    proposer VARCHAR,
    strategy VARCHAR,
    model VARCHAR,
    config JSON,
    config_sha256 VARCHAR,
    assay_version VARCHAR,
    simulator_version VARCHAR,
    image_id VARCHAR,
    flow_run_id VARCHAR,
    finished_at TIMESTAMP,
    recorded_at TIMESTAMP NOT NULL,
    recorded_in VARCHAR NOT NULL
);
COMMENT ON TABLE experiments IS 'One row per search.';
COMMENT ON COLUMN experiments.experiment_id IS 'Name of the search on this home folder; part of every other key.';
COMMENT ON COLUMN experiments.name IS 'The name the user gave.';
COMMENT ON COLUMN experiments.created_at IS 'When the search was first started, UTC.';
COMMENT ON COLUMN experiments.status IS 'running, finished, budget_exhausted, finished_with_losses, interrupted or failed.';
COMMENT ON COLUMN experiments.status_detail IS 'Why the status is what it is, in words.';
COMMENT ON COLUMN experiments.seed IS 'Seed of every random choice of the search.';
COMMENT ON COLUMN experiments.suite IS 'Name of the suite of scenarios.';
COMMENT ON COLUMN experiments.objective IS 'What a score is made of; the default is weighted_latency.';
COMMENT ON COLUMN experiments.proposer IS 'Who writes candidates: offline, openai or replay.';
COMMENT ON COLUMN experiments.strategy IS 'How the next parents are chosen, for example refine.';
COMMENT ON COLUMN experiments.model IS 'Name of the language model; null when none was used.';
COMMENT ON COLUMN experiments.config IS 'The whole configuration, secrets taken out.';
COMMENT ON COLUMN experiments.config_sha256 IS 'sha256 of the configuration; equal hashes mean the same search.';
COMMENT ON COLUMN experiments.assay_version IS 'Version of assay that ran the search.';
COMMENT ON COLUMN experiments.simulator_version IS 'Hash of the simulator''s source.';
COMMENT ON COLUMN experiments.image_id IS 'Id of the image of the cells; null without containers.';
COMMENT ON COLUMN experiments.flow_run_id IS 'Prefect''s id of the flow run; null for a direct run.';
COMMENT ON COLUMN experiments.finished_at IS 'When the search ended, UTC; null while it runs.';
COMMENT ON COLUMN experiments.recorded_at IS 'When this row was written to the journal, UTC.';
COMMENT ON COLUMN experiments.recorded_in IS 'Journal file that holds this row.';

CREATE TABLE scenarios (
    experiment_id VARCHAR,
    scenario VARCHAR,
    family VARCHAR,
    split VARCHAR,
    sha256 VARCHAR,
    pipelines BIGINT,
    operators BIGINT,
    duration_seconds DOUBLE,
    params JSON,
    baseline_policy VARCHAR,
    baseline_stats JSON,
    baseline_metrics JSON,
    recorded_at TIMESTAMP NOT NULL,
    recorded_in VARCHAR NOT NULL,
    PRIMARY KEY (experiment_id, scenario)
);
COMMENT ON TABLE scenarios IS 'One row per scenario of an experiment''s suite, with the baseline''s result on it.';
COMMENT ON COLUMN scenarios.experiment_id IS 'The search.';
COMMENT ON COLUMN scenarios.scenario IS 'Name of the scenario within the suite.';
COMMENT ON COLUMN scenarios.family IS 'Kind of workload, for example bursts.';
COMMENT ON COLUMN scenarios.split IS 'train, validation or test.';
COMMENT ON COLUMN scenarios.sha256 IS 'sha256 of workload and parameters.';
COMMENT ON COLUMN scenarios.pipelines IS 'Pipelines in the workload.';
COMMENT ON COLUMN scenarios.operators IS 'Operators in the workload.';
COMMENT ON COLUMN scenarios.duration_seconds IS 'Simulated length, in seconds.';
COMMENT ON COLUMN scenarios.params IS 'Simulation parameters.';
COMMENT ON COLUMN scenarios.baseline_policy IS 'The policy that scores 1.0 here.';
COMMENT ON COLUMN scenarios.baseline_stats IS 'The baseline''s statistics, as JSON.';
COMMENT ON COLUMN scenarios.baseline_metrics IS 'The baseline''s metrics, as JSON.';
COMMENT ON COLUMN scenarios.recorded_at IS 'When this row was written to the journal, UTC.';
COMMENT ON COLUMN scenarios.recorded_in IS 'Journal file that holds this row.';

CREATE TABLE candidates (
    experiment_id VARCHAR,
    iteration BIGINT,
    slot BIGINT,
    candidate VARCHAR,
    title VARCHAR,
    origin VARCHAR,
    operator VARCHAR,
    parents VARCHAR[],
    source VARCHAR,
    outcome VARCHAR NOT NULL,
    score DOUBLE,
    improved BOOLEAN,
    problem VARCHAR,
    problem_line BIGINT,
    duplicate_of VARCHAR,
    prompt_sha256 VARCHAR,
    created_at TIMESTAMP NOT NULL,
    seconds DOUBLE,
    cell_seconds DOUBLE,
    image_id VARCHAR,
    isolation VARCHAR,
    findings JSON,
    simulator_version VARCHAR,
    config_sha256 VARCHAR,
    recorded_at TIMESTAMP NOT NULL,
    recorded_in VARCHAR NOT NULL,
    PRIMARY KEY (experiment_id, iteration, slot)
);
COMMENT ON TABLE candidates IS 'One row per attempt: a policy that was proposed, or a reply that held none.';
COMMENT ON COLUMN candidates.experiment_id IS 'The search.';
COMMENT ON COLUMN candidates.iteration IS 'Round of the search, from 1; 0 holds the baselines.';
COMMENT ON COLUMN candidates.slot IS 'Place within the round, from 0.';
COMMENT ON COLUMN candidates.candidate IS 'sha256 of the source; null when the reply held no source.';
COMMENT ON COLUMN candidates.title IS 'A few words that say what the policy does.';
COMMENT ON COLUMN candidates.origin IS 'baseline, offline, model or replay.';
COMMENT ON COLUMN candidates.operator IS 'How it was made: baseline, seed, mutate, crossover, tune, sample or refine.';
COMMENT ON COLUMN candidates.parents IS 'sha256s of the candidates it was made from.';
COMMENT ON COLUMN candidates.source IS 'The policy, as Python source.';
COMMENT ON COLUMN candidates.outcome IS 'ok, or the first failure over the scenarios.';
COMMENT ON COLUMN candidates.score IS 'Geometric mean over scenarios of baseline latency / own; 1.0 is naive, higher is better.';
COMMENT ON COLUMN candidates.improved IS 'Better than every earlier candidate of the experiment, baselines included.';
COMMENT ON COLUMN candidates.problem IS 'What went wrong, in one message; text of a policy in it is untrusted.';
COMMENT ON COLUMN candidates.problem_line IS 'Line of the source where it went wrong, from 1.';
COMMENT ON COLUMN candidates.duplicate_of IS 'iteration/slot of an earlier attempt with the same source or the same behaviour.';
COMMENT ON COLUMN candidates.prompt_sha256 IS 'The prompt that asked for it, see prompts; null without a model.';
COMMENT ON COLUMN candidates.created_at IS 'When it was proposed, UTC.';
COMMENT ON COLUMN candidates.seconds IS 'Wall seconds for the whole attempt.';
COMMENT ON COLUMN candidates.cell_seconds IS 'Wall seconds in the cell; null when no cell was needed.';
COMMENT ON COLUMN candidates.image_id IS 'Id of the image of the cell.';
COMMENT ON COLUMN candidates.isolation IS 'What held the policy: the kind of cell.';
COMMENT ON COLUMN candidates.findings IS 'What the static screen refused: list of line, column, code, message, source_line.';
COMMENT ON COLUMN candidates.simulator_version IS 'Hash of the simulator''s source.';
COMMENT ON COLUMN candidates.config_sha256 IS 'sha256 of the experiment''s configuration.';
COMMENT ON COLUMN candidates.recorded_at IS 'When this row was written to the journal, UTC.';
COMMENT ON COLUMN candidates.recorded_in IS 'Journal file that holds this row.';

CREATE TABLE evaluations (
    experiment_id VARCHAR,
    iteration BIGINT,
    slot BIGINT,
    scenario VARCHAR,
    attempt BIGINT,
    candidate VARCHAR NOT NULL,
    split VARCHAR,
    outcome VARCHAR NOT NULL,
    score DOUBLE,
    weighted_latency_seconds DOUBLE,
    problem VARCHAR,
    problem_line BIGINT,
    problem_tick BIGINT,
    stats JSON,
    metrics JSON,
    policy_calls BIGINT,
    policy_cpu_seconds DOUBLE,
    seconds DOUBLE,
    decision_sha256 VARCHAR,
    prints VARCHAR,
    image_id VARCHAR,
    simulator_version VARCHAR,
    config_sha256 VARCHAR,
    created_at TIMESTAMP NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    recorded_in VARCHAR NOT NULL,
    PRIMARY KEY (experiment_id, iteration, slot, scenario, attempt)
);
COMMENT ON TABLE evaluations IS 'One row per candidate and scenario; repeats have attempt > 0.';
COMMENT ON COLUMN evaluations.experiment_id IS 'The search.';
COMMENT ON COLUMN evaluations.iteration IS 'Round of the search; with slot the attempt in candidates.';
COMMENT ON COLUMN evaluations.slot IS 'Place within the round.';
COMMENT ON COLUMN evaluations.scenario IS 'Name of the scenario, see scenarios.';
COMMENT ON COLUMN evaluations.attempt IS '0 is the scored try; higher numbers are repeats (determinism, audit).';
COMMENT ON COLUMN evaluations.candidate IS 'sha256 of the source.';
COMMENT ON COLUMN evaluations.split IS 'train, validation or test.';
COMMENT ON COLUMN evaluations.outcome IS 'ok, or what the policy did wrong.';
COMMENT ON COLUMN evaluations.score IS 'Baseline latency / own on this scenario; higher is better; a failure is charged the whole duration.';
COMMENT ON COLUMN evaluations.weighted_latency_seconds IS 'Latency over all arrived pipelines weighted by priority, in seconds; lower is better.';
COMMENT ON COLUMN evaluations.problem IS 'What went wrong, in one message; text of a policy in it is untrusted.';
COMMENT ON COLUMN evaluations.problem_line IS 'Line of the source where it went wrong, from 1.';
COMMENT ON COLUMN evaluations.problem_tick IS 'Simulated tick at which it went wrong.';
COMMENT ON COLUMN evaluations.stats IS 'Statistics of the simulation, as JSON; null after a failure.';
COMMENT ON COLUMN evaluations.metrics IS 'Metrics of the simulation with its timeline, as JSON; null after a failure.';
COMMENT ON COLUMN evaluations.policy_calls IS 'How often the policy was called.';
COMMENT ON COLUMN evaluations.policy_cpu_seconds IS 'CPU seconds of the policy alone.';
COMMENT ON COLUMN evaluations.seconds IS 'Wall seconds of the scenario in the cell.';
COMMENT ON COLUMN evaluations.decision_sha256 IS 'sha256 over all decisions; equal hashes mean equal behaviour.';
COMMENT ON COLUMN evaluations.prints IS 'What the policy printed, cut short; untrusted text.';
COMMENT ON COLUMN evaluations.image_id IS 'Id of the image of the cell.';
COMMENT ON COLUMN evaluations.simulator_version IS 'Hash of the simulator''s source.';
COMMENT ON COLUMN evaluations.config_sha256 IS 'sha256 of the experiment''s configuration.';
COMMENT ON COLUMN evaluations.created_at IS 'When it ended, UTC.';
COMMENT ON COLUMN evaluations.recorded_at IS 'When this row was written to the journal, UTC.';
COMMENT ON COLUMN evaluations.recorded_in IS 'Journal file that holds this row.';

CREATE TABLE prompts (
    prompt_sha256 VARCHAR PRIMARY KEY,
    template VARCHAR,
    template_sha256 VARCHAR,
    messages JSON,
    recorded_at TIMESTAMP NOT NULL,
    recorded_in VARCHAR NOT NULL
);
COMMENT ON TABLE prompts IS 'One row per different prompt.';
COMMENT ON COLUMN prompts.prompt_sha256 IS 'sha256 of the messages.';
COMMENT ON COLUMN prompts.template IS 'Name of the template.';
COMMENT ON COLUMN prompts.template_sha256 IS 'sha256 of the template: the wording.';
COMMENT ON COLUMN prompts.messages IS 'List of role and content, as sent.';
COMMENT ON COLUMN prompts.recorded_at IS 'When this row was written to the journal, UTC.';
COMMENT ON COLUMN prompts.recorded_in IS 'Journal file that holds this row.';

CREATE TABLE llm_calls (
    experiment_id VARCHAR,
    iteration BIGINT,
    slot BIGINT,
    attempt BIGINT,
    request_sha256 VARCHAR,
    prompt_sha256 VARCHAR,
    provider VARCHAR,
    model VARCHAR,
    api VARCHAR,
    outcome VARCHAR NOT NULL,
    error VARCHAR,
    reply VARCHAR,
    finish_reason VARCHAR,
    request_id VARCHAR,
    input_tokens BIGINT,
    cached_tokens BIGINT,
    output_tokens BIGINT,
    reasoning_tokens BIGINT,
    cost_usd DOUBLE,
    seconds DOUBLE,
    created_at TIMESTAMP NOT NULL,
    replayed BOOLEAN,
    recorded_at TIMESTAMP NOT NULL,
    recorded_in VARCHAR NOT NULL,
    PRIMARY KEY (experiment_id, iteration, slot, attempt)
);
COMMENT ON TABLE llm_calls IS 'One row per request to a model, failed ones included.';
COMMENT ON COLUMN llm_calls.experiment_id IS 'The search.';
COMMENT ON COLUMN llm_calls.iteration IS 'Round of the search; with slot the attempt in candidates.';
COMMENT ON COLUMN llm_calls.slot IS 'Place within the round.';
COMMENT ON COLUMN llm_calls.attempt IS 'Number of the request for this place, from 0.';
COMMENT ON COLUMN llm_calls.request_sha256 IS 'sha256 of model, parameters and messages; a replay finds the reply by it.';
COMMENT ON COLUMN llm_calls.prompt_sha256 IS 'The prompt, see prompts.';
COMMENT ON COLUMN llm_calls.provider IS 'Host and port of the server; never a key.';
COMMENT ON COLUMN llm_calls.model IS 'Name of the model.';
COMMENT ON COLUMN llm_calls.api IS 'chat or responses.';
COMMENT ON COLUMN llm_calls.outcome IS 'ok, rate_limited, server_error, timeout, connection_error, bad_reply, refused, truncated, auth_error or bad_request.';
COMMENT ON COLUMN llm_calls.error IS 'The error''s text, secrets taken out.';
COMMENT ON COLUMN llm_calls.reply IS 'The reply''s text; untrusted.';
COMMENT ON COLUMN llm_calls.finish_reason IS 'Why the model stopped, in the server''s words.';
COMMENT ON COLUMN llm_calls.request_id IS 'The server''s id of the request.';
COMMENT ON COLUMN llm_calls.input_tokens IS 'Tokens sent, cached ones included.';
COMMENT ON COLUMN llm_calls.cached_tokens IS 'Tokens sent that the server had cached.';
COMMENT ON COLUMN llm_calls.output_tokens IS 'Tokens received, reasoning included.';
COMMENT ON COLUMN llm_calls.reasoning_tokens IS 'Tokens the model spent on reasoning.';
COMMENT ON COLUMN llm_calls.cost_usd IS 'Price in US dollars; null when it is not known.';
COMMENT ON COLUMN llm_calls.seconds IS 'Wall seconds until the reply or the error.';
COMMENT ON COLUMN llm_calls.created_at IS 'When the request was sent, UTC.';
COMMENT ON COLUMN llm_calls.replayed IS 'Answered from the history: nothing was paid.';
COMMENT ON COLUMN llm_calls.recorded_at IS 'When this row was written to the journal, UTC.';
COMMENT ON COLUMN llm_calls.recorded_in IS 'Journal file that holds this row.';

CREATE TABLE events (
    experiment_id VARCHAR,
    sequence BIGINT,
    kind VARCHAR NOT NULL,
    iteration BIGINT,
    slot BIGINT,
    message VARCHAR,
    detail JSON,
    created_at TIMESTAMP NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    recorded_in VARCHAR NOT NULL,
    PRIMARY KEY (experiment_id, sequence)
);
COMMENT ON TABLE events IS 'What happened in a search that is worth knowing later.';
COMMENT ON COLUMN events.experiment_id IS 'The search.';
COMMENT ON COLUMN events.sequence IS 'Order of the events of one search.';
COMMENT ON COLUMN events.kind IS 'started, resumed, new_best, attempt_lost, budget, interrupted, finished or warning.';
COMMENT ON COLUMN events.iteration IS 'Round it belongs to; null when it concerns the whole search.';
COMMENT ON COLUMN events.slot IS 'Place within the round; null when it concerns the whole search.';
COMMENT ON COLUMN events.message IS 'What happened, in words.';
COMMENT ON COLUMN events.detail IS 'What happened, as JSON.';
COMMENT ON COLUMN events.created_at IS 'When it happened, UTC.';
COMMENT ON COLUMN events.recorded_at IS 'When this row was written to the journal, UTC.';
COMMENT ON COLUMN events.recorded_in IS 'Journal file that holds this row.';

CREATE TABLE artifacts (
    experiment_id VARCHAR,
    kind VARCHAR,
    path VARCHAR,
    sha256 VARCHAR,
    size_bytes BIGINT,
    created_at TIMESTAMP NOT NULL,
    recorded_at TIMESTAMP NOT NULL,
    recorded_in VARCHAR NOT NULL,
    PRIMARY KEY (experiment_id, kind, path)
);
COMMENT ON TABLE artifacts IS 'Files that a search left for people.';
COMMENT ON COLUMN artifacts.experiment_id IS 'The search.';
COMMENT ON COLUMN artifacts.kind IS 'best_policy or report.';
COMMENT ON COLUMN artifacts.path IS 'Where the file is, relative to the home folder.';
COMMENT ON COLUMN artifacts.sha256 IS 'sha256 of the file.';
COMMENT ON COLUMN artifacts.size_bytes IS 'Size of the file in bytes.';
COMMENT ON COLUMN artifacts.created_at IS 'When it was written, UTC.';
COMMENT ON COLUMN artifacts.recorded_at IS 'When this row was written to the journal, UTC.';
COMMENT ON COLUMN artifacts.recorded_in IS 'Journal file that holds this row.';

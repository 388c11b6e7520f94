-- The history: a table for each kind of row, and views for the questions that people ask every day.
-- Every table ends with recorded_at and recorded_in: when a row was written, and in which journal file.
-- There are no foreign keys: journals may arrive in any order. A change here needs a new
-- SCHEMA_VERSION in flows/history/store.py; the database is then rebuilt from the journals.

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

CREATE TABLE bookkeeping.made_by (
    schema_version BIGINT NOT NULL,
    fingerprint VARCHAR NOT NULL
);
COMMENT ON TABLE bookkeeping.made_by IS 'Which version of the schema and of the reader made this database; another one rebuilds it.';
COMMENT ON COLUMN bookkeeping.made_by.schema_version IS 'Number of the schema; a higher one than an assay knows is refused.';
COMMENT ON COLUMN bookkeeping.made_by.fingerprint IS 'sha256 over the schema, the journal version and the known kinds and fields.';

CREATE TABLE experiments (
    experiment_id VARCHAR PRIMARY KEY,
    name VARCHAR NOT NULL,
    created_at TIMESTAMP NOT NULL,
    status VARCHAR NOT NULL,
    status_detail VARCHAR,
    seed BIGINT,
    domain VARCHAR,
    domain_version VARCHAR,
    domain_sha256 VARCHAR,
    domain_spec JSON,
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
COMMENT ON COLUMN experiments.domain IS 'What is simulated.';
COMMENT ON COLUMN experiments.domain_version IS 'Version that the domain gives itself.';
COMMENT ON COLUMN experiments.domain_sha256 IS 'sha256 of all files of the domain; with another one the search is not continued.';
COMMENT ON COLUMN experiments.domain_spec IS 'What domain.toml says, as JSON: names, units, figures. Reports and the views of domains are made from it.';
COMMENT ON COLUMN experiments.suite IS 'Name of the suite of scenarios.';
COMMENT ON COLUMN experiments.objective IS 'What a score is made of: an objective of the domain.';
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
    duration_seconds DOUBLE,
    size JSON,
    figures JSON,
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
COMMENT ON COLUMN scenarios.sha256 IS 'sha256 of all that a cell is told of it.';
COMMENT ON COLUMN scenarios.duration_seconds IS 'Simulated length, in seconds.';
COMMENT ON COLUMN scenarios.size IS 'How much there is of what, as JSON; the views of domains have columns for it.';
COMMENT ON COLUMN scenarios.figures IS 'What is known before any policy ran, as JSON: capacities, what a failure is charged.';
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
    domain VARCHAR,
    domain_version VARCHAR,
    validation_score DOUBLE,
    standing VARCHAR,
    standing_detail VARCHAR,
    gain_low_percent DOUBLE,
    gain_high_percent DOUBLE,
    gap_percent DOUBLE,
    name VARCHAR,
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
COMMENT ON COLUMN candidates.score IS 'Geometric mean of the scores of the train scenarios; 1.0 is the reference policy, higher is better; null for one that was stopped.';
COMMENT ON COLUMN candidates.improved IS 'Promoted: it became the best of the experiment.';
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
COMMENT ON COLUMN candidates.domain IS 'The domain that the policy is for.';
COMMENT ON COLUMN candidates.domain_version IS 'Version that the domain gives itself.';
COMMENT ON COLUMN candidates.validation_score IS 'The same mean over the validation scenarios; null when it was not tried on them.';
COMMENT ON COLUMN candidates.standing IS 'promoted, refused, barred, stopped (before all train scenarios were tried), or empty when it was never better on train.';
COMMENT ON COLUMN candidates.standing_detail IS 'Why it has that standing, in words.';
COMMENT ON COLUMN candidates.gain_low_percent IS 'Lower end of the interval of its gain over the best before it, paired over the validation scenarios, in per cent.';
COMMENT ON COLUMN candidates.gain_high_percent IS 'Upper end of that interval, in per cent.';
COMMENT ON COLUMN candidates.gap_percent IS 'How far its train score is above its validation score, beyond the same for the best baseline, in per cent.';
COMMENT ON COLUMN candidates.name IS 'What it is called everywhere, such as brisk-otter; a library policy has its own name.';
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
    cost DOUBLE,
    cost_unit VARCHAR,
    problem VARCHAR,
    problem_line BIGINT,
    problem_step BIGINT,
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
    domain VARCHAR,
    domain_version VARCHAR,
    domain_sha256 VARCHAR,
    trust VARCHAR,
    created_at TIMESTAMP NOT NULL,
    host VARCHAR,
    engine VARCHAR,
    isolation VARCHAR,
    purpose VARCHAR,
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
COMMENT ON COLUMN evaluations.outcome IS 'ok, or what the policy did wrong; after simulator_failed the policy has no score.';
COMMENT ON COLUMN evaluations.score IS 'How many times as good as the reference policy it was, by the objective of the experiment; a failure has its charge.';
COMMENT ON COLUMN evaluations.cost IS 'Figure of the first objective of the domain, a failure with its charge; null for a repeat without it.';
COMMENT ON COLUMN evaluations.cost_unit IS 'Unit of cost, such as s.';
COMMENT ON COLUMN evaluations.problem IS 'What went wrong, in one message; text of a policy in it is untrusted.';
COMMENT ON COLUMN evaluations.problem_line IS 'Line of the source where it went wrong, from 1.';
COMMENT ON COLUMN evaluations.problem_step IS 'Step of the simulation at which it went wrong.';
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
COMMENT ON COLUMN evaluations.domain IS 'What was simulated.';
COMMENT ON COLUMN evaluations.domain_version IS 'Version that the domain gives itself.';
COMMENT ON COLUMN evaluations.domain_sha256 IS 'sha256 of all files of the domain that the cell had.';
COMMENT ON COLUMN evaluations.trust IS 'Whose word the figures are: shipped (a domain of assay), local (code of its author) or sealed (an untrusted simulator, held to its laws).';
COMMENT ON COLUMN evaluations.created_at IS 'When it ended, UTC.';
COMMENT ON COLUMN evaluations.host IS 'Host that ran the cell: its network name, or what ASSAY_HOST says there; null where the policy was not tried in a cell.';
COMMENT ON COLUMN evaluations.engine IS 'Version of the Docker engine of that host; none for an embedded cell.';
COMMENT ON COLUMN evaluations.isolation IS 'What held the policy: the kind of cell.';
COMMENT ON COLUMN evaluations.purpose IS 'score, repeat (determinism), elite (tried again before promotion) or audit (another calling mode).';
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
COMMENT ON COLUMN llm_calls.outcome IS 'ok, truncated, empty or refused: an answer of the model; bad_reply, failed, filtered, thinking, no_api, rate_limited, server_error, timeout, connection_error, connection_lost, auth_error, no_credit or bad_request: none.';
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
COMMENT ON COLUMN events.kind IS 'started, resumed, new_best, refused, gap_alarm, audit, test, attempt_lost, budget, interrupted, finished or warning.';
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

CREATE VIEW leaderboard AS
WITH held_out AS (
    SELECT
        experiment_id,
        iteration,
        slot,
        CASE
            WHEN count(score) < count(*) THEN NULL
            WHEN min(score) <= 0 THEN 0
            ELSE exp(avg(CASE WHEN score > 0 THEN ln(score) END))
        END AS test_score
    FROM evaluations
    WHERE attempt = 0 AND split = 'test'
    GROUP BY experiment_id, iteration, slot
), best AS (
    SELECT experiment_id, max((iteration, slot)) AS place
    FROM candidates
    WHERE improved
    GROUP BY experiment_id
), placed AS (
    SELECT c.*, coalesce((c.iteration, c.slot) = b.place, FALSE) AS is_best
    FROM candidates c LEFT JOIN best b USING (experiment_id)
)
SELECT
    e.name AS experiment,
    row_number() OVER (
        PARTITION BY c.experiment_id
        ORDER BY
            c.is_best DESC,
            c.score IS NULL,
            c.standing IS NOT DISTINCT FROM 'barred',
            c.score DESC,
            c.iteration,
            c.slot
    ) AS rank,
    c.name,
    c.title,
    c.score,
    c.validation_score,
    t.test_score,
    c.gap_percent,
    c.standing,
    c.is_best,
    c.outcome,
    c.origin,
    c.operator,
    c.iteration,
    c.slot,
    c.improved,
    c.standing_detail,
    c.gain_low_percent,
    c.gain_high_percent,
    c.duplicate_of,
    c.candidate,
    c.parents,
    c.problem,
    c.problem_line,
    c.seconds,
    c.domain,
    c.created_at,
    c.experiment_id
FROM placed c
LEFT JOIN held_out t USING (experiment_id, iteration, slot)
LEFT JOIN experiments e USING (experiment_id);
COMMENT ON VIEW leaderboard IS 'Every attempt with its place within its experiment, baselines and failures included.';
COMMENT ON COLUMN leaderboard.experiment IS 'Name of the search.';
COMMENT ON COLUMN leaderboard.rank IS 'Place from 1: the best that was promoted, the others by score, then the barred and those without a score; of equal scores the earlier comes first.';
COMMENT ON COLUMN leaderboard.name IS 'What it is called, such as brisk-otter; assay show takes it.';
COMMENT ON COLUMN leaderboard.title IS 'A few words that say what the policy does.';
COMMENT ON COLUMN leaderboard.score IS 'Geometric mean of the scores of the train scenarios; higher is better.';
COMMENT ON COLUMN leaderboard.validation_score IS 'The same over the validation scenarios; null when it was not tried on them.';
COMMENT ON COLUMN leaderboard.test_score IS 'The same over the test scenarios, which only the best and the baselines ever see; null for the others.';
COMMENT ON COLUMN leaderboard.gap_percent IS 'How far its train score is above its validation score, beyond the same for the best baseline, in per cent.';
COMMENT ON COLUMN leaderboard.standing IS 'promoted, refused, barred, stopped (before all train scenarios were tried), or empty when it was never better on train.';
COMMENT ON COLUMN leaderboard.is_best IS 'It is the best of the experiment: the last that was promoted.';
COMMENT ON COLUMN leaderboard.outcome IS 'ok, or the first failure over the scenarios.';
COMMENT ON COLUMN leaderboard.origin IS 'baseline, offline, model or replay.';
COMMENT ON COLUMN leaderboard.operator IS 'How it was made.';
COMMENT ON COLUMN leaderboard.iteration IS 'Round of the search; 0 holds the baselines.';
COMMENT ON COLUMN leaderboard.slot IS 'Place within the round.';
COMMENT ON COLUMN leaderboard.improved IS 'Promoted: it became the best of the experiment, for a time at least.';
COMMENT ON COLUMN leaderboard.standing_detail IS 'Why it has that standing, in words.';
COMMENT ON COLUMN leaderboard.gain_low_percent IS 'Lower end of the interval of its gain over the best before it, in per cent.';
COMMENT ON COLUMN leaderboard.gain_high_percent IS 'Upper end of that interval, in per cent.';
COMMENT ON COLUMN leaderboard.duplicate_of IS 'iteration/slot of an earlier attempt with the same source or behaviour.';
COMMENT ON COLUMN leaderboard.candidate IS 'sha256 of the source.';
COMMENT ON COLUMN leaderboard.parents IS 'sha256s of the candidates it was made from.';
COMMENT ON COLUMN leaderboard.problem IS 'What went wrong; untrusted text.';
COMMENT ON COLUMN leaderboard.problem_line IS 'Line of the source where it went wrong.';
COMMENT ON COLUMN leaderboard.seconds IS 'Wall seconds for the whole attempt.';
COMMENT ON COLUMN leaderboard.domain IS 'The domain that the policy is for; scores of different domains do not compare.';
COMMENT ON COLUMN leaderboard.created_at IS 'When it was proposed, UTC.';
COMMENT ON COLUMN leaderboard.experiment_id IS 'The search.';

CREATE VIEW improvement_curve AS
WITH running AS (
    SELECT
        *,
        row_number() OVER earlier AS tried,
        last_value(CASE WHEN improved THEN score END IGNORE NULLS) OVER earlier AS best_so_far,
        last_value(CASE WHEN improved THEN validation_score END IGNORE NULLS) OVER earlier
            AS best_validation_so_far
    FROM candidates
    WINDOW earlier AS (
        PARTITION BY experiment_id ORDER BY iteration, slot
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
), compared AS (
    SELECT
        *,
        lag(best_so_far) OVER (PARTITION BY experiment_id ORDER BY iteration, slot) AS best_before
    FROM running
)
SELECT
    r.experiment_id,
    e.name AS experiment,
    r.tried,
    r.iteration,
    r.slot,
    r.name,
    r.title,
    r.origin,
    r.outcome,
    r.score,
    r.best_so_far,
    r.best_validation_so_far,
    coalesce(r.improved, FALSE) AS improved,
    CASE WHEN r.improved THEN r.score - r.best_before END AS gain,
    r.standing,
    epoch(r.created_at - e.created_at) AS elapsed_seconds,
    r.candidate
FROM compared r LEFT JOIN experiments e USING (experiment_id);
COMMENT ON VIEW improvement_curve IS 'Every attempt in order, with what was the best by then.';
COMMENT ON COLUMN improvement_curve.experiment_id IS 'The search.';
COMMENT ON COLUMN improvement_curve.experiment IS 'Name of the search.';
COMMENT ON COLUMN improvement_curve.tried IS 'Number of attempts so far, this one included.';
COMMENT ON COLUMN improvement_curve.iteration IS 'Round of the search; 0 holds the baselines.';
COMMENT ON COLUMN improvement_curve.slot IS 'Place within the round.';
COMMENT ON COLUMN improvement_curve.name IS 'What it is called, such as brisk-otter; assay show takes it.';
COMMENT ON COLUMN improvement_curve.title IS 'A few words that say what the policy does.';
COMMENT ON COLUMN improvement_curve.origin IS 'baseline, offline, model or replay.';
COMMENT ON COLUMN improvement_curve.outcome IS 'ok, or the first failure over the scenarios.';
COMMENT ON COLUMN improvement_curve.score IS 'Score of this attempt on the train scenarios.';
COMMENT ON COLUMN improvement_curve.best_so_far IS 'Train score of the last attempt that was promoted, this one included; what was refused or barred does not count.';
COMMENT ON COLUMN improvement_curve.best_validation_so_far IS 'Validation score of the same attempt.';
COMMENT ON COLUMN improvement_curve.improved IS 'This attempt was promoted.';
COMMENT ON COLUMN improvement_curve.gain IS 'Its train score less that of the best before it; null when it was not promoted or was the first.';
COMMENT ON COLUMN improvement_curve.standing IS 'promoted, refused, barred, stopped (before all train scenarios were tried), or empty when it was never better on train.';
COMMENT ON COLUMN improvement_curve.elapsed_seconds IS 'Seconds from the start of the search until it was proposed.';
COMMENT ON COLUMN improvement_curve.candidate IS 'sha256 of the source.';

CREATE VIEW failures_by_kind AS
WITH counted AS (
    SELECT
        experiment_id,
        outcome,
        count(*) AS attempts,
        arg_max(problem, (iteration, slot)) FILTER (problem IS NOT NULL) AS latest_problem,
        max(iteration) AS latest_iteration
    FROM candidates
    GROUP BY experiment_id, outcome
), shared AS (
    SELECT
        *,
        sum(attempts) OVER (PARTITION BY experiment_id) AS all_attempts
    FROM counted
)
SELECT
    s.experiment_id,
    e.name AS experiment,
    s.outcome,
    s.attempts AS failures,
    round(100.0 * s.attempts / s.all_attempts, 1) AS percent_of_attempts,
    s.latest_iteration,
    s.latest_problem
FROM shared s LEFT JOIN experiments e USING (experiment_id)
WHERE s.outcome <> 'ok';
COMMENT ON VIEW failures_by_kind IS 'How often each kind of failure happened in an experiment.';
COMMENT ON COLUMN failures_by_kind.experiment_id IS 'The search.';
COMMENT ON COLUMN failures_by_kind.experiment IS 'Name of the search.';
COMMENT ON COLUMN failures_by_kind.outcome IS 'ok, or the first failure over the scenarios.';
COMMENT ON COLUMN failures_by_kind.failures IS 'Attempts that ended this way.';
COMMENT ON COLUMN failures_by_kind.percent_of_attempts IS 'Their share of all attempts, baselines included, in per cent.';
COMMENT ON COLUMN failures_by_kind.latest_iteration IS 'The last round in which it happened.';
COMMENT ON COLUMN failures_by_kind.latest_problem IS 'The message of the latest one; untrusted text.';

CREATE VIEW cost_per_improvement AS
WITH paid AS (
    SELECT
        experiment_id,
        count(*) AS calls,
        sum(input_tokens) AS input_tokens,
        sum(cached_tokens) AS cached_tokens,
        sum(output_tokens) AS output_tokens,
        sum(cost_usd) FILTER (NOT replayed) AS cost_usd
    FROM llm_calls
    GROUP BY experiment_id
), ranked AS (
    SELECT
        *,
        coalesce(test_score, validation_score) AS held_out_score,
        (iteration, slot) AS place
    FROM leaderboard
), gained AS (
    SELECT
        experiment_id,
        count(*) FILTER (origin <> 'baseline') AS attempts,
        count(*) FILTER (improved AND origin <> 'baseline') AS improvements,
        arg_max(score, place) FILTER (improved AND origin = 'baseline') AS baseline_score,
        arg_max(score, place) FILTER (improved) AS best_score,
        arg_max(held_out_score, place) FILTER (improved AND origin = 'baseline')
            AS baseline_held_out_score,
        arg_max(held_out_score, place) FILTER (improved) AS best_held_out_score,
        sum(seconds) FILTER (origin <> 'baseline') AS seconds
    FROM ranked
    GROUP BY experiment_id
), joined AS (
    SELECT
        *,
        100 * (best_score / nullif(baseline_score, 0) - 1) AS gain_percent,
        100 * (best_held_out_score / nullif(baseline_held_out_score, 0) - 1)
            AS held_out_gain_percent
    FROM gained LEFT JOIN paid USING (experiment_id)
)
SELECT
    j.experiment_id,
    e.name AS experiment,
    e.model,
    j.attempts,
    j.improvements,
    j.baseline_score,
    j.best_score,
    j.gain_percent,
    j.held_out_gain_percent,
    j.seconds,
    j.seconds / nullif(j.improvements, 0) AS seconds_per_improvement,
    j.calls,
    j.input_tokens,
    j.cached_tokens,
    j.output_tokens,
    j.cost_usd,
    j.cost_usd / nullif(j.improvements, 0) AS usd_per_improvement,
    CASE
        WHEN coalesce(j.held_out_gain_percent, j.gain_percent) > 0
        THEN j.cost_usd / coalesce(j.held_out_gain_percent, j.gain_percent)
    END AS usd_per_percent
FROM joined j LEFT JOIN experiments e USING (experiment_id);
COMMENT ON VIEW cost_per_improvement IS 'What an experiment cost and what it gained.';
COMMENT ON COLUMN cost_per_improvement.experiment_id IS 'The search.';
COMMENT ON COLUMN cost_per_improvement.experiment IS 'Name of the search.';
COMMENT ON COLUMN cost_per_improvement.model IS 'Name of the language model; null when none was used.';
COMMENT ON COLUMN cost_per_improvement.attempts IS 'Candidates tried, baselines left out.';
COMMENT ON COLUMN cost_per_improvement.improvements IS 'How many of them were promoted.';
COMMENT ON COLUMN cost_per_improvement.baseline_score IS 'Train score of the best baseline: the last of them that was promoted.';
COMMENT ON COLUMN cost_per_improvement.best_score IS 'Train score of the best of the experiment.';
COMMENT ON COLUMN cost_per_improvement.gain_percent IS 'How far the best is above the best baseline on train, in per cent.';
COMMENT ON COLUMN cost_per_improvement.held_out_gain_percent IS 'The same on the test scenarios, or on validation where test was not tried; null without both.';
COMMENT ON COLUMN cost_per_improvement.seconds IS 'Wall seconds over all attempts, baselines left out.';
COMMENT ON COLUMN cost_per_improvement.seconds_per_improvement IS 'Wall seconds per improvement.';
COMMENT ON COLUMN cost_per_improvement.calls IS 'Requests to a model, failed ones included.';
COMMENT ON COLUMN cost_per_improvement.input_tokens IS 'Tokens sent.';
COMMENT ON COLUMN cost_per_improvement.cached_tokens IS 'Those of them that the server had cached; null when no server said.';
COMMENT ON COLUMN cost_per_improvement.output_tokens IS 'Tokens received.';
COMMENT ON COLUMN cost_per_improvement.cost_usd IS 'US dollars paid; replayed calls cost nothing; null when no price is known.';
COMMENT ON COLUMN cost_per_improvement.usd_per_improvement IS 'US dollars per improvement.';
COMMENT ON COLUMN cost_per_improvement.usd_per_percent IS 'US dollars per per cent of held_out_gain_percent, of gain_percent where that is null; null when nothing was gained there.';

CREATE VIEW lineage AS
WITH RECURSIVE numbered AS MATERIALIZED (
    SELECT
        row_number() OVER (ORDER BY experiment_id, iteration, slot) AS number,
        experiment_id,
        iteration,
        slot,
        name,
        title,
        score,
        candidate,
        parents
    FROM candidates
), named AS (
    SELECT experiment_id, candidate, min(number) AS number
    FROM numbered
    WHERE candidate IS NOT NULL
    GROUP BY experiment_id, candidate
), edges AS MATERIALIZED (
    SELECT c.number, p.number AS parent, c.parent_number = 1 AS is_first
    FROM (
        SELECT
            number,
            experiment_id,
            unnest(parents) AS parent,
            generate_subscripts(parents, 1) AS parent_number
        FROM numbered
    ) c
    JOIN named p ON p.experiment_id = c.experiment_id AND p.candidate = c.parent
    WHERE p.number < c.number
), main_line AS (
    SELECT number, number AS ancestor, 0 AS depth FROM numbered
    UNION ALL
    SELECT m.number, e.parent, m.depth + 1
    FROM main_line m JOIN edges e ON e.number = m.ancestor AND e.is_first
), reached AS (
    SELECT *, TRUE AS on_main_line FROM main_line
    UNION ALL
    SELECT m.number, e.parent, m.depth + 1, FALSE
    FROM main_line m JOIN edges e ON e.number = m.ancestor AND NOT e.is_first
)
SELECT
    c.experiment_id,
    c.iteration,
    c.slot,
    c.name,
    c.title,
    c.score,
    r.depth,
    r.on_main_line,
    a.iteration AS ancestor_iteration,
    a.slot AS ancestor_slot,
    a.name AS ancestor_name,
    a.title AS ancestor_title,
    a.score AS ancestor_score,
    c.candidate,
    a.candidate AS ancestor
FROM reached r
JOIN numbered c ON c.number = r.number
JOIN numbered a ON a.number = r.ancestor;
COMMENT ON VIEW lineage IS 'Every attempt with each of its ancestors: the line of first parents, and who else had a part in it.';
COMMENT ON COLUMN lineage.experiment_id IS 'The search.';
COMMENT ON COLUMN lineage.iteration IS 'Round of the search; 0 holds the baselines.';
COMMENT ON COLUMN lineage.slot IS 'Place within the round.';
COMMENT ON COLUMN lineage.name IS 'What it is called, such as brisk-otter; assay show takes it.';
COMMENT ON COLUMN lineage.title IS 'A few words that say what the policy does.';
COMMENT ON COLUMN lineage.score IS 'Score of the attempt.';
COMMENT ON COLUMN lineage.depth IS 'Generations back; 0 is the attempt itself.';
COMMENT ON COLUMN lineage.on_main_line IS 'The ancestor is on the line of first parents; else it is another parent of one that is.';
COMMENT ON COLUMN lineage.ancestor_iteration IS 'Round of the ancestor.';
COMMENT ON COLUMN lineage.ancestor_slot IS 'Place of the ancestor within its round.';
COMMENT ON COLUMN lineage.ancestor_name IS 'What the ancestor is called.';
COMMENT ON COLUMN lineage.ancestor_title IS 'Title of the ancestor.';
COMMENT ON COLUMN lineage.ancestor_score IS 'Score of the ancestor.';
COMMENT ON COLUMN lineage.candidate IS 'sha256 of the source.';
COMMENT ON COLUMN lineage.ancestor IS 'sha256 of the ancestor''s source.';

CREATE VIEW generalisation_gap AS
WITH by_split AS (
    SELECT
        experiment_id,
        iteration,
        slot,
        split,
        count(*) AS scenarios,
        CASE
            WHEN count(score) < count(*) THEN NULL
            WHEN min(score) <= 0 THEN 0
            ELSE exp(avg(CASE WHEN score > 0 THEN ln(score) END))
        END AS score
    FROM evaluations
    WHERE attempt = 0
    GROUP BY experiment_id, iteration, slot, split
), wide AS (
    SELECT
        experiment_id,
        iteration,
        slot,
        any_value(score) FILTER (split = 'train') AS train_score,
        any_value(score) FILTER (split = 'validation') AS validation_score,
        any_value(score) FILTER (split = 'test') AS test_score,
        coalesce(any_value(scenarios) FILTER (split = 'train'), 0) AS train_scenarios,
        coalesce(any_value(scenarios) FILTER (split = 'validation'), 0) AS validation_scenarios,
        coalesce(any_value(scenarios) FILTER (split = 'test'), 0) AS test_scenarios
    FROM by_split
    GROUP BY experiment_id, iteration, slot
)
SELECT
    w.experiment_id,
    e.name AS experiment,
    w.iteration,
    w.slot,
    c.name,
    c.title,
    CASE WHEN c.standing IS DISTINCT FROM 'stopped' THEN w.train_score END AS train_score,
    w.validation_score,
    w.test_score,
    w.train_score - w.validation_score AS gap,
    100 * (w.train_score / nullif(w.validation_score, 0) - 1) AS gap_percent,
    c.gap_percent AS beyond_baseline_percent,
    c.standing,
    w.train_scenarios,
    w.validation_scenarios,
    w.test_scenarios,
    c.candidate
FROM wide w
LEFT JOIN candidates c USING (experiment_id, iteration, slot)
LEFT JOIN experiments e USING (experiment_id);
COMMENT ON VIEW generalisation_gap IS 'Scores of every attempt by split: does what it learned carry over?';
COMMENT ON COLUMN generalisation_gap.experiment_id IS 'The search.';
COMMENT ON COLUMN generalisation_gap.experiment IS 'Name of the search.';
COMMENT ON COLUMN generalisation_gap.iteration IS 'Round of the search; 0 holds the baselines.';
COMMENT ON COLUMN generalisation_gap.slot IS 'Place within the round.';
COMMENT ON COLUMN generalisation_gap.name IS 'What it is called, such as brisk-otter; assay show takes it.';
COMMENT ON COLUMN generalisation_gap.title IS 'A few words that say what the policy does.';
COMMENT ON COLUMN generalisation_gap.train_score IS 'Geometric mean of the scores on the train scenarios; null for one that was stopped before all were tried.';
COMMENT ON COLUMN generalisation_gap.validation_score IS 'The same on the validation scenarios; null when it was not tried on them.';
COMMENT ON COLUMN generalisation_gap.test_score IS 'The same on the test scenarios; null when it was not tried on them.';
COMMENT ON COLUMN generalisation_gap.gap IS 'train_score less validation_score.';
COMMENT ON COLUMN generalisation_gap.gap_percent IS 'How far train is above validation, in per cent; scenarios of the splits differ, so that it is not zero for a baseline either.';
COMMENT ON COLUMN generalisation_gap.beyond_baseline_percent IS 'The same beyond that of the best baseline: what the alarm goes by.';
COMMENT ON COLUMN generalisation_gap.standing IS 'promoted, refused, barred, stopped (before all train scenarios were tried), or empty when it was never better on train.';
COMMENT ON COLUMN generalisation_gap.train_scenarios IS 'Train scenarios tried.';
COMMENT ON COLUMN generalisation_gap.validation_scenarios IS 'Validation scenarios tried.';
COMMENT ON COLUMN generalisation_gap.test_scenarios IS 'Test scenarios tried.';
COMMENT ON COLUMN generalisation_gap.candidate IS 'sha256 of the source.';

CREATE VIEW hosts AS
SELECT
    v.experiment_id,
    e.name AS experiment,
    v.host,
    v.engine,
    v.image_id,
    v.isolation,
    count(*) AS evaluations,
    count(DISTINCT (v.iteration, v.slot)) AS attempts,
    count(*) FILTER (v.outcome <> 'ok') AS failures,
    sum(v.seconds) AS seconds,
    min(v.created_at) AS first_at,
    max(v.created_at) AS last_at
FROM evaluations v LEFT JOIN experiments e USING (experiment_id)
WHERE v.host IS NOT NULL
GROUP BY ALL;
COMMENT ON VIEW hosts IS 'Which hosts tried the policies of an experiment, each with its engine, image and isolation; a host that changed them has a row for each.';
COMMENT ON COLUMN hosts.experiment_id IS 'The search.';
COMMENT ON COLUMN hosts.experiment IS 'Name of the search.';
COMMENT ON COLUMN hosts.host IS 'Network name of the host, or what ASSAY_HOST says there.';
COMMENT ON COLUMN hosts.engine IS 'Version of its Docker engine; none for embedded cells.';
COMMENT ON COLUMN hosts.image_id IS 'Id of the image of its cells.';
COMMENT ON COLUMN hosts.isolation IS 'What held the policies: the kind of cell.';
COMMENT ON COLUMN hosts.evaluations IS 'Evaluations that ran there, repeats included.';
COMMENT ON COLUMN hosts.attempts IS 'Attempts of which at least one evaluation ran there.';
COMMENT ON COLUMN hosts.failures IS 'Evaluations there that did not end ok.';
COMMENT ON COLUMN hosts.seconds IS 'Wall seconds of these evaluations in cells, in all.';
COMMENT ON COLUMN hosts.first_at IS 'When the first of them was recorded, UTC.';
COMMENT ON COLUMN hosts.last_at IS 'When the last of them was recorded, UTC.';

CREATE VIEW racing AS
WITH suites AS (
    SELECT experiment_id, count(*) AS train_scenarios
    FROM scenarios
    WHERE split = 'train'
    GROUP BY experiment_id
), tried AS (
    SELECT
        experiment_id,
        iteration,
        slot,
        count(*) FILTER (split = 'train' AND attempt = 0) AS scenarios,
        count(*) FILTER (split <> 'test') AS tries
    FROM evaluations
    GROUP BY experiment_id, iteration, slot
)
SELECT
    c.experiment_id,
    e.name AS experiment,
    c.iteration,
    c.slot,
    c.name,
    c.title,
    c.standing IS NOT DISTINCT FROM 'stopped' AS stopped,
    coalesce(t.scenarios, 0) AS scenarios_tried,
    s.train_scenarios,
    coalesce(t.tries, 0) AS tries,
    CASE WHEN c.standing = 'stopped' THEN c.standing_detail END AS why,
    c.candidate
FROM candidates c
LEFT JOIN tried t USING (experiment_id, iteration, slot)
LEFT JOIN suites s USING (experiment_id)
LEFT JOIN experiments e USING (experiment_id)
WHERE c.iteration > 0;
COMMENT ON VIEW racing IS 'How much of train each candidate was tried on, and which were stopped because they could no longer become the best.';
COMMENT ON COLUMN racing.experiment_id IS 'The search.';
COMMENT ON COLUMN racing.experiment IS 'Name of the search.';
COMMENT ON COLUMN racing.iteration IS 'Round of the search.';
COMMENT ON COLUMN racing.slot IS 'Place within the round.';
COMMENT ON COLUMN racing.name IS 'What it is called, such as brisk-otter; assay show takes it.';
COMMENT ON COLUMN racing.title IS 'A few words that say what the policy does.';
COMMENT ON COLUMN racing.stopped IS 'Its trial was stopped; it has no score and is never ranked.';
COMMENT ON COLUMN racing.scenarios_tried IS 'Train scenarios it was tried on; 0 for one that repeats an earlier source.';
COMMENT ON COLUMN racing.train_scenarios IS 'Train scenarios of the suite.';
COMMENT ON COLUMN racing.tries IS 'Tries in cells in all: train, repeats, validation, elite and audit.';
COMMENT ON COLUMN racing.why IS 'Why it was stopped, in words; null for the others.';
COMMENT ON COLUMN racing.candidate IS 'sha256 of the source.';

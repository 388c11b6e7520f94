-- The views: the questions that people ask every day.

CREATE VIEW leaderboard AS
SELECT
    e.name AS experiment,
    row_number() OVER (
        PARTITION BY c.experiment_id
        ORDER BY c.score DESC NULLS LAST, c.iteration, c.slot
    ) AS rank,
    c.title,
    c.score,
    c.outcome,
    c.origin,
    c.operator,
    c.iteration,
    c.slot,
    c.improved,
    c.duplicate_of,
    c.candidate,
    c.parents,
    c.problem,
    c.problem_line,
    c.seconds,
    c.created_at,
    c.experiment_id
FROM candidates c LEFT JOIN experiments e USING (experiment_id);
COMMENT ON VIEW leaderboard IS 'Every attempt with its place within its experiment, baselines and failures included.';
COMMENT ON COLUMN leaderboard.experiment IS 'Name of the search.';
COMMENT ON COLUMN leaderboard.rank IS 'Place by score, from 1; of equal scores the earlier attempt comes first.';
COMMENT ON COLUMN leaderboard.title IS 'A few words that say what the policy does.';
COMMENT ON COLUMN leaderboard.score IS 'Geometric mean over scenarios of baseline latency / own; higher is better.';
COMMENT ON COLUMN leaderboard.outcome IS 'ok, or the first failure over the scenarios.';
COMMENT ON COLUMN leaderboard.origin IS 'baseline, offline, model or replay.';
COMMENT ON COLUMN leaderboard.operator IS 'How it was made.';
COMMENT ON COLUMN leaderboard.iteration IS 'Round of the search; 0 holds the baselines.';
COMMENT ON COLUMN leaderboard.slot IS 'Place within the round.';
COMMENT ON COLUMN leaderboard.improved IS 'Better than every earlier candidate of the experiment.';
COMMENT ON COLUMN leaderboard.duplicate_of IS 'iteration/slot of an earlier attempt with the same source or behaviour.';
COMMENT ON COLUMN leaderboard.candidate IS 'sha256 of the source.';
COMMENT ON COLUMN leaderboard.parents IS 'sha256s of the candidates it was made from.';
COMMENT ON COLUMN leaderboard.problem IS 'What went wrong; untrusted text.';
COMMENT ON COLUMN leaderboard.problem_line IS 'Line of the source where it went wrong.';
COMMENT ON COLUMN leaderboard.seconds IS 'Wall seconds for the whole attempt.';
COMMENT ON COLUMN leaderboard.created_at IS 'When it was proposed, UTC.';
COMMENT ON COLUMN leaderboard.experiment_id IS 'The search.';

CREATE VIEW improvement_curve AS
WITH promoted AS (
    SELECT
        *,
        CASE
            WHEN improved OR (origin = 'baseline' AND outcome = 'ok') THEN score
        END AS kept_score
    FROM candidates
), running AS (
    SELECT
        *,
        row_number() OVER attempts AS tried,
        max(kept_score) OVER attempts AS best_so_far,
        max(kept_score) OVER (
            PARTITION BY experiment_id ORDER BY iteration, slot
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS best_before
    FROM promoted
    WINDOW attempts AS (
        PARTITION BY experiment_id ORDER BY iteration, slot
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
)
SELECT
    r.experiment_id,
    e.name AS experiment,
    r.tried,
    r.iteration,
    r.slot,
    r.title,
    r.origin,
    r.outcome,
    r.score,
    r.best_so_far,
    coalesce(r.kept_score > r.best_before, r.kept_score IS NOT NULL) AS improved,
    CASE WHEN r.kept_score > r.best_before THEN r.kept_score - r.best_before END AS gain,
    epoch(r.created_at - e.created_at) AS elapsed_seconds,
    r.candidate
FROM running r LEFT JOIN experiments e USING (experiment_id);
COMMENT ON VIEW improvement_curve IS 'Every attempt in order, with the best score reached by then.';
COMMENT ON COLUMN improvement_curve.experiment_id IS 'The search.';
COMMENT ON COLUMN improvement_curve.experiment IS 'Name of the search.';
COMMENT ON COLUMN improvement_curve.tried IS 'Number of attempts so far, this one included.';
COMMENT ON COLUMN improvement_curve.iteration IS 'Round of the search; 0 holds the baselines.';
COMMENT ON COLUMN improvement_curve.slot IS 'Place within the round.';
COMMENT ON COLUMN improvement_curve.title IS 'A few words that say what the policy does.';
COMMENT ON COLUMN improvement_curve.origin IS 'baseline, offline, model or replay.';
COMMENT ON COLUMN improvement_curve.outcome IS 'ok, or the first failure over the scenarios.';
COMMENT ON COLUMN improvement_curve.score IS 'Score of this attempt.';
COMMENT ON COLUMN improvement_curve.best_so_far IS 'Best score that was kept up to this attempt; baselines count, refused results do not.';
COMMENT ON COLUMN improvement_curve.improved IS 'This attempt raised best_so_far.';
COMMENT ON COLUMN improvement_curve.gain IS 'By how much it raised it; null when it did not or was the first.';
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
        sum(output_tokens) AS output_tokens,
        sum(cost_usd) FILTER (NOT replayed) AS cost_usd
    FROM llm_calls
    GROUP BY experiment_id
), gained AS (
    SELECT
        experiment_id,
        count(*) FILTER (origin <> 'baseline') AS attempts,
        count(*) FILTER (improved AND origin <> 'baseline') AS improvements,
        max(best_so_far) FILTER (origin = 'baseline') AS baseline_score,
        max(best_so_far) AS best_score
    FROM improvement_curve
    GROUP BY experiment_id
), spent AS (
    SELECT experiment_id, sum(seconds) FILTER (origin <> 'baseline') AS seconds
    FROM candidates
    GROUP BY experiment_id
), joined AS (
    SELECT *, 100 * (best_score / nullif(baseline_score, 0) - 1) AS gain_percent
    FROM gained LEFT JOIN spent USING (experiment_id) LEFT JOIN paid USING (experiment_id)
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
    j.seconds,
    j.seconds / nullif(j.improvements, 0) AS seconds_per_improvement,
    j.calls,
    j.input_tokens,
    j.output_tokens,
    j.cost_usd,
    j.cost_usd / nullif(j.improvements, 0) AS usd_per_improvement,
    j.cost_usd / nullif(j.gain_percent, 0) AS usd_per_percent
FROM joined j LEFT JOIN experiments e USING (experiment_id);
COMMENT ON VIEW cost_per_improvement IS 'What an experiment cost and what it gained.';
COMMENT ON COLUMN cost_per_improvement.experiment_id IS 'The search.';
COMMENT ON COLUMN cost_per_improvement.experiment IS 'Name of the search.';
COMMENT ON COLUMN cost_per_improvement.model IS 'Name of the language model; null when none was used.';
COMMENT ON COLUMN cost_per_improvement.attempts IS 'Candidates tried, baselines left out.';
COMMENT ON COLUMN cost_per_improvement.improvements IS 'How many of them raised the best score.';
COMMENT ON COLUMN cost_per_improvement.baseline_score IS 'Best score among the baselines.';
COMMENT ON COLUMN cost_per_improvement.best_score IS 'Best score of the experiment.';
COMMENT ON COLUMN cost_per_improvement.gain_percent IS 'How far the best is above the best baseline, in per cent.';
COMMENT ON COLUMN cost_per_improvement.seconds IS 'Wall seconds over all attempts, baselines left out.';
COMMENT ON COLUMN cost_per_improvement.seconds_per_improvement IS 'Wall seconds per improvement.';
COMMENT ON COLUMN cost_per_improvement.calls IS 'Requests to a model, failed ones included.';
COMMENT ON COLUMN cost_per_improvement.input_tokens IS 'Tokens sent.';
COMMENT ON COLUMN cost_per_improvement.output_tokens IS 'Tokens received.';
COMMENT ON COLUMN cost_per_improvement.cost_usd IS 'US dollars paid; replayed calls cost nothing; null when no price is known.';
COMMENT ON COLUMN cost_per_improvement.usd_per_improvement IS 'US dollars per improvement.';
COMMENT ON COLUMN cost_per_improvement.usd_per_percent IS 'US dollars per per cent of gain.';

CREATE VIEW lineage AS
WITH RECURSIVE named AS (
    SELECT experiment_id, candidate, iteration, slot
    FROM candidates
    WHERE candidate IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY experiment_id, candidate ORDER BY iteration, slot
    ) = 1
), edges AS (
    SELECT
        c.experiment_id,
        c.iteration,
        c.slot,
        p.iteration AS parent_iteration,
        p.slot AS parent_slot,
        c.parent_number
    FROM (
        SELECT
            experiment_id,
            iteration,
            slot,
            unnest(parents) AS parent,
            generate_subscripts(parents, 1) AS parent_number
        FROM candidates
    ) c
    JOIN named p ON p.experiment_id = c.experiment_id AND p.candidate = c.parent
    WHERE (p.iteration, p.slot) < (c.iteration, c.slot)
), main_line AS (
    SELECT
        experiment_id,
        iteration,
        slot,
        iteration AS ancestor_iteration,
        slot AS ancestor_slot,
        0 AS depth
    FROM candidates
    UNION ALL
    SELECT m.experiment_id, m.iteration, m.slot, e.parent_iteration, e.parent_slot, m.depth + 1
    FROM main_line m
    JOIN edges e
        ON e.experiment_id = m.experiment_id
        AND e.iteration = m.ancestor_iteration
        AND e.slot = m.ancestor_slot
        AND e.parent_number = 1
), reached AS (
    SELECT *, TRUE AS on_main_line FROM main_line
    UNION ALL
    SELECT
        m.experiment_id, m.iteration, m.slot, e.parent_iteration, e.parent_slot, m.depth + 1, FALSE
    FROM main_line m
    JOIN edges e
        ON e.experiment_id = m.experiment_id
        AND e.iteration = m.ancestor_iteration
        AND e.slot = m.ancestor_slot
        AND e.parent_number > 1
)
SELECT
    r.experiment_id,
    r.iteration,
    r.slot,
    c.title,
    c.score,
    r.depth,
    r.on_main_line,
    r.ancestor_iteration,
    r.ancestor_slot,
    a.title AS ancestor_title,
    a.score AS ancestor_score,
    c.candidate,
    a.candidate AS ancestor
FROM reached r
JOIN candidates c
    ON c.experiment_id = r.experiment_id AND c.iteration = r.iteration AND c.slot = r.slot
JOIN candidates a
    ON a.experiment_id = r.experiment_id
    AND a.iteration = r.ancestor_iteration
    AND a.slot = r.ancestor_slot;
COMMENT ON VIEW lineage IS 'Every attempt with each of its ancestors: the line of first parents, and who else had a part in it.';
COMMENT ON COLUMN lineage.experiment_id IS 'The search.';
COMMENT ON COLUMN lineage.iteration IS 'Round of the search; 0 holds the baselines.';
COMMENT ON COLUMN lineage.slot IS 'Place within the round.';
COMMENT ON COLUMN lineage.title IS 'A few words that say what the policy does.';
COMMENT ON COLUMN lineage.score IS 'Score of the attempt.';
COMMENT ON COLUMN lineage.depth IS 'Generations back; 0 is the attempt itself.';
COMMENT ON COLUMN lineage.on_main_line IS 'The ancestor is on the line of first parents; else it is another parent of one that is.';
COMMENT ON COLUMN lineage.ancestor_iteration IS 'Round of the ancestor.';
COMMENT ON COLUMN lineage.ancestor_slot IS 'Place of the ancestor within its round.';
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
        coalesce(any_value(scenarios) FILTER (split = 'validation'), 0) AS validation_scenarios
    FROM by_split
    GROUP BY experiment_id, iteration, slot
)
SELECT
    w.experiment_id,
    e.name AS experiment,
    w.iteration,
    w.slot,
    c.title,
    w.train_score,
    w.validation_score,
    w.test_score,
    w.train_score - w.validation_score AS gap,
    100 * (w.train_score / nullif(w.validation_score, 0) - 1) AS gap_percent,
    w.train_scenarios,
    w.validation_scenarios,
    c.candidate
FROM wide w
LEFT JOIN candidates c USING (experiment_id, iteration, slot)
LEFT JOIN experiments e USING (experiment_id);
COMMENT ON VIEW generalisation_gap IS 'Scores of every attempt by split: does what it learned carry over?';
COMMENT ON COLUMN generalisation_gap.experiment_id IS 'The search.';
COMMENT ON COLUMN generalisation_gap.experiment IS 'Name of the search.';
COMMENT ON COLUMN generalisation_gap.iteration IS 'Round of the search; 0 holds the baselines.';
COMMENT ON COLUMN generalisation_gap.slot IS 'Place within the round.';
COMMENT ON COLUMN generalisation_gap.title IS 'A few words that say what the policy does.';
COMMENT ON COLUMN generalisation_gap.train_score IS 'Geometric mean of the scores on the train scenarios.';
COMMENT ON COLUMN generalisation_gap.validation_score IS 'The same on the validation scenarios; null when it was not tried on them.';
COMMENT ON COLUMN generalisation_gap.test_score IS 'The same on the test scenarios.';
COMMENT ON COLUMN generalisation_gap.gap IS 'train_score less validation_score.';
COMMENT ON COLUMN generalisation_gap.gap_percent IS 'How far train is above validation, in per cent.';
COMMENT ON COLUMN generalisation_gap.train_scenarios IS 'Train scenarios tried.';
COMMENT ON COLUMN generalisation_gap.validation_scenarios IS 'Validation scenarios tried.';
COMMENT ON COLUMN generalisation_gap.candidate IS 'sha256 of the source.';

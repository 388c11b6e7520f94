-- The views again: promotion decides what the best is, every split has its
-- score, and ancestors are found by number.

CREATE OR REPLACE VIEW leaderboard AS
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
    c.created_at,
    c.experiment_id
FROM placed c
LEFT JOIN held_out t USING (experiment_id, iteration, slot)
LEFT JOIN experiments e USING (experiment_id);
COMMENT ON VIEW leaderboard IS 'Every attempt with its place within its experiment, baselines and failures included.';
COMMENT ON COLUMN leaderboard.experiment IS 'Name of the search.';
COMMENT ON COLUMN leaderboard.rank IS 'Place from 1: the best that was promoted, the others by score, then the barred and those without a score; of equal scores the earlier comes first.';
COMMENT ON COLUMN leaderboard.title IS 'A few words that say what the policy does.';
COMMENT ON COLUMN leaderboard.score IS 'Geometric mean over the train scenarios of baseline latency / own; higher is better.';
COMMENT ON COLUMN leaderboard.validation_score IS 'The same over the validation scenarios; null when it was not tried on them.';
COMMENT ON COLUMN leaderboard.test_score IS 'The same over the test scenarios, which only the best and the baselines ever see; null for the others.';
COMMENT ON COLUMN leaderboard.gap_percent IS 'How far its train score is above its validation score, beyond the same for the best baseline, in per cent.';
COMMENT ON COLUMN leaderboard.standing IS 'promoted, refused, barred, or empty when it was never better on train.';
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
COMMENT ON COLUMN leaderboard.created_at IS 'When it was proposed, UTC.';
COMMENT ON COLUMN leaderboard.experiment_id IS 'The search.';

CREATE OR REPLACE VIEW improvement_curve AS
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
COMMENT ON COLUMN improvement_curve.title IS 'A few words that say what the policy does.';
COMMENT ON COLUMN improvement_curve.origin IS 'baseline, offline, model or replay.';
COMMENT ON COLUMN improvement_curve.outcome IS 'ok, or the first failure over the scenarios.';
COMMENT ON COLUMN improvement_curve.score IS 'Score of this attempt on the train scenarios.';
COMMENT ON COLUMN improvement_curve.best_so_far IS 'Train score of the last attempt that was promoted, this one included; what was refused or barred does not count.';
COMMENT ON COLUMN improvement_curve.best_validation_so_far IS 'Validation score of the same attempt.';
COMMENT ON COLUMN improvement_curve.improved IS 'This attempt was promoted.';
COMMENT ON COLUMN improvement_curve.gain IS 'Its train score less that of the best before it; null when it was not promoted or was the first.';
COMMENT ON COLUMN improvement_curve.standing IS 'promoted, refused, barred, or empty when it was never better on train.';
COMMENT ON COLUMN improvement_curve.elapsed_seconds IS 'Seconds from the start of the search until it was proposed.';
COMMENT ON COLUMN improvement_curve.candidate IS 'sha256 of the source.';

CREATE OR REPLACE VIEW cost_per_improvement AS
WITH paid AS (
    SELECT
        experiment_id,
        count(*) AS calls,
        sum(input_tokens) AS input_tokens,
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
    j.output_tokens,
    j.cost_usd,
    j.cost_usd / nullif(j.improvements, 0) AS usd_per_improvement,
    j.cost_usd / nullif(coalesce(j.held_out_gain_percent, j.gain_percent), 0) AS usd_per_percent
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
COMMENT ON COLUMN cost_per_improvement.output_tokens IS 'Tokens received.';
COMMENT ON COLUMN cost_per_improvement.cost_usd IS 'US dollars paid; replayed calls cost nothing; null when no price is known.';
COMMENT ON COLUMN cost_per_improvement.usd_per_improvement IS 'US dollars per improvement.';
COMMENT ON COLUMN cost_per_improvement.usd_per_percent IS 'US dollars per per cent of held_out_gain_percent, of gain_percent where that is null.';

CREATE OR REPLACE VIEW lineage AS
WITH RECURSIVE numbered AS MATERIALIZED (
    SELECT
        row_number() OVER (ORDER BY experiment_id, iteration, slot) AS number,
        experiment_id,
        iteration,
        slot,
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
    c.title,
    c.score,
    r.depth,
    r.on_main_line,
    a.iteration AS ancestor_iteration,
    a.slot AS ancestor_slot,
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

CREATE OR REPLACE VIEW generalisation_gap AS
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
    c.title,
    w.train_score,
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
COMMENT ON COLUMN generalisation_gap.title IS 'A few words that say what the policy does.';
COMMENT ON COLUMN generalisation_gap.train_score IS 'Geometric mean of the scores on the train scenarios.';
COMMENT ON COLUMN generalisation_gap.validation_score IS 'The same on the validation scenarios; null when it was not tried on them.';
COMMENT ON COLUMN generalisation_gap.test_score IS 'The same on the test scenarios; null when it was not tried on them.';
COMMENT ON COLUMN generalisation_gap.gap IS 'train_score less validation_score.';
COMMENT ON COLUMN generalisation_gap.gap_percent IS 'How far train is above validation, in per cent; scenarios of the splits differ, so that it is not zero for a baseline either.';
COMMENT ON COLUMN generalisation_gap.beyond_baseline_percent IS 'The same beyond that of the best baseline: what the alarm goes by.';
COMMENT ON COLUMN generalisation_gap.standing IS 'promoted, refused, barred, or empty when it was never better on train.';
COMMENT ON COLUMN generalisation_gap.train_scenarios IS 'Train scenarios tried.';
COMMENT ON COLUMN generalisation_gap.validation_scenarios IS 'Validation scenarios tried.';
COMMENT ON COLUMN generalisation_gap.test_scenarios IS 'Test scenarios tried.';
COMMENT ON COLUMN generalisation_gap.candidate IS 'sha256 of the source.';

COMMENT ON COLUMN candidates.score IS 'Geometric mean over the train scenarios of baseline latency / own; 1.0 is naive, higher is better.';
COMMENT ON COLUMN candidates.validation_score IS 'The same mean over the validation scenarios; null when it was not tried on them.';
COMMENT ON COLUMN events.kind IS 'started, resumed, new_best, refused, gap_alarm, audit, test, attempt_lost, budget, interrupted, finished or warning.';

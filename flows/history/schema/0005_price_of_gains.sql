-- What was not gained has no price; and a call that a server may have worked on has its own word.

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
COMMENT ON COLUMN cost_per_improvement.output_tokens IS 'Tokens received.';
COMMENT ON COLUMN cost_per_improvement.cost_usd IS 'US dollars paid; replayed calls cost nothing; null when no price is known.';
COMMENT ON COLUMN cost_per_improvement.usd_per_improvement IS 'US dollars per improvement.';
COMMENT ON COLUMN cost_per_improvement.usd_per_percent IS 'US dollars per per cent of held_out_gain_percent, of gain_percent where that is null; null when nothing was gained there.';

COMMENT ON COLUMN llm_calls.outcome IS 'ok, rate_limited, server_error, timeout, connection_error, connection_lost, bad_reply, refused, truncated, auth_error or bad_request.';

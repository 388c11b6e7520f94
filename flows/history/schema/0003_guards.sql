-- What guards a search against fooling itself: validation, standing, and what a try was for.

ALTER TABLE candidates ADD COLUMN validation_score DOUBLE;
ALTER TABLE candidates ADD COLUMN standing VARCHAR;
ALTER TABLE candidates ADD COLUMN standing_detail VARCHAR;
ALTER TABLE candidates ADD COLUMN gain_low_percent DOUBLE;
ALTER TABLE candidates ADD COLUMN gain_high_percent DOUBLE;
ALTER TABLE candidates ADD COLUMN gap_percent DOUBLE;
ALTER TABLE evaluations ADD COLUMN purpose VARCHAR;
COMMENT ON COLUMN candidates.improved IS 'Promoted: it became the best of the experiment.';
COMMENT ON COLUMN candidates.validation_score IS 'The same mean over the validation scenarios; null when it was not tried on them.';
COMMENT ON COLUMN candidates.standing IS 'promoted, refused, barred, or empty when it was never better on train.';
COMMENT ON COLUMN candidates.standing_detail IS 'Why it has that standing, in words.';
COMMENT ON COLUMN candidates.gain_low_percent IS 'Lower end of the interval of its gain over the best before it, paired over the validation scenarios, in per cent.';
COMMENT ON COLUMN candidates.gain_high_percent IS 'Upper end of that interval, in per cent.';
COMMENT ON COLUMN candidates.gap_percent IS 'How far its train score is above its validation score, beyond the same for the best baseline, in per cent.';
COMMENT ON COLUMN evaluations.purpose IS 'score, repeat (determinism), elite (tried again before promotion) or audit (every_tick).';

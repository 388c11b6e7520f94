#!/usr/bin/env bash
# Starts the small real model on loopback and lets it search: `scripts/demo-model.sh [CANDIDATES]`.
#
# `make demo-model` sets up what this needs. The server ends with this script, however that ends.
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/common.sh" demo-model

PATIENCE_S=120
LOG=$SETUP_DIR/model-server.log
SUMMARY="select outcome, count(*) as replies from candidates
    where iteration > 0 and experiment_id =
        (select experiment_id from experiments order by created_at desc limit 1)
    group by all order by all"

main() {
    local address='' status=0
    # The server ends when its standard input does, and nobody else holds the other end of it.
    coproc SERVER { exec "$SETUP_DIR/model/bin/python" scripts/model_server.py 2>"$LOG"; }
    begin_work
    until read -r -t 1 address <&"${SERVER[0]}"; do
        # Above 128 it waited in vain for a second; below, the server has ended.
        [ "$?" -gt 128 ] && [ $((SECONDS - WORK_BEGAN)) -lt "$PATIENCE_S" ] || break
        how_far "$LOG"
    done
    end_work
    if [ -z "$address" ]; then
        tail -n 20 "$LOG" >&2
        give_up "the model's server did not start (log: $LOG)"
    fi
    say "a real model with 135 million parameters answers at $address"
    say "it is far too small to write good policies: what it shows is that the path works"
    .venv/bin/assay run --direct --config examples/small-model.toml \
        --base-url "$address/v1" --candidates "${1:-5}" || status=$?
    say "what became of its replies:"
    .venv/bin/assay sql "$SUMMARY"
    exit "$status"
}

main "$@"

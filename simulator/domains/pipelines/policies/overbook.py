"""Overbook: one cpu and all the memory of the pool for every operator that is ready.

Made for memory overcommitment: the memory killer sorts out what does not fit, and a pipeline is
given up after three failures. Behaves like the scheduler ``overbook`` of Eudoxia (MIT licence).
"""

MAX_FAILURES = 3


@register_scheduler_init(key="overbook")
def init(s):
    s.queue = []
    s.queued = set()
    s.failures = {}


@register_scheduler(key="overbook")
def step(s, results: List[ExecutionResult], pipelines: List[Pipeline]):
    if not results and not pipelines:
        return [], []
    candidates = dict.fromkeys(pipelines)
    for result in results:
        if len(result.ops) != 1:
            raise ValueError(f"overbook runs one operator per container, got {len(result.ops)}")
        pipeline = result.ops[0].pipeline
        candidates[pipeline] = None
        if result.failed():
            s.failures[pipeline] = s.failures.get(pipeline, 0) + 1
    for pipeline in candidates:
        ready = pipeline.runtime_status().get_ops(ASSIGNABLE_STATES, require_parents_complete=True)
        for op in ready:
            if op not in s.queued:
                s.queue.append(op)
                s.queued.add(op)
    return [], serve(s)


def serve(s):
    """Assign operators from the front of the queue while a pool has a free cpu."""
    free_cpu = [pool.avail_cpu_pool for pool in s.executor.pools]
    assignments = []
    taken = 0
    for op in s.queue:
        pool = next((each for each in s.executor.pools if free_cpu[each.pool_id] >= 1), None)
        if pool is None:
            break
        taken += 1
        s.queued.discard(op)
        pipeline = op.pipeline
        given_up = s.failures.get(pipeline, 0) >= MAX_FAILURES
        if given_up or pipeline.runtime_status().has_timed_out():
            continue
        free_cpu[pool.pool_id] -= 1
        assignments.append(
            Assignment(
                ops=[op],
                cpu=1,
                ram=pool.max_ram_pool,
                priority=pipeline.priority,
                pool_id=pool.pool_id,
                pipeline_id=pipeline.pipeline_id,
            )
        )
    del s.queue[:taken]
    return assignments

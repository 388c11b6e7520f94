"""Naive: each pool gives all it has free to the next pipeline of a round-robin queue.

Its operators run in one container; when only one operator fits a container, the next one that is
ready does. Pipelines that failed once are dropped. Behaves like the scheduler ``naive`` of Eudoxia
(MIT licence).
"""


@register_scheduler_init(key="naive")
def init(s):
    s.queue = []
    s.multi = s.params["multi_operator_containers"]


@register_scheduler(key="naive")
def step(s, results: List[ExecutionResult], pipelines: List[Pipeline]):
    if not results and not pipelines:
        return [], []
    s.queue.extend(pipelines)
    assignments = []
    served = []
    taken = 0
    for pool in s.executor.pools:
        if pool.avail_cpu_pool <= 0 or pool.avail_ram_pool <= 0:
            continue
        while taken < len(s.queue):
            pipeline = s.queue[taken]
            taken += 1
            status = pipeline.runtime_status()
            failed = status.state_counts[OperatorState.FAILED] > 0
            if failed or status.is_pipeline_successful() or status.has_timed_out():
                continue
            served.append(pipeline)
            ops = ready_operators(s, status)
            if ops:
                assignments.append(
                    Assignment(
                        ops=ops,
                        cpu=pool.avail_cpu_pool,
                        ram=pool.avail_ram_pool,
                        priority=pipeline.priority,
                        pool_id=pool.pool_id,
                        pipeline_id=pipeline.pipeline_id,
                    )
                )
                break
    s.queue = s.queue[taken:] + served
    return [], assignments


def ready_operators(s, status):
    if s.multi:
        return status.get_ops(ASSIGNABLE_STATES)
    return status.get_ops(ASSIGNABLE_STATES, require_parents_complete=True)[:1]

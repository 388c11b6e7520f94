"""Runs the job with the shortest estimate first."""


@register_queue_init(key="shortest")
def init(queue):
    pass


@register_queue(key="shortest")
def step(queue):
    if queue.running is not None or not queue.waiting:
        return None
    return min(queue.waiting, key=lambda job: (job.estimate, job.number))

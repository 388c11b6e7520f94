"""Runs jobs in the order in which they came."""


@register_queue_init(key="fifo")
def init(queue):
    pass


@register_queue(key="fifo")
def step(queue):
    if queue.running is not None or not queue.waiting:
        return None
    return queue.waiting[0]

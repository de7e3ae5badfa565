"""However calls come, wait and leave, no more are at a backend than may be, and none waits beside a free place."""

import asyncio
from time import monotonic

from hypothesis import given
from hypothesis import strategies as st

from dragoman.errors import UpstreamBusy
from dragoman.guard.options import Concurrency
from dragoman.guard.slots import Slots

STEPS = st.lists(st.tuples(st.sampled_from(["come", "leave", "give up"]), st.integers(0, 30)), max_size=60)


@given(limit=st.integers(1, 4), queue=st.integers(0, 4), steps=STEPS)
def test_places_are_never_too_many_and_never_wasted(limit, queue, steps):
    asyncio.run(_play(Slots(Concurrency(limit=limit, queue=queue, wait="60s")), limit, queue, steps))


async def _play(slots, limit, queue, steps):
    inside, waiting = [], []

    async def come(number):
        await slots.enter(monotonic() + 60)
        inside.append(number)

    for number, (step, which) in enumerate(steps):
        if step == "come":
            full = len(inside) >= limit and len(waiting) >= queue
            task = asyncio.create_task(come(number))
            await asyncio.sleep(0)
            if full:
                assert isinstance(task.exception() if task.done() else None, UpstreamBusy)
            elif not task.done():
                waiting.append(task)
        elif step == "leave" and inside:
            inside.pop(which % len(inside))
            slots.leave(0.0)
        elif step == "give up" and waiting:
            task = waiting.pop(which % len(waiting))
            task.cancel()
            await asyncio.wait([task])
        for _ in range(3):
            await asyncio.sleep(0)
        waiting = [task for task in waiting if not task.done()]
        assert len(inside) <= limit
        assert not waiting or len(inside) == limit
        assert len(waiting) <= queue
    for task in waiting:
        task.cancel()
    if waiting:
        await asyncio.wait(waiting)


async def test_those_who_wait_get_their_turn_in_the_order_they_came():
    slots, order = Slots(Concurrency(limit=1, queue=10, wait="60s")), []

    async def visit(number):
        await slots.enter(monotonic() + 60)
        order.append(number)
        await asyncio.sleep(0.01)
        slots.leave(0.01)

    await asyncio.gather(*(visit(number) for number in range(6)))
    assert order == list(range(6))


async def test_a_call_that_is_due_before_its_turn_is_told_at_once():
    slots = Slots(Concurrency(limit=1, queue=10, wait="60s"))
    for _ in range(20):
        await slots.enter(monotonic() + 60)
        slots.leave(10.0)
    await slots.enter(monotonic() + 60)
    began = monotonic()
    try:
        await slots.enter(began + 1)
    except UpstreamBusy:
        assert monotonic() - began < 0.5
    else:
        raise AssertionError("it waited")

"""Streams that pass the gate, on a loop with virtual time."""

import asyncio
import gc
import logging
from typing import Any, cast

import pytest

from rime_core import CLUSTER, ENDPOINT, Peer, Plane
from rime_grpc import stream as streams
from rime_grpc.admission import LOG_INTERVAL
from rime_grpc.config import Config
from rime_grpc.gate import Gate, Pass
from rime_grpc.services import DELTA, Method
from rime_grpc.stream import Stream
from rime_grpc.turns import PUSHES, STALLED
from tests.rime_grpc.clients import Request
from tests.rime_grpc.fake_context import FakeContext
from tests.rime_grpc.virtual_loop import VirtualLoop


def run(story):
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(story)


async def answer(passing, *, seconds=0.0, responses=1):
    """What a stream does for one batch."""
    await passing.enter()
    for _ in range(responses):
        await asyncio.sleep(seconds)
        passing.moved()
    passing.leave(answered=True)


def test_all_are_answered_and_never_more_at_a_time_than_allowed():
    async def story():
        gate = Gate(Config(first_answers=3))
        order, most = [], 0

        async def stream(number):
            nonlocal most
            passing = Pass(gate)
            await passing.enter()
            order.append(number)
            most = max(most, gate.turns.under_way)
            await asyncio.sleep(0.1)
            passing.leave(answered=True)

        await asyncio.gather(*(stream(number) for number in range(50)))
        assert order == list(range(50))
        assert most == 3
        assert (gate.turns.under_way, gate.turns.waiting) == (0, 0)

    run(story())


def test_a_stream_with_nothing_to_say_still_owes_its_first_answer():
    async def story():
        passing = Pass(Gate(Config()))
        await passing.enter()
        passing.leave(answered=False)
        assert not passing.answered
        await answer(passing)
        assert passing.answered

    run(story())


def test_clients_that_do_not_read_hold_up_those_behind_them_once():
    async def story():
        gate = Gate(Config(first_answers=2))
        stalled = [asyncio.create_task(answer(Pass(gate), seconds=1e9)) for _ in range(2)]
        await asyncio.sleep(0)
        began = gate.loop.time()
        await asyncio.gather(*(answer(Pass(gate)) for _ in range(100)))
        assert gate.loop.time() == began + STALLED
        for task in stalled:
            task.cancel()

    run(story())


def test_a_client_that_reads_slowly_but_reads_keeps_its_place():
    async def story():
        gate = Gate(Config(first_answers=1))
        slow = asyncio.create_task(answer(Pass(gate), seconds=STALLED * 0.9, responses=10))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(answer(Pass(gate)))
        await slow
        assert not waiting.done()
        await waiting

    run(story())


def test_pushes_get_on_while_every_first_answer_is_stalled():
    async def story():
        gate = Gate(Config(first_answers=1))
        served = [Pass(gate) for _ in range(3 * PUSHES)]
        for passing in served:
            await answer(passing)
        first = [asyncio.create_task(answer(Pass(gate), seconds=1e9)) for _ in range(2)]
        await asyncio.sleep(0)
        assert gate.turns.waiting == 1
        began, done = gate.loop.time(), []

        async def push(passing):
            await passing.enter()
            done.append(passing)
            passing.leave(answered=True)

        pushing = asyncio.gather(*(push(passing) for passing in served))
        counts = []
        while len(done) < len(served):
            await asyncio.sleep(0)
            counts.append(len(done))
        await pushing
        assert set(counts) == {0, PUSHES, 2 * PUSHES, 3 * PUSHES}, "some in each round"
        assert gate.loop.time() == began
        for task in first:
            task.cancel()

    run(story())


def test_a_stream_that_ends_while_it_waits_waits_no_longer():
    async def story():
        gate = Gate(Config(first_answers=1))
        holder, ending = Pass(gate), Pass(gate)
        await holder.enter()
        waiting = asyncio.create_task(ending.enter())
        await asyncio.sleep(0)
        ending.give_up()
        await waiting
        ending.leave(answered=False)
        assert gate.turns.waiting == 0
        ending.give_up()

    run(story())


def test_in_peace_nothing_is_scheduled():
    async def story():
        gate = Gate(Config())
        await asyncio.gather(*(answer(Pass(gate)) for _ in range(5)))
        assert gate._passing_over is None
        assert not gate._letting_through

    run(story())


@pytest.mark.parametrize(
    ("config", "option", "code"),
    [
        (Config(max_streams=1), "max_streams", "UNAVAILABLE"),
        (Config(max_streams_per_address=1), "max_streams_per_address", "RESOURCE_EXHAUSTED"),
    ],
)
def test_a_refusal_is_logged_once_in_a_while(config, option, code, caplog):
    async def story():
        gate = Gate(config)
        assert gate.admit("10.0.0.1:1") is None
        for port in range(2, 102):
            refusal = gate.admit(f"10.0.0.1:{port}")
            assert refusal is not None
            assert refusal.code == code
        await asyncio.sleep(LOG_INTERVAL)
        gate.admit("10.0.0.1:102")
        gate.gone("10.0.0.1:1")
        assert gate.admit("10.0.0.1:1") is None

    run(story())
    first, second = (record for record in caplog.records if record.levelno == logging.WARNING)
    assert first.getMessage().startswith("a client at 10.0.0.1:2 is refused: 1 streams")
    assert first.getMessage().endswith(f"which is {option}")
    assert "(and 99 more like it since the last such line" in second.getMessage()


# --- a fleet that comes back

CROWD = 5000

OTHERS = 40
"""Clients that have their first answer, and are pushed a change as soon as all of them have the one before."""


class Counting(Pass):
    """Counts the first answers that are being given, from outside of what limits them."""

    now = most = 0

    async def enter(self):
        await super().enter()
        if not self.answered:
            Counting.now += 1
            Counting.most = max(Counting.most, Counting.now)

    def leave(self, *, answered):
        if not self.answered:
            Counting.now -= 1
        super().leave(answered=answered)


def test_5000_clients_that_come_back_at_once_are_served_and_pushes_to_others_go_on(monkeypatch):
    monkeypatch.setattr(streams, "Pass", Counting)

    async def story():
        loop = cast("VirtualLoop", asyncio.get_running_loop())
        plane, config = Plane(), Config()
        for number in range(50):
            plane.apply(CLUSTER, f"c{number}", b"%d" % number)
        plane.apply(ENDPOINT, "e", b"0")
        gate = Gate(config)
        tasks = []

        def come(number, seconds, **request):
            context = FakeContext(seconds)
            peer = Peer(f"10.0.{number >> 8}.{number & 255}:1")
            stream = Stream(Method("", DELTA), plane.server(), cast("Any", context), peer, config, gate)
            tasks.append(asyncio.create_task(stream.run()))
            context.requests.put_nowait(Request(node={"id": str(number)}, **request).SerializeToString())
            return context

        others = [come(number, 0.001, type_url=ENDPOINT, resource_names_subscribe=["e"]) for number in range(OTHERS)]
        for other in others:
            await other.responses.get()

        crowd = [come(number, 0.001, type_url=CLUSTER) for number in range(CROWD)]
        order = []

        async def answered(number):
            await crowd[number].responses.get()
            order.append(number)

        waiting = [asyncio.create_task(answered(number)) for number in range(CROWD)]
        while gate.turns.waiting + gate.turns.under_way < CROWD:  # noqa: ASYNC110 - nobody tells that all have come
            await asyncio.sleep(0)
        waits = []
        while gate.turns.waiting:
            plane.apply(ENDPOINT, "e", b"%d" % loop.rounds)
            since = loop.rounds
            for other in others:
                await other.responses.get()
            waits.append(loop.rounds - since)
        await asyncio.gather(*waiting)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        assert Counting.most == config.first_answers
        assert len(order) == CROWD
        assert max(abs(place - number) for place, number in enumerate(order)) < config.first_answers
        assert len(waits) >= 50, "changes went on all the while"
        # eight in a round are let through; the other rounds are the steps from a change to a client that has it
        assert max(waits) <= OTHERS / PUSHES + 8

    run(story())


def test_what_is_left_of_a_stream_that_passed_is_freed_at_once():
    async def story():
        gate = Gate(Config(first_answers=1))
        passing = [Pass(gate) for _ in range(2)]
        await passing[0].enter()
        waiting = asyncio.create_task(passing[1].enter())
        await asyncio.sleep(0)
        passing[0].leave(answered=True)
        await waiting
        passing[1].leave(answered=True)
        del passing, waiting
        assert not any(isinstance(each, Pass) for each in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        run(story())
    finally:
        gc.enable()

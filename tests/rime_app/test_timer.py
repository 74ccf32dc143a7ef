"""The timer is the loop that runs when it is asked."""

import asyncio

import pytest

from rime_app.timer import LoopTimer


def test_it_is_made_before_the_loop_runs_and_has_its_time_and_its_calls():
    timer = LoopTimer()

    async def run():
        loop = asyncio.get_running_loop()
        assert timer.time() == pytest.approx(loop.time(), abs=1.0)
        called = loop.create_future()
        at = timer.time() + 0.001
        timer.call_at(at, lambda: called.set_result(loop.time()))
        assert await called >= at - 1e-6

    asyncio.run(run())

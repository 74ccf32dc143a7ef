"""Waiting for what is to become true, instead of for a time."""

import asyncio
import inspect

STEP = 0.01
PATIENCE = 30.0
"""Seconds. Nearly everything takes one or two; Envoy's pauses before it reconnects double, and are random."""


async def eventually(look, *, within=PATIENCE):
    """What `look`, plain or async, answers once that is true.

    An AssertionError in it means "not yet", as does what one meets where nothing listens or writes yet.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while True:
        seen = None
        try:
            seen = look()
            if inspect.isawaitable(seen):
                seen = await seen
        except (AssertionError, OSError, EOFError) as not_yet:
            seen, why = None, repr(not_yet)
        else:
            why = repr(seen)
        if seen:
            return seen
        assert loop.time() < deadline, f"after {within:g} s it is still {why}"
        await asyncio.sleep(STEP)

"""A watch that brings nothing for minutes, but bookmarks: it is neither given up nor begun anew, and still works."""

import time

import pytest

from tests.integration.waiting import eventually

from .test_list_and_watch import put

MINUTES = 130.0
"""Seconds. The API server sends a bookmark each minute or so."""


@pytest.mark.asyncio
async def test_a_watch_that_was_idle_for_minutes_brings_what_changes_then(idle):
    """The last test of a run. Where that has been too short, and where others have just restarted the API server, so
    that the watch is a younger one, it waits for what is missing of two minutes.
    """
    await eventually(lambda: idle.seconds >= MINUTES, within=MINUTES + 60)
    opened, lists, connections = idle.opened, idle.follower.reflector.lists, idle.relay.connections
    assert time.monotonic() - idle.follower.heard < 100, "by a bookmark"
    put(idle.namespace, "a", "1")
    await eventually(lambda: idle.follower.told)

    [change] = idle.follower.told
    assert (change.key, change.new) == ((idle.namespace.name, "a"), "1")
    assert (idle.opened, idle.follower.reflector.lists, idle.relay.connections) == (opened, lists, connections)

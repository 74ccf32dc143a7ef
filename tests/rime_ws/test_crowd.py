"""The feed of a thousand clients that change for a minute, in virtual time: what it costs who reads, and who does not.

`python -m tests.integration.measure_look` measures the same over real connections, and in front of a browser.
"""

import tracemalloc

from rime_core import CLUSTER, Node, Plane
from tests.rime_ws.talk import Clock, FakeEnvoy, Talk

CLIENTS = 1000
SECONDS = 60
CHANGES = 40
TICKS = 25
"""Looks of who reads, from one change to the next: more often than the feed speaks."""


def test_a_thousand_clients_that_change_for_a_minute_take_no_more_memory_in_the_end():
    plane, clock = Plane(), Clock()
    plane.apply(CLUSTER, "a", b"0")
    server = plane.server()
    envoys = [
        FakeEnvoy(server, Node(id=f"edge-{number}"), clock, peer=f"10.0.0.1:{number}").ask(CLUSTER).catch_up()
        for number in range(CLIENTS)
    ]
    reading, stuck = Talk(server, clock), Talk(server, clock)
    for talk in (reading, stuck):
        talk.say(message="subscribe", feed="clients", id="all")
    told = {each["client"]: each for message in reading.heard() for each in message["clients"]}
    assert len(told) == CLIENTS

    memory, latest = [], ""
    tracemalloc.start()
    try:
        for number in range(1, CHANGES + 1):
            plane.apply(CLUSTER, "a", b"%d" % number)
            for envoy in envoys:
                envoy.catch_up()
            for _ in range(TICKS):
                clock.time += SECONDS / CHANGES / TICKS
                for message in iter(reading.session.message, None):
                    latest = message
            memory.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()

    tenth = CHANGES // 10
    assert max(memory[-tenth:]) < max(memory[:tenth]) + 100_000
    assert f'"sent":{CHANGES + 1},' in latest
    clock.time += 1
    late = {each["client"]: each for message in stuck.heard() for each in message["clients"]}
    assert {each["types"][0]["sent"] for each in late.values()} == {CHANGES + 1}
    assert len(late) == CLIENTS

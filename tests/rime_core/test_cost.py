"""What one change costs does not depend on how much there is.

Nothing is timed, and nothing that the kernel counts itself is asked. What one act touches is counted from outside: the
bytecodes that it runs; how often a name is hashed or compared (the names are of a subclass of `str` that counts); and
the peak of the memory that it allocates, which sees what C code copies (`list(names)`, `dict(entries)`, `tuple(...)`).

What this cannot see is C code that walks over something and neither hashes it nor copies it: the holes that deleted
keys leave in a dict. Against that there is only the choice of the container: whatever is walked from its end while
names move within it is an `OrderedDict`, a linked list, or rime's own (`rime_core.chain`), whose steps are bytecodes.
"""

import gc
import itertools
import sys
import tracemalloc
from collections import OrderedDict
from typing import NamedTuple

import pytest

from rime_core import CLUSTER, ENDPOINT, Plane, Subscriber
from rime_core.node import TTL, Node
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.messages import DeltaRequest, DiscoveryRequest
from rime_core.protocol.sotw import SotwStream
from rime_grpc import wire

FEW, MANY = 100, 100_000
WARM = 20
"""Acts before the one that is counted, so that what is done once in a while has been done as often everywhere."""

KIB = 1024


class Name(str):
    """A name that counts how often it is looked at."""

    __slots__ = ()
    looks = 0

    def __hash__(self):
        Name.looks += 1
        return super().__hash__()

    def __eq__(self, other):
        Name.looks += 1
        return super().__eq__(other)

    def __ne__(self, other):
        Name.looks += 1
        return super().__ne__(other)


class Cost(NamedTuple):
    """What one act touches."""

    bytecodes: int
    looks: int
    memory: int


def assert_same(one, other):
    assert one[:2] == other[:2]
    # what an int or a dict takes differs by a few bytes; a copy of 100,000 references takes 800,000
    assert abs(one.memory - other.memory) < 2 * KIB, (one, other)


def bytecodes_of(act):
    """How many bytecodes `act` runs."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return count


def cost(act, before=lambda: None, warm=WARM):
    """What `act` costs once it is warm; it must do the same each time. What is done `before` it does not count."""
    for _ in range(warm):
        before()
        act()
    gc.collect()
    gc.disable()
    try:
        before()
        bytecodes = bytecodes_of(act)
        before()
        Name.looks = 0
        act()
        looks = Name.looks
        before()
        tracemalloc.start()
        act()
        memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    finally:
        gc.enable()
    return Cost(bytecodes, looks, memory)


class World:
    """A Plane of `n` resources of one type, and what can be done with one of them."""

    def __init__(self, n):
        self.names = [Name(f"n{each}") for each in range(n)]
        self.hot = self.names[n // 2]
        self.content = 0
        self.plane = Plane()
        self.plane.replace(CLUSTER, dict.fromkeys(self.names, b"old"))
        self.server = self.plane.server()
        self._opened = []

    def reading(self, names=None, **options):
        subscriber = self.server.subscribe(CLUSTER, names, **options)
        while (update := subscriber.initial() if subscriber._cursor < 0 else subscriber.poll()) is not None:
            subscriber.acknowledge_update(update)
        self._opened.append(subscriber)
        return subscriber

    def streaming(self):
        """A stream that was sent everything."""
        stream = DeltaStream(self.server)
        stream.receive(DeltaRequest(CLUSTER))
        for response in stream.responses():
            stream.receive(DeltaRequest(CLUSTER, nonce=response.nonce))
        self._opened.append(stream)
        return stream

    def close(self):
        """Nobody reads any more."""
        while self._opened:
            self._opened.pop().close()

    def change(self):
        self.content += 1
        assert self.plane.apply(CLUSTER, self.hot, b"%09d" % self.content)

    def change_all(self):
        self.content += 1
        assert self.plane.replace(CLUSTER, dict.fromkeys(self.names, b"%09d" % self.content))


@pytest.fixture(scope="module")
def kept_worlds():
    return {n: World(n) for n in (FEW, MANY)}


@pytest.fixture
def worlds(kept_worlds):
    """Two that differ in how much there is: whatever is done, is done in both."""
    yield kept_worlds
    for world in kept_worlds.values():
        world.close()


# --- what is done


def apply_changed(world):
    return world.change


def apply_unchanged(world):
    world.change()
    return lambda: world.plane.apply(CLUSTER, world.hot, b"%09d" % world.content)


def remove_and_apply(world):
    def act():
        assert world.plane.remove(CLUSTER, world.hot)
        world.change()

    return act


def apply_poll_and_acknowledge(world, names=None):
    subscriber = world.reading(names)

    def act():
        world.change()
        update = subscriber.poll()
        assert [resource.name for resource in update.resources] == [world.hot]
        subscriber.acknowledge_update(update)
        assert subscriber.poll() is None

    return act


def apply_poll_and_acknowledge_by_name(world):
    subscriber = world.reading()

    def act():
        world.change()
        (resource,) = subscriber.poll().resources
        subscriber.acknowledge(resource.name, resource.version)
        assert subscriber.acknowledged(world.hot) == resource.version

    return act


def apply_poll_and_tell_the_version_of_all(world, names=None):
    subscriber = world.reading(names)
    told: set[str] = set()

    def act():
        world.change()
        subscriber.acknowledge_update(subscriber.poll())
        before = len(told)
        told.add(subscriber.version())
        assert len(told) == before + 1

    return act


def apply_poll_and_reject(world):
    subscriber = world.reading()

    def act():
        world.change()
        subscriber.reject(subscriber.poll(), "no")

    return act


def one_name_changed_often_then_polled(world):
    subscriber = world.reading()

    def act():
        for _ in range(50):
            world.change()
        assert len(subscriber.poll().resources) == 1

    return act


def a_poll_for_nothing(world):
    subscriber = world.reading()
    return subscriber.poll


def a_name_asked_for_beside_the_wildcard(world):
    subscriber = world.reading(["*", world.names[0]])

    def act():
        subscriber.add([world.hot])
        assert len(subscriber.poll().resources) == 1
        subscriber.discard([world.hot])
        assert len(subscriber.poll().resources) == 1

    return act


def a_stream_that_is_sent_a_change(world):
    stream = world.streaming()

    def act():
        world.change()
        (response,) = stream.responses()
        stream.receive(DeltaRequest(CLUSTER, nonce=response.nonce))

    return act


@pytest.mark.parametrize(
    "acts",
    [
        apply_changed,
        apply_unchanged,
        remove_and_apply,
        apply_poll_and_acknowledge,
        apply_poll_and_acknowledge_by_name,
        apply_poll_and_tell_the_version_of_all,
        apply_poll_and_reject,
        one_name_changed_often_then_polled,
        a_poll_for_nothing,
        a_name_asked_for_beside_the_wildcard,
        a_stream_that_is_sent_a_change,
    ],
)
def test_it_costs_the_same_among_100_and_among_100_000(worlds, acts):
    few = cost(acts(worlds[FEW]))
    assert_same(few, cost(acts(worlds[MANY])))
    assert few.memory < 16 * KIB


@pytest.mark.parametrize(("named", "resources"), [(1_000, MANY), (MANY, MANY)])
def test_it_costs_the_same_for_who_names_a_hundred_and_who_names_more(worlds, named, resources):
    def acts(world, named):
        names = [world.hot, *world.names[: named - 1]]
        return [apply_poll_and_acknowledge(world, names), apply_poll_and_tell_the_version_of_all(world, names)]

    for few, more in zip(acts(worlds[FEW], FEW), acts(worlds[resources], named), strict=True):
        assert_same(cost(few), cost(more))


@pytest.mark.parametrize("sharing", [1, 3])
def test_it_costs_the_same_for_who_names_what_others_name_too(sharing):
    def act(named):
        world = World(named)
        readers = [world.reading(world.names) for _ in range(1 + sharing)]

        def act():
            world.change()
            for reader in readers:
                reader.acknowledge_update(reader.poll())

        world.change_all()
        for reader in readers:
            reader.acknowledge_update(reader.poll())
        return act

    assert_same(cost(act(FEW)), cost(act(10_000)))


def test_to_name_one_more_as_others_did_costs_the_same_among_100_and_10_000_names():
    """Also where the others did so a moment ago, and something else of the type had changed before."""

    def cost_of_second(named):
        world = World(named)
        first, second, _ = (world.reading(world.names) for _ in range(3))
        fresh = [Name("fresh")]

        def back():
            for each in (first, second):
                each.discard(fresh)
                each.poll()
            world.content += 1
            world.plane.apply(CLUSTER, "other", b"%d" % world.content)
            first.add(fresh)
            first.poll()

        def act():
            second.add(fresh)
            assert second.poll().removed == ("fresh",)

        return cost(act, before=back)

    assert_same(cost_of_second(FEW), cost_of_second(10_000))


@pytest.mark.parametrize("named", [False, True])
def test_a_large_change_is_worked_out_once_and_settled_at_once(named):
    """For the second who needs it, it costs the same whether it is large or small."""

    def cost_of_second(n):
        world = World(n)
        first, second = (world.reading(world.names if named else None) for _ in range(2))

        def change_all():
            world.change_all()
            first.acknowledge_update(first.poll())

        def act():
            update = second.poll()
            assert len(update.resources) == n
            second.acknowledge_update(update)

        return cost(act, before=change_all, warm=3)

    assert_same(cost_of_second(FEW), cost_of_second(2_000))


def test_the_first_answer_is_worked_out_once(worlds):
    def act(world):
        world.reading()

        def act():
            with world.server.subscribe(CLUSTER) as subscriber:
                subscriber.initial()

        return act

    assert_same(cost(act(worlds[FEW])), cost(act(worlds[MANY])))


@pytest.mark.parametrize("in_group", [False, True])
def test_heartbeats_are_worked_out_once_for_all(in_group):
    """For the second who needs them, they cost the same however many there are."""

    def act(resources):
        plane = Plane()
        for number in range(resources):
            plane.apply(CLUSTER, f"n{number}", b"", ttl=10)
        if in_group:
            plane = Plane(base=plane)
        now = [0.0]
        node = Node(client_features=frozenset({TTL}))
        first, second = (DeltaStream(plane.server(), clock=lambda: now[0]) for _ in range(2))
        for stream in (first, second):
            stream.receive(DeltaRequest(CLUSTER, node))
            stream.receive(DeltaRequest(CLUSTER, nonce=stream.responses()[0].nonce))

        def renew(stream=first):
            (response,) = stream.responses()
            assert len(response.update.resources) == resources
            stream.receive(DeltaRequest(CLUSTER, nonce=response.nonce))

        def before():
            now[0] += 10
            renew()

        return cost(lambda: renew(second), before=before, warm=3)

    assert_same(act(FEW), act(1_000))


def test_a_change_costs_the_same_whoever_named_others():
    def act(strangers):
        world = World(FEW)
        for each in range(strangers):
            world.reading([Name(f"strange{each}")])
        return apply_changed(world)

    assert_same(cost(act(1)), cost(act(500)))


# --- groups


class Family:
    """A base of many resources, and groups that have a few of their own."""

    def __init__(self, groups, resources=FEW):
        self.names = [Name(f"n{each}") for each in range(resources)]
        self.hot = self.names[resources // 2]
        self.content = 0
        self.base = Plane()
        self.base.replace(CLUSTER, dict.fromkeys(self.names, b"old"))
        self.groups = [Plane(base=self.base) for _ in range(groups)]
        for group in self.groups:
            group.apply(CLUSTER, "own", b"own")
            group.apply(CLUSTER, self.names[0], b"own")

    def reading(self, group, names=None, **options):
        subscriber = group.server().subscribe(CLUSTER, names, **options)
        subscriber.acknowledge_update(subscriber.initial())
        subscriber.poll()
        return subscriber

    def change(self, plane):
        self.content += 1
        assert plane.apply(CLUSTER, self.hot, b"%09d" % self.content)


def test_a_change_of_the_base_costs_the_same_whatever_the_number_of_groups():
    def act(groups):
        family = Family(groups)
        return lambda: family.change(family.base)

    one = cost(act(1))
    assert_same(one, cost(act(10)))
    assert_same(one, cost(act(100)))


@pytest.mark.parametrize("named", [False, True])
def test_a_change_of_a_group_costs_the_same_whatever_the_number_of_others_and_their_clients(named):
    def act(groups):
        family = Family(groups)
        for group in family.groups:
            family.reading(group, family.names if named else None, wake=lambda: None)
        first = family.groups[0]
        subscriber = family.reading(first, family.names if named else None)

        def act():
            family.change(first)
            subscriber.acknowledge_update(subscriber.poll())

        return act

    one = cost(act(1))
    assert_same(one, cost(act(10)))
    assert_same(one, cost(act(100)))


def test_a_change_of_a_group_costs_the_same_whatever_others_asked_for():
    """Neither those of other groups who asked for this name, nor those of the group who asked for others."""

    def act(others, ours):
        family = Family(1 + others)
        first = family.groups[0]
        for each, group in enumerate(family.groups):
            family.reading(group, [family.hot, Name(f"other{each}")])
        for each in range(ours):
            family.reading(first, [Name(f"ours{each}")])
        return lambda: family.change(first)

    # of the two that hold the name in the first case, the sets of the group are looked through; in the second its own
    assert_same(cost(act(1, 0)), cost(act(100, 0)))
    assert_same(cost(act(0, 1)), cost(act(0, 500)))


def test_a_group_without_resources_of_the_type_is_answered_as_its_base_is():
    def act(resources):
        family = Family(2, resources)
        plain = Plane(base=family.base)
        family.reading(family.base)

        def act():
            with plain.server().subscribe(CLUSTER) as subscriber:
                assert len(subscriber.initial().resources) == resources

        return act

    assert_same(cost(act(FEW)), cost(act(10_000)))


def test_the_first_answer_to_names_of_which_a_group_has_nothing_is_the_bases():
    def act(named):
        family = Family(2, named)
        names = family.names[1:]
        family.reading(family.base, names)
        opened: list[Subscriber] = []

        def open_another():
            while opened:
                opened.pop().close()
            opened.append(family.groups[0].server().subscribe(CLUSTER, names))

        def act():
            assert len(opened[0].initial().resources) == named - 1

        return cost(act, before=open_another, warm=3)

    assert_same(act(FEW), act(2_000))


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("has_own", [False, True])
def test_a_large_change_of_the_base_is_worked_out_once_for_all_groups(named, has_own):
    """For the client of a second group it costs the same whether it is large or small."""

    def act(resources):
        family = Family(2, resources)
        groups = family.groups if has_own else [Plane(base=family.base) for _ in range(2)]
        names = family.names[1:] if named else None
        first, second = (family.reading(group, names) for group in groups)

        def change_all():
            family.content += 1
            family.base.replace(CLUSTER, dict.fromkeys(family.names[1:], b"%09d" % family.content))
            first.acknowledge_update(first.poll())

        def act():
            second.acknowledge_update(second.poll())

        return cost(act, before=change_all, warm=3)

    assert_same(act(FEW), act(2_000))


def test_to_name_one_more_costs_the_same_whatever_the_groups_have_seen():
    """Nobody's cursor is too old for a set because another group, or the base, has changed since."""

    def act(named):
        family = Family(2, named)
        first, second = family.groups
        fresh = [Name("fresh")]
        one, other = (family.reading(group, family.names) for group in (first, second))
        keeps = [family.reading(group, family.names) for group in family.groups]

        def back():
            for each in (one, other):
                each.discard(fresh)
                each.poll()
            family.change(first)
            keeps[0].poll()
            one.add(fresh)
            one.poll()

        def act():
            other.add(fresh)
            assert "fresh" in other.poll().removed

        return cost(act, before=back)

    assert_same(act(FEW), act(10_000))


def test_a_late_rejection_costs_the_same_however_much_changed_since(worlds):
    def act(world, changes):
        subscriber = world.reading()
        world.plane.apply(CLUSTER, "other", b"")
        others = world.names[:changes]

        def act():
            world.change()
            update = subscriber.poll()
            world.content += 1
            with world.plane.transaction() as change:
                for name in others:
                    change.apply(CLUSTER, name, b"%09d" % world.content)
            subscriber.acknowledge_update(subscriber.poll())
            return subscriber, update

        return act

    def rejecting(world, changes):
        prepare = act(world, changes)
        sent = []
        return cost(lambda: sent[-1][0].reject(sent[-1][1], "no"), before=lambda: sent.append(prepare()), warm=3)

    world = worlds[FEW]
    assert_same(rejecting(world, 2), rejecting(world, 40))


@pytest.mark.parametrize("named", [False, True])
def test_what_a_client_of_a_group_is_sent_costs_the_same_among_100_and_among_10_000(named):
    def act(resources):
        family = Family(2, resources)
        group = family.groups[0]
        subscribers = [family.reading(group, family.names if named else None) for _ in range(2)]

        def act():
            for plane in (family.base, group):
                family.change(plane)
                for subscriber in subscribers:
                    subscriber.acknowledge_update(subscriber.poll())
            assert group.remove(CLUSTER, family.hot)
            for subscriber in subscribers:
                subscriber.acknowledge_update(subscriber.poll())

        return act

    assert_same(cost(act(FEW)), cost(act(10_000)))


@pytest.mark.parametrize("named", [False, True])
def test_a_change_of_the_base_wakes_each_who_waits_for_it_once_and_looks_at_no_other_resource(named):
    """Each group more with a client costs as much as the one before."""

    def cost_of(groups):
        family = Family(groups)
        wakes = []
        subscribers = [
            family.reading(group, family.names if named else None, wake=lambda: wakes.append(1))
            for group in family.groups
        ]

        def act():
            wakes.clear()
            family.change(family.base)
            assert len(wakes) == groups
            sent = {id(subscriber.poll()) for subscriber in subscribers}
            assert len(sent) == 1

        return cost(act)

    ten, twenty, hundred = (cost_of(groups).looks for groups in (10, 20, 100))
    assert hundred - ten == 9 * (twenty - ten)
    assert (twenty - ten) / 10 < 20


def test_a_group_takes_the_same_whatever_its_base_has():
    def size(resources):
        family = Family(1, resources)
        family.reading(family.groups[0], family.names)
        gc.collect()
        tracemalloc.start()
        group = Plane(base=family.base)
        group.apply(CLUSTER, "own", b"own")
        subscriber = family.reading(group)
        gc.collect()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert subscriber
        return size

    few, many = size(FEW), size(10_000)
    assert abs(many - few) < KIB
    assert many < 32 * KIB


# --- size


@pytest.mark.parametrize("n", [FEW, MANY])
def test_an_idle_wildcard_subscriber_takes_less_than_a_kibibyte_whatever_there_is(worlds, n):
    world = worlds[n]

    def fifty():
        subscribers = [world.reading(wake=wake) for _ in range(50)]
        world.change()
        for subscriber in subscribers:
            subscriber.acknowledge_update(subscriber.poll())
        return subscribers

    def wake():
        """Nobody waits."""

    kept, sizes = [fifty()], []
    for _ in range(2):  # a table of many that is made anew in the one is not in the other
        gc.collect()
        tracemalloc.start()
        kept.append(fifty())
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0] / 50)
        tracemalloc.stop()
    assert min(sizes) < KIB


# --- encoding


class Calls:
    """Counts the calls of Python functions by name, from outside."""

    def __init__(self, module):
        self._file = module.__file__
        self.by_name = {}

    def __enter__(self):
        sys.setprofile(self._called)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)

    def _called(self, frame, event, _):
        if event == "call" and frame.f_code.co_filename == self._file:
            name = frame.f_code.co_name
            self.by_name[name] = self.by_name.get(name, 0) + 1


def connected(server, names, how_many):
    """Streams that were sent all there is and acknowledged it."""
    streams = [DeltaStream(server) for _ in range(how_many)]
    for stream in streams:
        stream.receive(DeltaRequest(ENDPOINT, subscribe=names))
        for response in stream.responses():
            wire.encode(response)
            stream.receive(DeltaRequest(ENDPOINT, nonce=response.nonce))
    return streams


@pytest.mark.parametrize("names", [["*"], [f"e{each}" for each in range(10_000)]], ids=["wildcard", "10,000 names"])
def test_one_change_is_encoded_once_for_1_and_for_200(names):
    calls = {}
    for how_many in (1, 200):
        plane = Plane()
        plane.replace(ENDPOINT, {f"e{each}": b"old" for each in range(10_000)})
        streams = connected(plane.server(), names, how_many)
        plane.apply(ENDPOINT, "e5000", b"new")
        batches = [stream.responses() for stream in streams]
        with Calls(wire) as counted:
            sent = [wire.encode(response) for batch in batches for response in batch]
        assert len(sent) == how_many
        assert len({id(each) for each in sent}) == 1, "the same bytes, nonce included"
        calls[how_many] = {name: count for name, count in counted.by_name.items() if name != "encode"}
    assert calls[1]
    assert calls[1] == calls[200]


@pytest.mark.parametrize("names", [["*"], [f"e{each}" for each in range(1_000)]], ids=["wildcard", "1,000 names"])
def test_one_change_of_a_base_is_encoded_once_for_all_groups(names):
    base = Plane()
    base.replace(ENDPOINT, {f"e{each}": b"old" for each in range(1_000)})
    groups = [Plane(base=base) for _ in range(20)]
    for group in groups:
        group.apply(ENDPOINT, "own", b"own")
    streams = [stream for group in groups for stream in connected(group.server(), names, 1)]
    base.apply(ENDPOINT, "e500", b"new")
    sent = [wire.encode(response) for stream in streams for response in stream.responses()]
    assert len(sent) == 20
    assert len({id(each) for each in sent}) == 1, "the same bytes, nonce included"


def test_all_there_is_is_encoded_once_for_who_asks_for_the_same_at_the_same_time():
    names = [f"e{each}" for each in range(1_000)]
    calls = []
    for how_many in (1, 20):
        plane = Plane()
        plane.replace(ENDPOINT, dict.fromkeys(names, b"x"))
        with Calls(wire) as counted:
            connected(plane.server(), names, how_many)
        calls.append({name: count for name, count in counted.by_name.items() if name != "encode"})
    assert calls[0] == calls[1]


@pytest.mark.parametrize("named", [False, True])
def test_state_of_the_world_one_of_many_assignments_that_changes_costs_the_same_among_100_and_among_10_000(named):
    def costs(how_many):
        names = [Name(f"e{each}") for each in range(how_many)]
        plane = Plane()
        plane.replace(ENDPOINT, dict.fromkeys(names, b"old"))
        stream = SotwStream(plane.server(), max_response_bytes=100_000_000)
        stream.receive(DiscoveryRequest(ENDPOINT, names=names if named else ["*"]))
        stream.responses()
        content = itertools.count()

        def act():
            plane.apply(ENDPOINT, names[50], b"%09d" % next(content))
            (response,) = stream.responses()
            wire.encode(response)

        return cost(act, warm=100)

    assert_same(costs(FEW), costs(10_000))


@pytest.mark.parametrize("names", [[], [f"c{each}" for each in range(1_000)]], ids=["wildcard", "1,000 names"])
def test_a_full_set_is_made_and_encoded_once_for_1_and_for_200(names):
    calls = {}
    for how_many in (1, 200):
        plane = Plane()
        plane.replace(CLUSTER, {f"c{each}": b"old" for each in range(1_000)})
        streams = [SotwStream(plane.server()) for _ in range(how_many)]
        for stream in streams:
            stream.receive(DiscoveryRequest(CLUSTER, names=names))
            stream.responses()
        plane.apply(CLUSTER, "c500", b"new")
        batches = [stream.responses() for stream in streams]
        assert len({id(response.update) for batch in batches for response in batch}) == 1
        with Calls(wire) as counted:
            sent = [wire.encode(response) for batch in batches for response in batch]
        assert len(sent) == how_many
        assert len({id(each) for each in sent}) == 1, "the same bytes, version and nonce included"
        calls[how_many] = {name: count for name, count in counted.by_name.items() if name != "encode"}
    assert calls[1] == calls[200]


# --- what cannot be counted


def test_what_is_walked_from_its_end_has_no_holes():
    world = World(FEW)
    subscriber = world.reading([world.hot])
    world.change()
    assert type(subscriber._names.changed) is OrderedDict

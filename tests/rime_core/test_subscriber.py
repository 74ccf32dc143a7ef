"""A Subscriber: when it is woken, what it takes, and how it ends. What it must be sent is in test_selection."""

import gc
import sys

import pytest

from rime_core import CLUSTER, SECRET, VIRTUAL_HOST, ClosedError, Plane, UsageError
from rime_core.policy import Policy
from rime_core.resource import unknown
from tests.rime_core.client import Client, reading, said

STAR = "*"


@pytest.fixture
def plane():
    return Plane()


@pytest.fixture
def server(plane):
    return plane.server()


# --- being woken


@pytest.mark.parametrize("names", [None, ["a", "b"], [STAR, "a"]])
def test_it_is_woken_at_most_once_between_two_polls(plane, names):
    woken = []
    client = reading(plane, names, wake=lambda: woken.append(1))
    client.poll()
    for each in range(3):
        plane.apply(CLUSTER, "a", b"%d" % each)
    client.subscriber.add(["b"])
    assert len(woken) == 1
    client.poll()
    plane.apply(CLUSTER, "a", b"again")
    assert len(woken) == 2


def test_a_transaction_wakes_once(plane):
    woken = []
    reading(plane, wake=lambda: woken.append(1))
    with plane.transaction() as change:
        for each in range(5):
            change.apply(CLUSTER, f"n{each}", b"")
        assert woken == []
    assert woken == [1]


def test_nobody_is_woken_for_what_they_did_not_ask_for_or_what_did_not_change(plane):
    woken = []
    reading(plane, ["a"], wake=lambda: woken.append("a"))
    plane.apply(CLUSTER, "b", b"1")
    plane.apply(SECRET, "a", b"1")
    wildcard = reading(plane, wake=lambda: woken.append("*"))
    plane.apply(CLUSTER, "b", b"1")
    assert woken == []
    assert wildcard.poll() is None


def test_nobody_is_woken_before_the_first_answer(plane):
    woken = []
    Client(plane, wake=lambda: woken.append(1))
    plane.apply(CLUSTER, "a", b"1")
    assert woken == []


def test_asking_for_more_wakes_whoever_waits(plane):
    woken = []
    client = reading(plane, ["a"], wake=lambda: woken.append(1))
    client.subscriber.add(["b"])
    assert woken == [1]
    client.poll()
    client.subscriber.discard(["b"])
    assert woken == [1], "nothing is to be answered"


def test_who_asks_for_everything_later_has_accepted_nothing_of_it(plane):
    plane.apply(CLUSTER, "b", b"1")
    client = reading(plane, ["a"])
    client.subscriber.add(["*"])
    assert client.poll() == ({"b": b"1"}, set())
    assert client.subscriber.acknowledged("b") is None


def test_one_that_is_missing_and_left_unanswered_keeps_no_other_from_its_answer():
    plane = Plane(policies={CLUSTER: Policy(missing="unanswered")})
    plane.apply(CLUSTER, "b", b"1")
    client = reading(plane, ["c"])
    client.subscriber.add(["a", "b"])
    assert client.poll() == ({"b": b"1"}, set())


def test_who_changes_what_it_wants_is_woken_for_that_and_no_longer_for_the_old(plane):
    woken = []
    client = reading(plane, ["old"], wake=lambda: woken.append(1))
    client.subscriber.discard(["old"])
    client.subscriber.add(["new"])
    client.poll()
    woken.clear()
    plane.apply(CLUSTER, "old", b"1")
    assert woken == []
    plane.apply(CLUSTER, "new", b"1")
    assert woken == [1]


def test_a_callback_may_poll_subscribe_and_write(plane):
    seen = []

    def wake():
        seen.append(said(client.subscriber.poll()))
        if len(seen) == 1:
            plane.apply(CLUSTER, "b", b"from the callback")
            reading(plane)

    client = Client(plane, wake=wake)
    client.begin()
    plane.apply(CLUSTER, "a", b"1")
    assert seen == [({"a": b"1"}, set()), ({"b": b"from the callback"}, set())]


def test_who_was_polled_by_anothers_callback_is_woken_at_most_once_more(plane):
    woken = []

    def poll_the_other():
        other.poll()

    reading(plane, wake=poll_the_other)
    other = reading(plane, wake=lambda: woken.append(1))
    plane.apply(CLUSTER, "a", b"1")
    plane.apply(CLUSTER, "a", b"2")
    plane.apply(CLUSTER, "a", b"3")
    assert len(woken) == 1


def test_who_was_closed_by_anothers_callback_is_not_woken(plane):
    woken = []

    def close_the_other():
        other.subscriber.close()

    reading(plane, wake=close_the_other)
    other = reading(plane, wake=lambda: woken.append(1))
    plane.apply(CLUSTER, "a", b"1")
    assert woken == []


# --- parts


def test_what_is_too_large_comes_in_parts(plane):
    plane.replace(CLUSTER, {f"n{each}": bytes(100) for each in range(5)})
    client = Client(plane, max_bytes=600)
    sizes = [len(client.begin()[0])]
    while (more := client.poll()) is not None:
        sizes.append(len(more[0]))
    assert sum(sizes) == 5
    assert len(sizes) > 1
    assert client.has == {f"n{each}": bytes(100) for each in range(5)}


def test_what_changed_between_two_parts_comes_after_the_last(plane):
    plane.replace(CLUSTER, {f"n{each}": bytes(100) for each in range(5)})
    client = Client(plane, max_bytes=600)
    client.begin()
    plane.apply(CLUSTER, "n0", b"new")
    while client.poll() is not None:
        pass
    assert client.has["n0"] == b"new"


def test_a_part_can_be_rejected_alone(plane):
    plane.replace(CLUSTER, {"a": bytes(400), "b": bytes(400)})
    subscriber = plane.server().subscribe(CLUSTER, max_bytes=500)
    subscriber.reject(subscriber.initial(), "no")
    subscriber.acknowledge_update(subscriber.poll())
    assert set(subscriber.rejected) == {"a"}
    assert subscriber.acknowledged("b") == plane.snapshot()[CLUSTER]["b"].version


# --- misuse


@pytest.mark.parametrize("names", ["backend", b"backend"])
@pytest.mark.interpreted
def test_one_name_is_not_a_collection_of_names(plane, names):
    subscriber = plane.server().subscribe(CLUSTER)
    for call in (subscriber.add, subscriber.discard, lambda names: plane.server().subscribe(CLUSTER, names)):
        with pytest.raises(TypeError, match=r"names is a collection of names, not one: pass \[b?'backend'\]"):
            call(names)


@pytest.mark.parametrize(
    ("name", "error"), [(5, TypeError), (None, TypeError), ("", ValueError), ("\ud800", ValueError)]
)
def test_what_names_nothing(plane, name, error):
    subscriber = plane.server().subscribe(CLUSTER)
    for call in (subscriber.add, subscriber.discard):
        with pytest.raises(error):
            call(["a", name])
    assert subscriber.names == frozenset(), "nothing of it was taken"


def test_a_subscription_that_is_refused_leaves_nothing(plane, server):
    with pytest.raises(TypeError):
        server.subscribe(CLUSTER, "backend")
    with pytest.raises(ValueError, match="must not be empty"):
        server.subscribe(CLUSTER, ["a", ""])
    assert plane.store.indexes == {}


def test_polling_before_the_first_answer(server):
    with pytest.raises(UsageError, match=r"^call initial\(\) before poll\(\)$"):
        server.subscribe(CLUSTER).poll()


def test_the_first_answer_comes_once(server):
    subscriber = server.subscribe(CLUSTER)
    subscriber.initial()
    with pytest.raises(UsageError, match=r"initial\(\) was called before; poll\(\) gives what came since"):
        subscriber.initial()


@pytest.mark.parametrize(
    "call",
    [
        lambda subscriber: subscriber.initial(),
        lambda subscriber: subscriber.poll(),
        lambda subscriber: subscriber.add(["a"]),
        lambda subscriber: subscriber.discard(["a"]),
    ],
)
def test_use_after_close(server, call):
    with server.subscribe(CLUSTER) as subscriber:
        pass
    assert subscriber.closed
    with pytest.raises(ClosedError, match="this subscriber of clusters is closed"):
        call(subscriber)


def test_closing_twice_and_answering_late_are_fine(plane, server):
    plane.apply(CLUSTER, "a", b"1")
    subscriber = server.subscribe(CLUSTER)
    update = subscriber.initial()
    subscriber.close()
    subscriber.close()
    subscriber.acknowledge_update(update)
    subscriber.reject(update, "late")


def test_what_is_closed_is_forgotten_and_not_woken(plane, server):
    woken = []
    plane.apply(CLUSTER, "a", b"1")
    for names in (None, ["a"]):
        subscriber = server.subscribe(CLUSTER, names, wake=lambda: woken.append(1))
        subscriber.initial()
        subscriber.close()
        assert "a" in plane.snapshot()[CLUSTER], "what is written is there without anybody to read it"
    plane.apply(CLUSTER, "a", b"2")
    assert woken == []
    index = plane.store.indexes[CLUSTER]
    assert plane.snapshot()[CLUSTER]["a"].body == b"2"
    assert not index.subscribers
    assert not index.interest


def test_old_content_is_let_go(plane):
    """Neither a cursor, nor what is in flight or rejected, keeps a body."""
    bodies = [bytes([number]) * 10 for number in range(4)]
    plane.apply(CLUSTER, "a", bodies[0])
    clients = [reading(plane), reading(plane, ["a"]), reading(plane, [STAR, "a"]), reading(plane)]
    plane.apply(CLUSTER, "a", bodies[1])
    clients[3].subscriber.reject(clients[3].subscriber.poll(), "no")
    plane.apply(CLUSTER, "a", bodies[2])
    for client in clients[:3]:
        client.poll()
    for client in clients:
        client.has.clear()
    gc.collect()
    held = [sys.getrefcount(body) for body in bodies]
    assert held[0] == held[1] == held[3], "the last was never applied"
    assert held[2] > held[3]


def test_how_many_names_and_up_to_where(plane, server):
    subscriber = server.subscribe(CLUSTER, ["*", "a", "b"])
    assert subscriber.named == 2
    subscriber.discard(["*", "b"])
    assert subscriber.named == 1
    assert server.subscribe(CLUSTER).named == 0
    subscriber.initial()
    before = subscriber.cursor
    plane.apply(CLUSTER, "a", b"another")
    assert subscriber.cursor == before
    subscriber.poll()
    assert subscriber.cursor == before + 1


@pytest.mark.parametrize("refused", [["a"], ["b"], ["a", "b"]])
def test_what_was_refused_of_the_wildcard_alone_is_forgotten_with_it(plane, refused):
    plane.replace(CLUSTER, {"a": b"1", "b": b"1"})
    subscriber = plane.server().subscribe(CLUSTER, [STAR, "a"])
    subscriber.reject(subscriber.initial(), "no", refused)
    subscriber.discard([STAR])
    assert set(subscriber.rejected) == set(refused) - {"b"}
    subscriber.add([STAR])
    assert said(subscriber.poll()) == ({"a": b"1", "b": b"1"}, set())


def test_what_was_refused_is_forgotten_with_the_name(plane):
    plane.replace(CLUSTER, {"a": b"1", "b": b"1"})
    subscriber = plane.server().subscribe(CLUSTER, ["a", "b"])
    subscriber.reject(subscriber.initial(), "no")
    subscriber.discard(["a"])
    assert set(subscriber.rejected) == {"b"}


# --- what is made on demand


def absent(name):
    return unknown(VIRTUAL_HOST, name)


@pytest.fixture
def hosts():
    plane = Plane()
    plane.apply(VIRTUAL_HOST, "r/a", b"1")
    return plane


def test_what_answers_for_a_missing_name_is_only_for_who_asked_for_that(hosts):
    told, plain = (
        hosts.server().subscribe(VIRTUAL_HOST, ["r/a", "r/b"], **options) for options in ({"absent": absent}, {})
    )
    assert {each.name for each in told.initial().resources} == {"r/a", "r/b"}
    assert plain.initial().removed == ("r/b",)
    for subscriber in (told, plain):
        subscriber.add(["r/b"])
    assert told.poll().resources == (absent("r/b"),)
    assert plain.poll().removed == ("r/b",)


def test_a_missing_name_that_the_client_has_is_removed(hosts):
    subscriber = hosts.server().subscribe(VIRTUAL_HOST, ["r/b", "r/c"], absent=absent)
    update = subscriber.initial({"r/b": "1"})
    assert (update.resources, update.removed) == ((absent("r/c"),), ("r/b",))


def test_clients_that_ask_for_the_same_missing_name_are_given_the_same_update(hosts):
    updates = []
    for _ in range(2):
        subscriber = hosts.server().subscribe(VIRTUAL_HOST, (), absent=absent)
        subscriber.initial()
        subscriber.add(["r/b"])
        updates.append(subscriber.poll())
    assert updates[0] is updates[1]


def test_a_name_that_is_gone_and_asked_for_at_once_is_removed(hosts):
    subscriber = hosts.server().subscribe(VIRTUAL_HOST, ["r/a"], absent=absent)
    subscriber.initial()
    hosts.remove(VIRTUAL_HOST, "r/a")
    subscriber.add(["r/a"])
    update = subscriber.poll()
    assert (update.resources, update.removed) == ((), ("r/a",))


def test_what_stands_under_a_name_is_found_where_it_was_asked_for_and_is_there(hosts):
    hosts.apply(VIRTUAL_HOST, "r/b", b"1", aliases=["r/x/c"])
    hosts.apply(VIRTUAL_HOST, "r/d", b"1")
    subscriber = hosts.server().subscribe(VIRTUAL_HOST, ["r/a", "r/x/c", "r/missing", "r"])
    subscriber.initial()
    assert subscriber.under({"r"}) == ["r/a"]
    assert subscriber.under({"r/x", "other"}) == ["r/x/c"]
    assert subscriber.under({"other"}) == []


def test_who_asks_whether_all_can_be_read_is_woken_when_it_can():
    plane = Plane()
    writer = plane.writer("source")
    writer.apply(CLUSTER, "a", b"1")
    writer.incomplete(["broken.yaml:3: not YAML"])
    writer.ready()
    wakes = []
    with plane.server().subscribe(CLUSTER, wake=lambda: wakes.append(1)) as subscriber:
        assert not subscriber.is_view_complete()
        assert not subscriber.is_view_complete()
        assert wakes == []
        writer.incomplete([])
        assert wakes == [1]
        assert subscriber.is_view_complete()
        writer.apply(CLUSTER, "a", b"2")
        assert wakes == [1], "it waits for nothing any more"


# --- for state-of-the-world


@pytest.mark.parametrize("names", [None, ["a", "missing"], [STAR, "a"]])
def test_who_has_all_that_it_wants_goes_on_from_there(plane, names):
    plane.apply(CLUSTER, "a", b"1")
    client = Client(plane, names)
    client.subscriber.resume()
    assert client.poll() is None
    assert client.subscriber.in_flight == 0
    assert client.subscriber.acknowledged("a") == plane.snapshot()[CLUSTER]["a"].version
    plane.apply(CLUSTER, "a", b"2")
    assert client.poll() == ({"a": b"2"}, set())
    with pytest.raises(UsageError, match=r"^initial\(\) was called before; poll\(\) gives what came since$"):
        client.subscriber.resume()


@pytest.mark.parametrize("names", [["a", "b"], [STAR, "a", "b"]])
def test_a_name_that_is_given_up_without_an_answer(plane, names):
    plane.replace(CLUSTER, {"a": b"1", "b": b"1"})
    client = reading(plane, names)
    client.subscriber.discard(["a"], answered=False)
    assert client.subscriber.names == {"b"}
    assert client.poll() is None
    client.subscriber.add(["a"])
    client.subscriber.discard(["a"], answered=False)
    assert client.poll() is None, "nor is what was asked for just before"
    plane.apply(CLUSTER, "a", b"2")
    assert client.poll() == (({"a": b"2"}, set()) if STAR in names else None)


# --- lifetimes


@pytest.fixture
def living(plane):
    plane.apply(CLUSTER, "a", b"1", ttl=10)
    plane.apply(CLUSTER, "stays", b"1")
    return plane


def names_in(update):
    return [resource.name for resource in update.resources]


def test_what_renews_all_is_for_who_holds_all_and_accepted_it(living):
    client = Client(living)
    subscriber = client.subscriber
    assert subscriber.renewal_of_all(10) is None, "nothing was sent"
    update = subscriber.initial()
    assert subscriber.renewal_of_all(10) is None, "it is on its way"
    subscriber.acknowledge_update(update)
    assert names_in(subscriber.renewal_of_all(10)) == ["a"]
    assert subscriber.renewal_of_all(20) is None
    living.apply(CLUSTER, "b", b"1", ttl=10)
    assert subscriber.renewal_of_all(10) is None, "there is something else"
    subscriber.reject(subscriber.poll(), "no")
    assert subscriber.renewal_of_all(10) is None, "it was rejected"


def test_what_renews_all_is_not_for_who_may_lack_something(living):
    """Of what came with something that it refused, nobody knows whether it has it."""
    subscriber = living.server().subscribe(CLUSTER)
    subscriber.reject(subscriber.initial(), "no", ["stays"])
    living.apply(CLUSTER, "stays", b"2")
    subscriber.acknowledge_update(subscriber.poll())
    assert not subscriber.has_rejected
    assert subscriber.renewal_of_all(10) is None
    subscriber.resend(["a"])
    subscriber.acknowledge_update(subscriber.poll())
    assert names_in(subscriber.renewal_of_all(10)) == ["a"]


@pytest.mark.parametrize("names", [[], ["a"], [STAR, "a"]])
def test_who_holds_names_is_renewed_by_name(living, names):
    subscriber = living.server().subscribe(CLUSTER, names)
    subscriber.acknowledge_update(subscriber.initial())
    assert subscriber.renewal_of_all(10) is None
    assert [resource.name for resource in subscriber.with_ttl(10)] == (["a"] if names else [])
    assert list(subscriber.lifetimes) == [10]

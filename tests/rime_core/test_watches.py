"""Sources are told of the first and the last subscriber of a name, and may make and unmake what is asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rime_core import CLUSTER, ENDPOINT, ClosedError, Notice, Plane, Subscriber, Update, UsageError
from rime_core.interest import NameSets
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.messages import DeltaRequest, DiscoveryRequest
from rime_core.protocol.sotw import SotwStream


class Told:
    """A watcher that remembers what it was told, sorted."""

    def __init__(self):
        self.news = []

    def __call__(self, wanted, unwanted):
        self.news.append((sorted(wanted), sorted(unwanted)))

    def take(self):
        news, self.news = self.news, []
        return news


class Maker:
    """Makes what is asked for, and unmakes it."""

    def __init__(self, writer, **options):
        self.writer, self.options = writer, options
        writer.watch(CLUSTER, self)

    def __call__(self, wanted, unwanted):
        with self.writer.transaction() as change:
            for name in wanted:
                change.apply(CLUSTER, name, b"made", **self.options)
            for name in unwanted:
                change.remove(CLUSTER, name)


@pytest.fixture
def plane():
    return Plane()


@pytest.fixture
def told(plane):
    told = Told()
    plane.watch(CLUSTER, told)
    return told


def asking(plane, *names, type_url=CLUSTER):
    return plane.server().subscribe(type_url, names)


# --- what is told


def test_the_first_and_the_last_subscriber_of_a_name(plane, told):
    first = asking(plane, "a", "b")
    assert told.take() == [(["a", "b"], [])]
    second = asking(plane, "b", "c")
    assert told.take() == [(["c"], [])]
    first.close()
    assert told.take() == [([], ["a"])]
    second.discard(["b"])
    assert told.take() == [([], ["b"])]
    second.add(["a", "b", "c"])
    assert told.take() == [(["a", "b"], [])]
    second.close()
    assert told.take() == [([], ["a", "b", "c"])]


def test_who_holds_the_same_set_is_nothing_new(plane, told):
    subscribers = [asking(plane, "a", "b") for _ in range(3)]
    assert len(told.take()) == 1
    for subscriber in subscribers:
        subscriber.add(["c"])
    assert told.take() == [(["c"], [])]
    for subscriber in subscribers[1:]:
        subscriber.close()
    assert told.take() == []
    subscribers[0].close()
    assert told.take() == [([], ["a", "b", "c"])]


def test_everything_is_no_name_and_other_types_are_not_watched(plane, told):
    asking(plane, "*").close()
    asking(plane, "a", type_url=ENDPOINT).close()
    assert told.take() == []


def test_what_is_asked_for_already_is_told_at_once(plane):
    subscriber = asking(plane, "a")
    told = Told()
    plane.watch(CLUSTER, told)
    assert told.take() == [(["a"], [])]
    subscriber.close()
    assert told.take() == [([], ["a"])]
    plane.watch(CLUSTER, told)
    assert told.take() == []


def test_each_writer_is_told(plane, told):
    other = Told()
    plane.writer("other").watch(CLUSTER, other)
    asking(plane, "a")
    assert told.take() == other.take() == [(["a"], [])]


@pytest.mark.parametrize(
    ("stream", "request_of"),
    [
        (DeltaStream, lambda *names: DeltaRequest(CLUSTER, subscribe=names)),
        (SotwStream, lambda *names: DiscoveryRequest(CLUSTER, names=names)),
    ],
)
def test_a_clients_stream_asks_until_it_is_closed(plane, told, stream, request_of):
    client = stream(plane.server())
    client.receive(request_of("a"))
    assert told.take() == [(["a"], [])]
    client.close()
    assert told.take() == [([], ["a"])]


def test_what_a_client_may_not_have_is_not_asked_for(plane, told):
    class Rules:
        def __init__(self, client):
            pass

        def type(self, type_url):
            return None

        def names(self, type_url):
            return {"x": "not yours"}.get

    client = DeltaStream(plane.server(authorize=Rules))
    client.receive(DeltaRequest(CLUSTER, subscribe=["a", "x"]))
    assert told.take() == [(["a"], [])]


# --- groups


def test_a_base_is_told_of_all_clients_and_a_group_of_its_own(plane, told):
    groups = [Plane(base=plane) for _ in range(2)]
    tolds = [Told() for _ in groups]
    for group, each in zip(groups, tolds, strict=True):
        group.watch(CLUSTER, each)
    first, second = (asking(group, "a", "b") for group in groups)
    assert [each.take() for each in (told, *tolds)] == [[(["a", "b"], [])]] * 3
    first.discard(["a"])
    assert [each.take() for each in (told, *tolds)] == [[], [([], ["a"])], []]
    second.close()
    assert [each.take() for each in (told, *tolds)] == [[([], ["a"])], [], [([], ["a", "b"])]]
    asking(plane, "b", "c")
    assert [each.take() for each in (told, *tolds)] == [[(["c"], [])], [], []]
    groups[0].close()
    assert [each.take() for each in (told, *tolds)] == [[], [], []]
    first.close()


def test_a_group_is_told_of_what_its_only_client_adds_to_a_set_of_its_own(plane):
    group, told = Plane(base=plane), Told()
    group.watch(CLUSTER, told)
    subscriber = asking(group, "a")
    subscriber.add(["b"])
    subscriber.discard(["a"])
    assert told.take() == [(["a"], []), (["b"], []), ([], ["a"])]


def test_what_a_group_asked_for_already_is_told_to_it_alone(plane):
    group, told = Plane(base=plane), Told()
    asking(plane, "of the base")
    subscribers = [asking(group, "a", "b"), asking(group, "b", "c")]
    group.watch(CLUSTER, told)
    assert told.take() == [(["a", "b", "c"], [])]
    subscribers[0].close()
    assert told.take() == [([], ["a"])]


# --- what is made


def test_a_client_is_answered_with_what_its_asking_had_made(plane):
    Maker(plane)
    subscriber = asking(plane, "a")
    assert [resource.name for resource in subscriber.initial().resources] == ["a"]
    woken: list[Update | None] = []
    other: Subscriber = plane.server().subscribe(CLUSTER, ["b"], wake=lambda: woken.append(other.poll()))
    other.initial()
    other.add(["c"])
    assert [([resource.name for resource in each.resources], each.removed) for each in woken if each] == [(["c"], ())]
    for each in (subscriber, other):
        each.close()
    assert plane.snapshot().get(CLUSTER, {}) == {}


def test_who_comes_back_with_what_is_made_again_is_sent_nothing(plane):
    Maker(plane)
    stream = DeltaStream(plane.server())
    stream.receive(DeltaRequest(CLUSTER, subscribe=["a"]))
    (response,) = stream.responses()
    stream.close()
    known = {resource.name: resource.version for resource in response.update.resources}
    for present in (plane, Plane()):  # the same, and another replica
        Maker(present)
        again = DeltaStream(present.server())
        again.receive(DeltaRequest(CLUSTER, subscribe=["a"], initial_versions=known))
        assert again.responses() == []
        assert set(present.snapshot()[CLUSTER]) == {"a"}


def test_what_is_made_later_comes_later(plane, told):
    stream = DeltaStream(plane.server())
    stream.receive(DeltaRequest(CLUSTER, subscribe=["a"]))
    (missing,) = stream.responses()
    assert list(missing.update.removed) == ["a"]
    ((wanted, _),) = told.take()
    plane.apply(CLUSTER, *wanted, b"made")
    (made,) = stream.responses()
    assert [resource.name for resource in made.update.resources] == ["a"]


def test_a_name_that_is_given_up_and_asked_for_in_one_request_is_there(plane):
    Maker(plane)
    stream = DeltaStream(plane.server())
    stream.receive(DeltaRequest(CLUSTER, subscribe=["a"]))
    stream.responses()
    stream.receive(DeltaRequest(CLUSTER, subscribe=["a"], unsubscribe=["a"]))
    (again,) = stream.responses()
    assert [resource.name for resource in again.update.resources] == ["a"]


def test_what_nobody_asks_for_may_go_at_once_however_much_it_is():
    plane = Plane(max_removal=0.5)
    writer = plane.writer("source", allow_empty=True)
    Maker(writer, on_demand=True)
    writer.ready()
    asking(plane, "a", "b", "c").close()
    assert plane.status().held == ()
    assert plane.snapshot().get(CLUSTER, {}) == {}


@pytest.mark.parametrize(("on_demand", "watches"), [(True, False), (False, True)])
def test_the_guard_against_large_removals_holds_for_all_else(on_demand, watches):
    plane = Plane(max_removal=0.5)
    if watches:
        plane.watch(CLUSTER, Told())
    plane.watch(ENDPOINT, Told())
    plane.apply(CLUSTER, "a", b"1", on_demand=on_demand)
    plane.remove(CLUSTER, "a")
    assert [held.name for held in plane.status().held] == ["a"]


def test_what_somebody_asks_for_is_guarded():
    plane = Plane(max_removal=0.5)
    Maker(plane, on_demand=True)
    subscriber = asking(plane, "a")
    plane.remove(CLUSTER, "a")
    assert [held.name for held in plane.status().held] == ["a"]
    subscriber.close()
    assert plane.snapshot().get(CLUSTER, {}) == {}


# --- when


def given_up_and_failed(subscriber):
    subscriber.close()
    raise ZeroDivisionError


def test_while_a_transaction_of_the_writer_is_open_it_is_told_nothing(plane):
    Maker(plane)
    with plane.transaction() as change:
        change.apply(CLUSTER, "static", b"1")
        first, second = asking(plane, "a"), asking(plane, "b")
        second.close()
    assert set(plane.snapshot()[CLUSTER]) == {"static", "a"}
    transaction = plane.transaction()
    with pytest.raises(ZeroDivisionError), transaction:
        given_up_and_failed(first)
    assert set(plane.snapshot()[CLUSTER]) == {"static"}


def test_what_is_asked_for_and_given_up_in_one_is_not_told(plane, told):
    with plane.transaction():
        asking(plane, "a").close()
    assert told.take() == []


def test_a_watcher_may_ask_for_more(plane):
    told = Told()

    def watcher(wanted, unwanted):
        told(wanted, unwanted)
        if "a" in wanted:
            asking(plane, "b")

    plane.watch(CLUSTER, watcher)
    asking(plane, "a")
    assert told.take() == [(["a"], []), (["b"], [])]


# --- what goes wrong


def fails(wanted, unwanted):
    raise KeyError(*wanted, *unwanted)


def test_what_a_watcher_raises_is_reported_and_is_no_clients_fault():
    notices: list[Notice] = []
    plane = Plane(report=notices.append)
    told = Told()
    plane.writer("a source").watch(CLUSTER, fails)
    plane.watch(CLUSTER, told)
    stream = DeltaStream(plane.server())
    stream.receive(DeltaRequest(CLUSTER, subscribe=["a"]))
    (notice,) = notices
    assert notice.kind == "watcher-failed"
    assert notice.text == "a source failed when it was told which clusters clients ask for"
    assert repr(notice.error) == "KeyError('a')"
    assert told.take() == [(["a"], [])]
    stream.close()
    assert len(notices) == 2


def test_where_nobody_has_it_reported_it_is_raised_after_all_are_told(plane):
    woken = []
    subscriber = plane.server().subscribe(CLUSTER, [], wake=lambda: woken.append(1))
    subscriber.initial()
    plane.watch(CLUSTER, fails)
    told = Told()
    plane.writer("other").watch(CLUSTER, told)
    with pytest.raises(KeyError):
        subscriber.add(["a"])
    assert (told.take(), woken) == ([(["a"], [])], [1])
    with pytest.raises(KeyError):
        subscriber.close()
    assert subscriber.closed


def test_a_stream_is_closed_whatever_is_raised(plane):
    stream = DeltaStream(plane.server())
    for type_url in (CLUSTER, ENDPOINT):
        stream.receive(DeltaRequest(type_url, subscribe=["*"]))
    stream.receive(DeltaRequest(CLUSTER, subscribe=["a"]))
    with pytest.raises(KeyError):
        plane.watch(CLUSTER, fails)
    with pytest.raises(KeyError):
        stream.close()
    assert not any(index.subscribers for index in plane.store.indexes.values())


@pytest.mark.parametrize(("type_url", "error"), [(None, TypeError), ("no type", ValueError)])
def test_what_is_no_type_cannot_be_watched(plane, type_url, error):
    with pytest.raises(error):
        plane.watch(type_url, Told())


def test_one_watches_outside_of_transactions(plane):
    with plane.transaction(), pytest.raises(UsageError, match="a transaction of the program is open"):
        plane.watch(CLUSTER, Told())


# --- how it ends


def test_who_watches_no_longer_is_told_nothing(plane, told):
    asking(plane, "a")
    told.take()
    plane.watch(CLUSTER, None)
    asking(plane, "b")
    assert told.take() == []
    plane.watch(ENDPOINT, None)


def test_another_watcher_takes_the_place_and_is_told_what_was_wanted_once(plane, told):
    gone, stays = asking(plane, "gone"), asking(plane, "stays")
    plane.abandon()
    gone.close()
    asking(plane, "new")
    other = Told()
    plane.watch(CLUSTER, other)
    assert other.take() == [(["new", "stays"], ["gone"])]
    stays.close()
    assert other.take() == [([], ["stays"])]
    assert told.take() == [(["gone"], []), (["stays"], [])]


def test_a_plane_that_is_closed_tells_nothing(plane, told):
    asking(plane, "a")
    told.take()
    plane.close()
    assert told.take() == []
    with pytest.raises(ClosedError):
        plane.watch(CLUSTER, told)


@pytest.mark.parametrize("end", [lambda plane: plane.watch(CLUSTER, None), lambda plane: plane.abandon()])
def test_a_type_that_is_watched_is_not_forgotten_before_the_watch_ends(plane, told, end):
    asking(plane, "a").close()
    assert plane.server().knows(CLUSTER)
    assert len(told.take()) == 2
    end(plane)
    assert not plane.server().knows(CLUSTER)


def test_where_nobody_watches_nothing_is_noted(plane, monkeypatch):
    plane.watch(CLUSTER, Told())
    plane.watch(CLUSTER, Told())  # in place of the one before it
    plane.watch(CLUSTER, None)
    monkeypatch.setattr(NameSets, "_note", None)
    subscriber = asking(plane, "a", "b")
    subscriber.add(["c"])
    subscriber.discard(["a"])
    subscriber.close()


# --- whatever happens


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["subscribe", "add", "discard", "close", "watch"]),
        st.integers(0, 5),
        st.sets(st.sampled_from("abcde")),
        st.integers(0, 2),
    ),
    max_size=30,
)


@given(ACTS)
def test_each_watcher_knows_exactly_what_is_asked_for(acts):
    base = Plane()
    planes = [base, Plane(base=base), Plane(base=base)]
    known: list[set[str]] = [set() for _ in planes]

    def watcher(of):
        def told(wanted, unwanted):
            assert not known[of] & set(wanted)
            assert set(unwanted) <= known[of]
            known[of] |= set(wanted)
            known[of] -= set(unwanted)

        return told

    for number, plane in enumerate(planes):
        plane.watch(CLUSTER, watcher(number))
    subscribers = []
    for act, which, names, of in acts:
        if act == "subscribe":
            subscribers.append((of, asking(planes[of], *names)))
        elif act == "watch":
            planes[of].abandon()
            known[of] = set(known[of]) - asked(subscribers, of)  # of these it will hear
            planes[of].watch(CLUSTER, watcher(of))
        elif subscribers:
            _, subscriber = subscribers[which % len(subscribers)]
            if not subscriber.closed:
                getattr(subscriber, act)(*([] if act == "close" else [names]))
        for number in range(3):
            assert known[number] == asked(subscribers, number)


def asked(subscribers, of):
    """The names that clients of a Plane ask for; those of the base's groups count for the base."""
    return {
        name
        for number, subscriber in subscribers
        if not subscriber.closed and of in (0, number)
        for name in subscriber.names
    }

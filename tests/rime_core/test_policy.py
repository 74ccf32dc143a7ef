"""What a client is told of a name that does not exist, and when what is taken away goes: for each type as one likes."""

from dataclasses import replace
from functools import partial

import pytest

from rime_core import (
    CLUSTER,
    ENDPOINT,
    EXTENSION_CONFIG,
    LISTENER,
    ROUTE,
    SECRET,
    TYPES,
    VIRTUAL_HOST,
    Notice,
    Plane,
    Policy,
    describe,
)
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.messages import DeltaRequest, DiscoveryRequest
from rime_core.protocol.sotw import SotwStream
from rime_core.resource import Bodiless

OWN = "type.googleapis.com/example.config.v1.Thing"
URLS = [*(each.url for each in TYPES), OWN]

every_type = pytest.mark.parametrize("url", URLS, ids=lambda url: describe(url).plural)


def refers(_, body):
    """A body is text of `type URL name`, which it refers to, or nothing."""
    return [tuple(body.decode().split())] if body else []


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"missing": "ignored"}, "missing is 'removed' or 'unanswered', not 'ignored'"),
        ({"removal": "later"}, "removal is 'at once', 'when unreferenced' or 'never', not 'later'"),
    ],
)
def test_there_are_no_others(bad, said):
    with pytest.raises(ValueError, match=f"^{said}$"):
        Policy(**bad)


def test_what_is_not_said_is_as_the_type_has_it():
    assert Policy().over(describe(SECRET)) == describe(SECRET)
    described = Policy(missing="unanswered").over(describe(SECRET))
    assert (described.missing, described.removal) == ("unanswered", "when unreferenced")
    described = Policy(removal="never").over(replace(describe(ROUTE), missing="unanswered"))
    assert (described.missing, described.removal) == ("unanswered", "never")


def test_it_is_of_that_type_alone():
    plane = Plane(policies={ROUTE: Policy(missing="unanswered", removal="never")})
    for url in (ROUTE, ENDPOINT):
        plane.apply(url, "a", b"")
    assert [plane.remove(url, "a") for url in (ROUTE, ENDPOINT)] == [False, True]
    assert plane.server().subscribe(ENDPOINT, ["b"]).initial().removed == ("b",)


# --- missing


def silent(url):
    return Plane(policies={url: Policy(missing="unanswered")})


def taken(stream, *requests):
    """(names of resources with a body, names without, removed names) of each response."""
    for request in requests:
        stream.receive(request)
    return [
        (
            [each.name for each in response.update.resources if not isinstance(each, Bodiless)],
            [each.name for each in response.update.resources if isinstance(each, Bodiless)],
            list(response.update.removed),
        )
        for response in stream.responses()
    ]


@every_type
def test_by_default_a_missing_name_is_answered_each_time(url):
    stream = DeltaStream(Plane().server())
    unknown, removed = (["a"], []) if url == VIRTUAL_HOST else ([], ["a"])
    for _ in range(2):
        assert taken(stream, DeltaRequest(url, subscribe=["a"])) == [([], unknown, removed)]


@every_type
def test_unanswered_nothing_is_said_of_it_until_it_comes(url):
    plane = silent(url)
    stream = DeltaStream(plane.server())
    assert taken(stream, DeltaRequest(url, subscribe=["a", "b"])) == []
    assert taken(stream, DeltaRequest(url, subscribe=["a", "c"])) == []
    plane.apply(url, "a", b"1")
    assert taken(stream) == [(["a"], [], [])]
    assert taken(stream, DeltaRequest(url, subscribe=["c"])) == []
    plane.apply(url, "c", b"1")
    assert taken(stream) == [(["c"], [], [])]


@every_type
def test_what_exists_is_answered_at_once(url):
    plane = silent(url)
    plane.apply(url, "a", b"1")
    stream = DeltaStream(plane.server())
    assert taken(stream, DeltaRequest(url, subscribe=["a", "b"])) == [(["a"], [], [])]
    assert taken(stream, DeltaRequest(url, subscribe=["a", "b"])) == [(["a"], [], [])]


@every_type
def test_that_something_goes_is_said_and_that_it_is_gone_is_not(url):
    plane = silent(url)
    plane.apply(url, "a", b"1")
    stream = DeltaStream(plane.server())
    taken(stream, DeltaRequest(url, subscribe=["a"]))
    plane.remove(url, "a")
    assert taken(stream, DeltaRequest(url, subscribe=["a"])) == [([], [], ["a"])]
    assert taken(stream, DeltaRequest(url, subscribe=["a"])) == []
    plane.apply(url, "a", b"1")
    assert taken(stream) == [(["a"], [], [])]


@every_type
def test_what_a_client_that_comes_back_has_is_gone(url):
    stream = DeltaStream(silent(url).server())
    request = DeltaRequest(url, subscribe=["a", "b"], initial_versions={"a": "1"})
    assert taken(stream, request) == [([], [], ["a"])]


@pytest.mark.parametrize("url", [CLUSTER, LISTENER, OWN])
def test_everything_is_answered_although_it_is_nothing(url):
    stream = DeltaStream(silent(url).server())
    assert taken(stream, DeltaRequest(url)) == [([], [], [])]
    assert taken(stream, DeltaRequest(url, subscribe=["a"])) == []


def test_who_gives_up_a_name_and_holds_everything_is_answered():
    plane = silent(CLUSTER)
    plane.apply(CLUSTER, "a", b"1", on_demand=True)
    stream = DeltaStream(plane.server())
    taken(stream, DeltaRequest(CLUSTER, subscribe=["*", "a", "b"]))
    for name in "ab":
        assert taken(stream, DeltaRequest(CLUSTER, unsubscribe=[name])) == [([], [], [name])]


def test_who_asks_by_an_alias_is_answered():
    plane = silent(CLUSTER)
    plane.apply(CLUSTER, "a", b"1", aliases=["b"])
    assert plane.server().subscribe(CLUSTER, ["b"]).initial().removed == ()
    subscriber = plane.server().subscribe(CLUSTER, ["a", "b", "c"])
    assert [each.name for each in subscriber.initial().resources] == ["a"]


def test_a_removal_that_this_client_must_wait_for_is_not_hurried_by_asking():
    class Gate:
        shut = False

        def passes(self, update):
            return not self.shut

        def holds(self, name, resource, had):
            return self.shut

        def forget(self, name, *, given_up):
            pass

    plane, gate = silent(ROUTE), Gate()
    plane.apply(ROUTE, "a", b"1")
    subscriber = plane.server().subscribe(ROUTE, ["a"], gate=gate)
    subscriber.initial()
    gate.shut = True
    plane.remove(ROUTE, "a")
    assert subscriber.poll() is None
    subscriber.add(["a"])
    assert subscriber.poll() is None
    gate.shut = False
    subscriber.let_go(["a"])
    assert subscriber.poll().removed == ("a",)


@every_type
def test_what_a_client_may_not_have_is_as_what_does_not_exist(url):
    class Rules:
        def __init__(self, client):
            pass

        def type(self, type_url):
            return None

        def names(self, type_url):
            return lambda name: "not yours" if name in {"x", "y"} else None

    plane = silent(url)
    plane.apply(url, "x", b"1")
    for variant, request in [
        (DeltaStream, DeltaRequest(url, subscribe=["x", "y", "z"], initial_versions={"y": "1"})),
        (DeltaStream, DeltaRequest(url, subscribe=["x"])),
    ]:
        stream = variant(plane.server(authorize=Rules))
        assert taken(stream, request) == ([([], [], ["y"])] if request.initial_versions else [])
        assert taken(stream, DeltaRequest(url, subscribe=["x"])) == []


@every_type
def test_state_of_the_world_has_no_answer_of_its_own_either_way(url):
    """A full set that was sent anew would say that what is not in it does not exist."""
    full = describe(url).full_set
    for plane, again in [(Plane(), full), (silent(url), False)]:
        stream = SotwStream(plane.server())
        stream.receive(DiscoveryRequest(url, names=["a"]))
        first = stream.responses()
        assert [response.update.resources for response in first] == [()] * full
        nonce = first[0].nonce if first else ""
        stream.receive(DiscoveryRequest(url, names=["a", "b"], nonce=nonce))
        second = stream.responses()
        assert len(second) == again
        plane.apply(url, "b", b"1")
        (third,) = stream.responses()
        assert [each.name for each in third.update.resources] == ["b"]


def test_a_group_has_the_policies_of_its_base():
    base = Plane(policies={ROUTE: Policy(missing="unanswered", removal="never")})
    group = Plane(base=base)
    subscriber = group.server().subscribe(ROUTE, ["a"])
    assert subscriber.initial().removed == ()
    for plane in (base, group):
        plane.apply(ROUTE, "a", b"1")
        assert plane.remove(ROUTE, "a") is False
    again = group.server().subscribe(ROUTE, ["a", "b"])
    assert [each.name for each in again.initial().resources] == ["a"]


# --- removal


@pytest.fixture
def notices():
    return []


def told(notices: list[Notice], kind):
    return [notice.text for notice in notices if notice.kind == kind]


def keeping(removal, url, notices=None, **options):
    report = notices.append if notices is not None else None
    return Plane(references=refers, policies={url: Policy(removal=removal)}, report=report, **options)


def names(plane, url):
    return set(plane.snapshot()[url])


@pytest.mark.parametrize("url", [SECRET, EXTENSION_CONFIG])
def test_at_once_it_goes_although_something_refers_to_it(url):
    plane = keeping("at once", url)
    plane.apply(url, "a", b"")
    plane.apply(LISTENER, "l", f"{url} a".encode())
    assert plane.remove(url, "a") is True


@every_type
def test_when_unreferenced_it_stays_while_something_refers_to_it(url, notices):
    plane = keeping("when unreferenced", url, notices)
    plane.apply(url, "a", b"")
    plane.apply("type.googleapis.com/example.Referrer", "l", f"{url} a".encode())
    assert plane.remove(url, "a") is False
    assert [(each.type_url, each.name, each.waits_for) for each in plane.status().held] == [(url, "a", "referrers")]
    what = describe(url).singular
    assert told(notices, "removal-held") == [f"the removal of {what} 'a' is held: something still refers to it"]
    plane.remove("type.googleapis.com/example.Referrer", "l")
    assert names(plane, url) == set()
    assert plane.status().held == ()


@every_type
def test_when_unreferenced_what_is_written_again_with_its_referrer_gone_stays(url):
    plane = keeping("when unreferenced", url)
    plane.apply(url, "a", b"")
    plane.apply(LISTENER, "l", f"{url} a".encode())
    plane.remove(url, "a")
    with plane.transaction() as change:
        change.remove(LISTENER, "l")
        change.apply(url, "a", b"")
    assert names(plane, url) == {"a"}
    assert plane.status().held == ()


@every_type
def test_when_unreferenced_it_waits_for_a_complete_view_as_everything(url):
    plane = keeping("when unreferenced", url)
    plane.apply(url, "a", b"")
    plane.writer("late")
    plane.open()
    plane.remove(url, "a")
    assert [each.waits_for for each in plane.status().held] == ["complete view"]


@every_type
def test_when_unreferenced_what_could_go_at_first_goes_however_few_are_left(url):
    plane = keeping("when unreferenced", url, max_removal=0.5)
    plane.replace(url, {"a": b"", "b": b""})
    plane.apply("type.googleapis.com/example.Referrer", "l", f"{url} a".encode())
    plane.remove(url, "a")
    plane.remove(url, "b")
    plane.remove("type.googleapis.com/example.Referrer", "l")
    assert names(plane, url) == set()


def test_what_a_group_gives_up_with_a_change_of_its_base_keeps_nobody_from_hearing_of_that():
    base = keeping("when unreferenced", ROUTE)
    group = Plane(base=base)
    group.apply(ROUTE, "r", b"")
    base.apply(LISTENER, "l", f"{ROUTE} r".encode())
    group.remove(ROUTE, "r")
    woken: list[str] = []
    subscribers = [
        plane.server().subscribe(url, wake=partial(woken.append, url))
        for plane, url in ((base, LISTENER), (group, ROUTE))
    ]
    for subscriber in subscribers:
        subscriber.initial()
    base.apply(LISTENER, "l", b"")
    assert set(woken) == {LISTENER, ROUTE}


@every_type
def test_when_unreferenced_what_nothing_refers_to_goes_at_once(url):
    plane = keeping("when unreferenced", url)
    plane.apply(url, "a", b"")
    assert plane.remove(url, "a") is True


@pytest.mark.parametrize("removal", ["when unreferenced", "never"])
def test_a_group_holds_what_is_its_own_and_the_base_what_a_group_refers_to(removal):
    base = keeping(removal, ROUTE)
    group = Plane(base=base)
    base.apply(ROUTE, "a", b"")
    group.apply(ROUTE, "b", b"")
    group.apply(LISTENER, "l", f"{ROUTE} a".encode())
    base.apply(LISTENER, "m", f"{ROUTE} b".encode())
    assert [base.remove(ROUTE, "a"), group.remove(ROUTE, "b")] == [False, False]
    group.remove(LISTENER, "l")
    base.remove(LISTENER, "m")
    assert (names(base, ROUTE), names(group, ROUTE)) == ((set(), set()) if removal != "never" else ({"a"}, {"a", "b"}))


@pytest.mark.parametrize("backwards", [False, True])
def test_a_chain_that_goes_together_goes_without_a_word(backwards, notices):
    chain = [LISTENER, ROUTE, CLUSTER, ENDPOINT]
    policies = dict.fromkeys(chain, Policy(removal="when unreferenced"))
    plane = Plane(references=refers, policies=policies, report=notices.append)
    for url, below in zip(chain, [*chain[1:], None], strict=True):
        plane.apply(url, "a", f"{below} a".encode() if below else b"")
    with plane.transaction() as change:
        for url in reversed(chain) if backwards else chain:
            change.remove(url, "a")
    assert plane.snapshot() == {}
    assert notices == []


@every_type
def test_never_it_stays_for_everybody_until_it_is_released(url, notices):
    plane = keeping("never", url, notices)
    plane.apply(url, "a", b"")
    reader = plane.server().subscribe(url, ["a"])
    reader.initial()
    assert plane.remove(url, "a") is False
    assert plane.remove(url, "a") is False
    assert reader.poll() is None
    assert [each.name for each in plane.server().subscribe(url, ["a"]).initial().resources] == ["a"]
    why = f"{describe(url).plural} stay until they are released, which is the policy for them"
    assert [(each.name, each.waits_for, each.why) for each in plane.status().held] == [("a", "release", why)]
    assert told(notices, "removal-held") == [f"the removal of {describe(url).singular} 'a' is held: {why}"]

    plane.release()
    assert reader.poll().removed == ("a",)
    assert plane.status().held == ()
    assert told(notices, "removal-released") == ["1 held removals of the program have happened"]


def test_never_what_is_written_anew_is_no_longer_to_be_removed():
    plane = keeping("never", ROUTE)
    plane.apply(ROUTE, "a", b"")
    plane.remove(ROUTE, "a")
    plane.apply(ROUTE, "a", b"")
    assert plane.status().held == ()
    plane.release()
    assert names(plane, ROUTE) == {"a"}


def test_never_another_writer_has_what_it_writes_of_what_stayed():
    plane = keeping("never", ROUTE)
    first, second = (plane.writer(name, allow_empty=True) for name in ("first", "second"))
    for writer in (first, second):
        writer.ready()
    first.apply(ROUTE, "a", b"")
    first.remove(ROUTE, "a")
    assert second.apply(ROUTE, "a", b"x y") is True
    assert plane.status().held == ()


def test_never_before_anybody_was_answered_it_goes():
    plane = keeping("never", ROUTE)
    plane.writer("slow")
    plane.apply(ROUTE, "a", b"")
    assert plane.remove(ROUTE, "a") is True


def test_never_after_the_view_was_incomplete(notices):
    plane = keeping("never", ROUTE, notices)
    plane.apply(ROUTE, "a", b"")
    plane.incomplete(["conf/a.yaml: not YAML"])
    plane.remove(ROUTE, "a")
    plane.release()
    assert [each.waits_for for each in plane.status().held] == ["complete view"]
    plane.incomplete([])
    assert [each.waits_for for each in plane.status().held] == ["release"]
    plane.release()
    assert names(plane, ROUTE) == set()


def test_never_what_stays_is_not_among_what_would_be_too_much_at_once():
    plane = keeping("never", ROUTE, max_removal=0.5)
    for url, name in [(ROUTE, "a"), (ROUTE, "b"), (CLUSTER, "c")]:
        plane.apply(url, name, b"")
    with plane.transaction() as change:
        for url, name in [(ROUTE, "a"), (ROUTE, "b"), (CLUSTER, "c")]:
            change.remove(url, name)
    assert (names(plane, ROUTE), names(plane, CLUSTER)) == ({"a", "b"}, set())

"""For which resources a response was rejected, and what becomes of the others."""

import pytest

from rime_core import CLUSTER, ENDPOINT, LISTENER, Plane
from rime_core.delivery import IN_FLIGHT
from rime_core.protocol import rejection
from rime_core.protocol.delta import DeltaStream
from rime_core.protocol.events import RejectedResponse
from rime_core.protocol.messages import DeltaRequest, DiscoveryRequest
from rime_core.protocol.rejection import ALONE, LOOKS, READ, WORDINGS, Healing, Rejection, culprits
from rime_core.protocol.sotw import SotwStream
from rime_core.update import Manifest

DNS = "LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint"
FIELD = "Proto constraint validation failed (ClusterLoadAssignmentValidationError.Endpoints[0]: embedded message)"

# As Envoy 1.40 wrote them, and gRPC's as their sources do.
MESSAGES = [
    (f"Error adding/updating cluster(s) bad: {DNS}", ["bad"]),
    (f"Error adding/updating cluster(s) bad a: {DNS}, bad: b: {DNS}, bad, c: {DNS}", ["bad a", "bad: b", "bad, c"]),
    ("Error adding/updating cluster(s) bad: duplicate cluster bad found", ["bad"]),
    (
        (
            "Error adding/updating listener(s) bad: error adding listener named 'bad': address is necessary\n"
            "bad a: error adding listener named 'good': address is necessary\n\n"
        ),
        ["bad", "bad a"],
    ),
    ('Error adding/updating listener(s) bad: goo.gle/debugproto   \nname: "good"\n: Proto constraint', ["bad"]),
    ("Error adding/updating scoped route(s): bad: duplicate", ["bad"]),
    ("Unexpected EDS cluster (expecting bad): other", ["bad"]),
    ("Unexpected SDS secret (expecting bad): good", ["bad"]),
    ("Unexpected RDS configuration (expecting bad): other", ["bad"]),
    ("Only a single wildcard domain is permitted in route bad", ["bad"]),
    ("Only unique values for domains are permitted. Duplicate entry of domain x in route bad a", ["bad a"]),
    (f'goo.gle/debugproto   \ncluster_name: "bad"\nendpoints {{\n  priority: 200\n}}\n: {FIELD}', ["bad"]),
    ('goo.gle/debugproto   \nname: "bad"\nvirtual_hosts {\n  name: "good"\n}\n: Proto constraint', ["bad"]),
    ('Proto constraint validation failed (ClusterValidationError): name: "bad"\ntype: EDS\n', ["bad"]),
    ('Proto constraint validation failed (X.Y): cluster_name: "bad"\n', ["bad"]),
    (
        (
            "xDS response validation errors: [resource index 0: bad: INVALID_ARGUMENT: errors validating Cluster: "
            "[field:type error:unknown discovery type]; resource index 12: bad: b: INVALID_ARGUMENT: errors]"
        ),
        ["bad", "bad: b"],
    ),
    ('error parsing "CDS" response: resource "bad": no;\nresource "bad a": no', ["bad", "bad a"]),
    (
        "CDS response Cluster 'bad' validation error: no\nCDS response Cluster 'bad a' validation error: no",
        ["bad", "bad a"],
    ),
    (", good: no\nError adding/updating cluster(s) bad: no", ["bad"]),
    # nothing named
    ("Error adding/updating cluster(s) bad.", []),
    ("Invalid duration: Expected positive duration: goo.gle/debugproto   \nseconds: -1\n\n", []),
    ('Unable to unpack as envoy.config.cluster.v3.Cluster: goo.gle/debugproto   \ntype_url: "t"\n', []),
    ("malformed IP address: bad. Consider setting resolver_name", []),
    ("Error adding/updating cluster(s) other: bad", []),
    ("good", []),
    ("", []),
]
NAMES = {"good": "1", "bad": "1", "bad a": "1", "bad: b": "1", "bad, c": "1", "b": "1", "": None}


@pytest.mark.parametrize(("message", "named"), MESSAGES, ids=range(len(MESSAGES)))
def test_who_the_message_names(message, named):
    assert list(culprits(message, NAMES)) == named


@pytest.mark.parametrize("wording", WORDINGS)
@pytest.mark.interpreted
def test_no_wording_is_there_for_nothing(wording, monkeypatch):
    monkeypatch.setattr(rejection, "WORDINGS", [each for each in WORDINGS if each is not wording])
    assert any(list(culprits(message, NAMES)) != named for message, named in MESSAGES)


def test_what_stands_before_the_words_that_name_is_not_named():
    message = "?bad: Error adding/updating cluster(s) other: no"
    assert culprits(message, {"bad": "1", "other": "1"}) == ("other",)


def test_only_what_the_response_carried_is_named():
    message = f"Error adding/updating cluster(s) bad: {DNS}, another: {DNS}"
    assert culprits(message, {"another": "1"}) == ("another",)
    assert culprits(message, {}) == ()


def test_each_is_named_once():
    assert culprits("Error adding/updating cluster(s) a: 1, a: 2", {"a": "1"}) == ("a",)


def test_all_are_named_however_many_and_however_long():
    names = [f"{'n' * (each * 10)}{each}" for each in range(30)]
    message = "Error adding/updating cluster(s) " + ", ".join(f"{name}: no" for name in names)
    assert culprits(message, dict.fromkeys(names, "1")) == tuple(names)


@pytest.mark.parametrize(
    "text",
    [
        "Error adding/updating cluster(s) " + ", " * 100_000,
        "Error adding/updating cluster(s) " + ": " * 100_000,
        "Error adding/updating cluster(s) " + ", a: " * 100_000,
        "xDS response validation errors: [" + "resource index : : " * 50_000,
        "error parsing " + 'resource "' * 50_000,
        "goo.gle/debugproto" * 50_000,
        " in route " * 50_000,
    ],
    ids=lambda text: text[:20],
)
def test_the_work_is_bounded(text):
    names = Counting([f"{'n' * 500}{each}" for each in range(1000)])
    assert culprits(text, names) == ()
    assert names.looks <= len(WORDINGS) * (LOOKS + 10)


@pytest.mark.parametrize(("places", "named"), [(LOOKS, ("bad",)), (LOOKS + 1, ())])
def test_as_many_places_are_looked_at_as_the_bound_says(places, named):
    text = "Error adding/updating cluster(s) x" + ", x" * (places - 2) + ", bad: no"
    assert len(text) < READ
    assert culprits(text, {"bad": "1"}) == named


def test_what_is_behind_the_part_that_is_read_is_not_looked_at():
    text = "Error adding/updating cluster(s) x: " + "x" * READ + ", bad: no"
    assert culprits(text, {"bad": "1"}) == ()


class Counting(frozenset[str]):
    looks = 0

    def __contains__(self, name):
        self.looks += 1
        return super().__contains__(name)


# --- what is sent once more


def manifest(**versions):
    return Manifest(1, versions)


def taken(healing):
    found = []
    while healing:
        found.append(healing.next())
    return found


def test_what_was_not_named_is_sent_once_more_together():
    healing = Healing()
    refused = healing.rejected(manifest(bad="1", a="1", b="1", gone=None), ["bad"], ())
    assert refused == {"bad", "gone"}
    assert taken(healing) == [{"a": "1", "b": "1"}]


def test_where_nothing_is_named_each_is_sent_by_itself():
    healing = Healing()
    assert healing.rejected(manifest(a="1", b="1", gone=None), (), ()) == {"gone"}
    assert taken(healing) == [{"a": "1"}, {"b": "1"}]


@pytest.mark.parametrize("resources", [1, ALONE + 1])
def test_one_is_its_own_reason_and_many_are_not_tried_one_by_one(resources):
    healing = Healing()
    versions = {str(each): "1" for each in range(resources)}
    assert healing.rejected(Manifest(1, {**versions, "gone": None}), (), ()) is None
    assert not healing


def test_as_many_as_may_be_are_tried_one_by_one():
    healing = Healing()
    healing.rejected(Manifest(1, {str(each): "1" for each in range(ALONE)}), (), ())
    assert len(taken(healing)) == ALONE


@pytest.mark.parametrize("named", [(), ("a",), ("other",)])
def test_a_second_time_is_for_good(named):
    healing = Healing()
    healing.rejected(manifest(bad="1", a="1", b="1"), ["bad"], ())
    taken(healing)
    assert healing.rejected(manifest(a="1", b="1"), named, ()) == {"a", "b"}
    assert not healing


def test_a_second_time_in_another_company_too():
    healing = Healing()
    healing.rejected(manifest(bad="1", a="1"), ["bad"], ())
    taken(healing)
    assert healing.rejected(manifest(worse="1", a="1", b="1"), ["worse"], ()) == {"worse", "a"}
    assert taken(healing) == [{"b": "1"}]


def test_what_was_refused_before_is_not_tried_again():
    healing = Healing()
    assert healing.rejected(manifest(a="1", b="1"), (), ["a"]) == {"a"}
    assert taken(healing) == [{"b": "1"}]


@pytest.mark.parametrize(
    "end",
    [
        lambda healing: healing.sent(manifest(a="2")),
        lambda healing: healing.sent(manifest(a=None)),
        lambda healing: healing.accepted(manifest(a="1")),
        lambda healing: healing.given_up(["a"]),
    ],
    ids=["another version", "removed", "accepted", "given up"],
)
def test_what_ends_it(end):
    healing = Healing()
    healing.rejected(manifest(bad="1", a="1", b="1"), ["bad"], ())
    end(healing)
    assert taken(healing) == [{"b": "1"}]
    assert healing.rejected(manifest(bad="1", a="1", b="1"), ["bad"], ()) == {"bad", "b"}
    assert taken(healing) == [{"a": "1"}]


def test_what_is_accepted_meanwhile_is_not_sent_by_itself():
    healing = Healing()
    healing.rejected(manifest(a="1", b="1"), (), ())
    healing.accepted(manifest(a="1"))
    assert taken(healing) == [{}, {"b": "1"}]


def test_the_end_of_one_is_not_the_end_of_others():
    healing = Healing()
    for name in "ab":
        healing.rejected(Manifest(1, {"bad": "1", name: "1"}), ["bad"], ())
    healing.accepted(manifest(a="1"))
    assert healing.rejected(manifest(bad="1", a="1", b="1"), ["bad"], ()) == {"bad", "b"}


@pytest.mark.parametrize("ended", [False, True])
def test_only_the_latest_are_remembered(ended):
    healing = Healing()
    if ended:
        healing.rejected(manifest(bad="1", a="1"), ["bad"], ())
        healing.accepted(manifest(a="1"))
    for each in range(IN_FLIGHT + 1):
        healing.rejected(Manifest(1, {"bad": "1", str(each): "1"}), ["bad"], ())
    taken(healing)
    again = Manifest(1, {"bad": "1", "0": "1", "1": "1"})
    assert healing.rejected(again, ["bad"], ()) == {"bad", "1"}
    assert taken(healing) == [{"0": "1"}]


def test_to_be_sent_again_does_not_end_it():
    healing = Healing()
    healing.rejected(manifest(bad="1", a="1"), ["bad"], ())
    healing.sent(manifest(a="1"))
    assert healing.rejected(manifest(a="1"), (), ()) is None
    assert healing.rejected(manifest(a="1", b="1"), ["b"], ()) == {"a", "b"}


def test_what_ended_is_forgotten():
    healing = Healing()
    for each in range(1000):
        healing.rejected(manifest(bad=str(each), a=str(each)), ["bad"], ())
        taken(healing)
        healing.accepted(manifest(a=str(each)))
        assert not healing._once


# --- on a stream


class Client:
    """An Envoy of one type: it accepts what is not bad."""

    def __init__(self, plane, clock=None):
        self.stream = DeltaStream(plane.server(), clock=clock)
        self.stream.receive(DeltaRequest(CLUSTER))

    def take(self):
        """The names of each response that comes."""
        self.responses = self.stream.responses()
        return [list(response.update.manifest.versions) for response in self.responses]

    def answer(self, message=None, which=0):
        self.stream.receive(DeltaRequest(CLUSTER, nonce=self.responses[which].nonce, error=message))


@pytest.fixture
def plane():
    return Plane()


def applied(plane, content=b"1", *names):
    with plane.transaction() as change:
        for name in names:
            change.apply(CLUSTER, name, content)


def test_the_others_are_sent_once_more_and_recorded(plane):
    applied(plane, b"1", "bad", "good", "better")
    client = Client(plane, clock=lambda: 7.0)
    client.take()
    nonce = client.responses[0].nonce
    client.answer("Error adding/updating cluster(s) bad: no")
    subscriber = client.stream.subscribers()[CLUSTER]
    assert subscriber.acknowledged("good") is None
    assert client.take() == [["good", "better"]]
    assert subscriber.acknowledged("good") is None
    client.answer()
    versions = {name: each.version for name, each in plane.snapshot()[CLUSTER].items()}
    assert subscriber.acknowledged("good") == versions["good"]
    assert list(client.stream.rejections()) == [
        Rejection(CLUSTER, "bad", versions["bad"], nonce, "Error adding/updating cluster(s) bad: no", 7.0, None)
    ]
    assert client.take() == []


def test_the_event_names_the_culprits(plane):
    applied(plane, b"1", "bad", "good")
    client = Client(plane)
    client.take()
    client.answer("Error adding/updating cluster(s) bad: no")
    (event,) = client.stream.events()
    assert isinstance(event, RejectedResponse)
    assert event.culprits == ("bad",)
    assert set(event.versions) == {"bad", "good"}


def test_one_by_one_and_what_fails_again_is_refused(plane):
    applied(plane, b"1", "a", "b", "c")
    client = Client(plane)
    client.take()
    client.answer("no")
    assert client.take() == [["a"], ["b"], ["c"]]
    for which, message in enumerate([None, "no", None]):
        client.answer(message, which)
    assert client.take() == []
    assert [each.name for each in client.stream.rejections()] == ["b"]
    applied(plane, b"2", "a", "b", "c")
    assert client.take() == [["a", "b", "c"]]


def test_one_by_one_there_are_never_too_many_on_their_way(plane):
    names = [str(each) for each in range(ALONE)]
    applied(plane, b"1", *names)
    client = Client(plane)
    client.take()
    client.answer("no")
    seen = []
    while came := client.take():
        assert len(came) == ALONE // 2
        seen += [name for (name,) in came]
        for which in range(len(came)):
            client.answer(which=which)
    assert sorted(seen) == sorted(names)
    assert not list(client.stream.rejections())


def test_what_was_refused_before_and_asked_for_again_is_not_tried_by_itself(plane):
    applied(plane, b"1", "bad")
    client = Client(plane)
    client.take()
    client.answer("no")
    applied(plane, b"1", "a", "b")
    client.stream.receive(DeltaRequest(CLUSTER, subscribe=["bad"]))
    assert [sorted(names) for names in client.take()] == [["a", "b", "bad"]]
    client.answer("no again")
    assert client.take() == [["a"], ["b"]]
    assert [(each.name, each.message) for each in client.stream.rejections()] == [("bad", "no again")]


def test_what_is_refused_in_another_version_is_tried_by_itself(plane):
    applied(plane, b"1", "bad")
    client = Client(plane)
    client.take()
    client.answer("no")
    applied(plane, b"2", "bad", "good")
    client.take()
    client.answer("no")
    assert client.take() == [["bad"], ["good"]]


def test_what_is_given_up_is_not_tried(plane):
    applied(plane, b"1", "a", "b", "c")
    stream = DeltaStream(plane.server())
    stream.receive(DeltaRequest(CLUSTER, subscribe=["a", "b", "c"]))
    (response,) = stream.responses()
    stream.receive(DeltaRequest(CLUSTER, nonce=response.nonce, error="no"))
    stream.receive(DeltaRequest(CLUSTER, unsubscribe=["b"]))
    assert sorted(list(each.update.manifest.versions) for each in stream.responses()) == [["a"], ["c"]]


def test_the_accepted_version_stands_beside_the_rejected_one(plane):
    applied(plane, b"1", "bad")
    client = Client(plane)
    client.take()
    client.answer()
    first = plane.snapshot()[CLUSTER]["bad"].version
    for content in (b"2", b"3"):
        applied(plane, content, "bad")
        client.take()
        client.answer("no")
        (rejection,) = client.stream.rejections()
        assert rejection.version == plane.snapshot()[CLUSTER]["bad"].version
        assert rejection.accepted == first
        assert rejection.at is None


def test_what_changed_meanwhile_comes_as_it_is_now(plane):
    applied(plane, b"1", "bad", "a", "b")
    client = Client(plane)
    client.take()
    applied(plane, b"2", "a")
    client.answer("Error adding/updating cluster(s) bad: no")
    assert client.take() == [["a"], ["b"]]


def test_what_a_healed_cluster_waits_for_is_sent_with_it():
    plane = Plane(references=lambda url, body: [(ENDPOINT, body.decode())] if url == CLUSTER else [])
    applied(plane, b"e", "bad", "good")
    plane.apply(ENDPOINT, "e", b"1")
    client = Client(plane)
    client.stream.receive(DeltaRequest(ENDPOINT, subscribe=["e"]))
    client.take()
    client.answer("Error adding/updating cluster(s) bad: no")
    assert client.take() == [["good"], ["e"]]


def test_a_full_set_is_not_healed(plane):
    applied(plane, b"1", "bad", "good")
    stream = SotwStream(plane.server())
    stream.receive(DiscoveryRequest(CLUSTER))
    (response,) = stream.responses()
    stream.receive(DiscoveryRequest(CLUSTER, nonce=response.nonce, error="Error adding/updating cluster(s) bad: no"))
    assert stream.responses() == []


def test_what_is_no_full_set_is_healed_in_state_of_the_world_too(plane):
    for name in ("bad", "good"):
        plane.apply(ENDPOINT, name, b"1")
    stream = SotwStream(plane.server())
    stream.receive(DiscoveryRequest(ENDPOINT, names=["bad", "good"]))
    (response,) = stream.responses()
    stream.receive(
        DiscoveryRequest(
            ENDPOINT,
            names=["bad", "good"],
            nonce=response.nonce,
            error="Unexpected EDS cluster (expecting bad): other",
        )
    )
    (healed,) = stream.responses()
    assert [resource.name for resource in healed.update.resources] == ["good"]


def test_rejections_of_all_types(plane):
    plane.apply(LISTENER, "l", b"1")
    applied(plane, b"1", "c")
    client = Client(plane)
    client.stream.receive(DeltaRequest(LISTENER))
    for response in client.stream.responses():
        client.stream.receive(DeltaRequest(response.type_url, nonce=response.nonce, error="no"))
    assert {(each.type_url, each.name) for each in client.stream.rejections()} == {(CLUSTER, "c"), (LISTENER, "l")}

"""What is the state-of-the-world stream's own. What all streams promise: test_stream; the rules: tests/conformance."""

import pytest

from rime_core import CLUSTER, ENDPOINT, LISTENER, ROUTE, FellBehindError, PeerError, Plane
from rime_core.delivery import IN_FLIGHT
from rime_core.node import Node
from rime_core.protocol.events import Acknowledged, Deferred, Refused, RejectedResponse
from rime_core.protocol.messages import DiscoveryRequest
from rime_core.protocol.sotw import SotwStream

OWN = "type.googleapis.com/example.config.v1.Thing"


class Client:
    """Talks to a stream as a test says; `take` gives the names and bodies of each response."""

    def __init__(self, plane, **options):
        self.stream = SotwStream(plane.server(), **options)
        self.last = {}

    def ask(self, type_url, *names, nonce=None, version="", error=None):
        if nonce is None:
            nonce = self.last[type_url].nonce if type_url in self.last else ""
        self.stream.receive(DiscoveryRequest(type_url, None, names, version, nonce, error))

    def responses(self):
        responses = self.stream.responses()
        self.last.update((response.type_url, response) for response in responses)
        return responses

    def take(self):
        return [
            (response.type_url, {each.name: each.body for each in response.update.resources})
            for response in self.responses()
        ]

    def asking(self, *request, **options):
        self.ask(*request, **options)
        return self.take()


@pytest.fixture
def plane():
    plane = Plane(references=lambda url, body: [(ENDPOINT, body.decode()[0])] if url == CLUSTER else [])
    for name in "ab":
        plane.apply(LISTENER, name, b"1")
        plane.apply(ENDPOINT, name, b"1")
    plane.apply(CLUSTER, "c", b"a")
    return plane


@pytest.fixture
def client(plane):
    return Client(plane)


# --- full sets


def test_a_full_set_holds_everything_and_is_sent_when_anything_differs(plane, client):
    assert client.asking(LISTENER) == [(LISTENER, {"a": b"1", "b": b"1"})]
    plane.apply(LISTENER, "a", b"2")
    assert client.take() == [(LISTENER, {"b": b"1", "a": b"2"})]
    plane.remove(LISTENER, "b")
    assert client.take() == [(LISTENER, {"a": b"2"})]
    plane.remove(LISTENER, "a")
    assert client.take() == [(LISTENER, {})]
    assert client.take() == []


@pytest.mark.parametrize("type_url", [CLUSTER, LISTENER, OWN])
def test_an_empty_set_is_sent_to_who_asks_for_everything(type_url):
    assert Client(Plane()).asking(type_url) == [(type_url, {})]


def test_a_name_that_does_not_exist_is_answered_with_the_set_that_lacks_it(client):
    assert client.asking(LISTENER, "a") == [(LISTENER, {"a": b"1"})]
    assert client.asking(LISTENER, "a", "missing") == [(LISTENER, {"a": b"1"})]


def test_a_full_set_is_one_object_for_all_who_want_the_same(plane):
    for names in [(), ("a", "b"), ("*", "a")]:
        clients = [Client(plane) for _ in range(3)]
        for content in (b"2", b"3"):
            sent = []
            for client in clients:
                client.ask(LISTENER, *names)
                sent += client.responses()
            assert len({id(response.update) for response in sent}) == 1
            assert len({(response.nonce, response.version) for response in sent}) == 1
            plane.apply(LISTENER, "a", content + str(names).encode())


def test_a_full_set_is_never_split(plane):
    plane.replace(CLUSTER, {f"c{number}": bytes(100) for number in range(10)})
    client = Client(plane, max_response_bytes=200)
    (response,) = (client.ask(CLUSTER), client.responses())[1]
    assert len(response.update.resources) == 10


def test_a_full_set_has_what_was_rejected_and_the_next_that_is_accepted_makes_good_for_it(plane, client):
    client.asking(LISTENER)
    client.ask(LISTENER, error="no")
    subscriber = client.stream.subscribers()[LISTENER]
    assert set(subscriber.rejected) == {"a", "b"}
    assert client.take() == []
    plane.apply(LISTENER, "a", b"2")
    assert client.take() == [(LISTENER, {"b": b"1", "a": b"2"})]
    assert client.asking(LISTENER) == []
    assert subscriber.rejected == {}
    assert subscriber.acknowledged("b") == plane.snapshot()[LISTENER]["b"].version


def test_many_removals_are_no_reason_to_end_a_stream_of_full_sets():
    plane = Plane(tombstones=1)
    plane.replace(LISTENER, dict.fromkeys("abcd", b"1"))
    client = Client(plane)
    client.asking(LISTENER)
    plane.replace(LISTENER, {"d": b"1"})
    assert client.take() == [(LISTENER, {"d": b"1"})]
    # a star of another type cannot be told what went: as in the incremental variant
    plane.replace(ENDPOINT, dict.fromkeys("abcd", b"1"))
    client.asking(ENDPOINT, "*")
    plane.replace(ENDPOINT, {"d": b"1"})
    with pytest.raises(FellBehindError):
        client.take()


class Waiting:
    """A gate behind which `names` wait."""

    def __init__(self, *names):
        self.names = set(names)

    def passes(self, update):
        return not self.names & update.manifest.versions.keys()

    def holds(self, name, *_):
        return name in self.names

    def forget(self, name, *, given_up):
        pass


def behind(subscriber, *names):
    gate = subscriber._gate = Waiting(*names)
    return gate


@pytest.mark.parametrize("names", [(), ("a", "b", "new")])
@pytest.mark.interpreted
def test_what_is_held_stays_in_the_set_as_the_client_has_it(plane, client, names):
    """A change and a removal with the old body, an addition not at all; the version is that of this very set."""
    client.asking(LISTENER, *names)
    subscriber = client.stream.subscribers()[LISTENER]
    gate = behind(subscriber, "a", "b", "new")
    plane.apply(LISTENER, "other", b"1")
    plane.apply(LISTENER, "a", b"2")
    plane.remove(LISTENER, "b")
    plane.apply(LISTENER, "new", b"1")
    other = {} if names else {"other": b"1"}
    if other:
        assert client.take() == [(LISTENER, other | {"a": b"1", "b": b"1"})]
        like = Plane()
        like.replace(LISTENER, other | {"a": b"1", "b": b"1"})
        assert client.last[LISTENER].version == like.server().subscribe(LISTENER).version()
    assert client.take() == []
    gate.names = {"a"}
    subscriber.let_go(["new", "b"])
    assert client.take() == [(LISTENER, other | {"a": b"1", "new": b"1"})]
    gate.names = set()
    subscriber.let_go(["a"])
    assert client.take() == [(LISTENER, other | {"a": b"2", "new": b"1"})]


# --- other types


def test_of_other_types_the_changed_ones_are_sent_and_removals_are_not(plane, client):
    assert client.asking(ENDPOINT, "a", "b", "missing") == [(ENDPOINT, {"a": b"1", "b": b"1"})]
    client.ask(ENDPOINT, "a", "b", "missing")
    plane.apply(ENDPOINT, "a", b"2")
    assert client.take() == [(ENDPOINT, {"a": b"2"})]
    client.ask(ENDPOINT, "a", "b", "missing")
    plane.remove(ENDPOINT, "a")
    assert client.take() == []
    subscriber = client.stream.subscribers()[ENDPOINT]
    assert subscriber.in_flight == 0
    assert subscriber.acknowledged("a") is None
    plane.apply(ENDPOINT, "a", b"2")
    assert client.take() == [(ENDPOINT, {"a": b"2"})]


def test_a_name_of_another_type_that_does_not_exist_is_not_answered(client):
    assert client.asking(ENDPOINT, "missing") == []
    assert client.stream.subscribers()[ENDPOINT].in_flight == 0


def test_other_types_are_split_and_no_part_says_the_version_of_all(plane):
    """Each may be accepted where another is rejected."""
    names = [f"e{number}" for number in range(10)]
    plane.replace(ENDPOINT, dict.fromkeys(names, bytes(1000)))
    client = Client(plane, max_response_bytes=5000)
    client.ask(ENDPOINT, *names)
    parts = client.responses()
    assert [len(response.update.resources) for response in parts] == [4, 4, 2]
    version = client.stream.subscribers()[ENDPOINT].version()
    assert [response.version for response in parts] == [f"{version}+0", f"{version}+1", f"{version}+pending"]
    # whoever has a part alone, and comes back, is sent all again
    for part in parts:
        again = Client(plane)
        assert len(again.asking(ENDPOINT, *names, version=part.version)[0][1]) == 10
    # the next change makes good for it
    client.ask(ENDPOINT, *names)
    plane.apply(ENDPOINT, "e1", b"2")
    (response,) = client.responses()
    assert response.version == client.stream.subscribers()[ENDPOINT].version()


# --- requests


def test_an_acknowledgement_holds_for_what_was_sent_before(plane, client):
    client.asking(ENDPOINT, "a", "b")
    nonces = [client.last[ENDPOINT].nonce]
    for name in "ab":
        plane.apply(ENDPOINT, name, b"2")
        client.take()
        nonces.append(client.last[ENDPOINT].nonce)
    client.ask(ENDPOINT, "a", "b", nonce=nonces[1])
    subscriber = client.stream.subscribers()[ENDPOINT]
    assert client.stream.events() == [Acknowledged(ENDPOINT, nonce) for nonce in nonces[:2]]
    assert subscriber.in_flight == 1
    # a rejection says nothing of the others
    plane.apply(ENDPOINT, "a", b"3")
    client.take()
    client.ask(ENDPOINT, "a", "b", error="no")
    assert [type(event) for event in client.stream.events()] == [RejectedResponse]
    assert set(subscriber.rejected) == {"a"}
    assert subscriber.in_flight == 1


def test_a_stale_request_settles_and_says_nothing_else(plane, client):
    client.asking(ENDPOINT, "a")
    stale = client.last[ENDPOINT].nonce
    plane.apply(ENDPOINT, "a", b"2")
    client.take()
    assert client.asking(ENDPOINT, "b", nonce=stale) == []
    assert client.stream.events() == [Acknowledged(ENDPOINT, stale)]
    assert client.stream.subscribers()[ENDPOINT].names == {"a"}
    assert client.asking(ENDPOINT, "b") == [(ENDPOINT, {"b": b"1"})]


def test_a_nonce_that_no_response_had_is_of_another_stream(client):
    client.asking(ENDPOINT, "missing")
    assert client.asking(ENDPOINT, "a", nonce="XXXX") == []
    assert client.stream.subscribers()[ENDPOINT].names == {"missing"}


def test_an_empty_list_after_a_name_is_nothing(plane, client):  # R33, R41
    client.asking(LISTENER, "a")
    assert client.asking(LISTENER) == []
    subscriber = client.stream.subscribers()[LISTENER]
    assert (subscriber.wildcard, subscriber.names) == (False, frozenset())
    plane.apply(LISTENER, "a", b"2")
    assert client.take() == []


def test_a_list_that_gives_up_names_under_a_star_is_not_answered(plane, client):
    plane.apply(LISTENER, "on demand", b"1", on_demand=True)
    client.asking(LISTENER, "*", "a", "on demand")
    assert client.asking(LISTENER, "*") == []
    plane.apply(LISTENER, "b", b"2")
    assert client.take() == [(LISTENER, {"a": b"1", "b": b"2"})]


@pytest.mark.parametrize("before", [["a"], ["missing", "a"]])
def test_everything_that_is_asked_for_anew_is_a_whole_set_although_there_is_nothing(before):
    plane = Plane()
    plane.apply(LISTENER, "a", b"1")
    client = Client(plane)
    client.asking(LISTENER, *before)
    plane.remove(LISTENER, "a")
    client.ask(LISTENER, "missing", "*")
    assert client.asking(LISTENER, "missing", "*") == [(LISTENER, {})]
    assert client.asking(LISTENER, "missing", "*") == []
    client.ask(LISTENER, "missing")
    client.ask(LISTENER, "missing", "*")
    assert client.asking(LISTENER, "missing") == [], "it is given up before it is answered"


def test_everything_of_other_types_that_is_asked_for_anew_is_what_there_is():
    client = Client(Plane())
    client.asking(ENDPOINT, "a")
    assert client.asking(ENDPOINT, "a", "*") == []


def test_everything_that_is_asked_for_anew_is_sent_once(client):
    client.asking(LISTENER, "a")
    assert client.asking(LISTENER, "*") == [(LISTENER, {"a": b"1", "b": b"1"})]
    assert client.take() == []


def sent_once_more(client, *names):
    """What is sent once more after the last response was rejected."""
    client.ask(ENDPOINT, *names, error="no")
    responses = client.responses()
    assert all(len(response.update.resources) == 1 for response in responses)
    return {each.name: response for response in responses for each in response.update.resources}


def test_what_is_given_up_and_asked_for_again_is_sent_once_more_when_it_is_rejected(plane, client):
    """As at first: what was rejected before says nothing of it."""
    plane.apply(ENDPOINT, "c", b"1")
    client.asking(ENDPOINT, "a", "b")
    again = sent_once_more(client, "a", "b")
    assert set(again) == {"a", "b"}
    for response in again.values():
        client.ask(ENDPOINT, "a", "b", nonce=response.nonce, error="no")
    client.ask(ENDPOINT, "b")
    assert client.asking(ENDPOINT, "a", "b", "c") == [(ENDPOINT, {"a": b"1", "c": b"1"})]
    assert set(sent_once_more(client, "a", "b", "c")) == {"a", "c"}


def test_what_a_star_gives_is_sent_once_more_also_where_its_name_is_given_up(client):
    client.asking(ENDPOINT, "*", "a", "b")
    client.ask(ENDPOINT, "*", "a", "b", error="no")
    client.ask(ENDPOINT, "*")
    assert sorted(client.take(), key=str) == [(ENDPOINT, {"a": b"1"}), (ENDPOINT, {"b": b"1"})]


# --- coming back


@pytest.mark.parametrize("type_url", [LISTENER, ENDPOINT])
def test_who_comes_back_with_the_present_version_is_sent_nothing(plane, client, type_url):
    client.asking(type_url, "a", "b")
    version = client.last[type_url].version
    again = Client(plane)
    assert again.asking(type_url, "b", "a", version=version) == []
    subscriber = again.stream.subscribers()[type_url]
    assert subscriber.in_flight == 0
    assert subscriber.acknowledged("a") == plane.snapshot()[type_url]["a"].version
    plane.apply(type_url, "a", b"2")
    assert again.take()[0][1]["a"] == b"2"
    for names, known in [(["a"], version), (["a", "b"], version), (["a", "b"], "other")]:
        assert Client(plane).asking(type_url, *names, version=known) != []


def test_who_rejected_something_is_offered_it_when_it_comes_back(plane, client):
    client.asking(ENDPOINT, "a", "b")
    client.asking(ENDPOINT, "a", "b")
    plane.apply(ENDPOINT, "a", b"bad")
    client.take()
    client.ask(ENDPOINT, "a", "b", error="no")
    plane.apply(ENDPOINT, "b", b"2")
    client.take()
    client.ask(ENDPOINT, "a", "b")
    version = client.last[ENDPOINT].version
    assert version == f"{client.stream.subscribers()[ENDPOINT].version()}+rejected"
    back = Client(plane)
    back.ask(ENDPOINT, "a", "b", version=version)
    assert back.take() == [(ENDPOINT, {"a": b"bad", "b": b"2"})]


def coming_back(plane, *names, version):
    """What a client is sent that comes back with `version`."""
    return Client(plane).asking(ENDPOINT, *names, version=version)


@pytest.mark.parametrize("accepted", ["a", "b"])
@pytest.mark.parametrize("lost", [False, True])
def test_who_accepts_some_of_what_is_sent_once_more_is_sent_all_when_it_comes_back(plane, client, accepted, lost):
    client.asking(ENDPOINT, "a", "b")
    client.ask(ENDPOINT, "a", "b", error="no")
    version = ""
    for response in client.responses():
        ((name,),) = [[each.name for each in response.update.resources]]
        if name == accepted:
            version = response.version
        client.ask(ENDPOINT, "a", "b", nonce=response.nonce, error=None if name == accepted else "no")
        assert client.take() == []
        if lost and name == accepted:
            break
    assert coming_back(plane, "a", "b", version=version) == [(ENDPOINT, {"a": b"1", "b": b"1"})]


def test_nothing_says_that_the_client_has_all_while_something_is_to_be_sent_once_more(plane, client):
    plane.apply(ENDPOINT, "c", b"1")
    client.asking(ENDPOINT, "a", "b", "c")
    plane.remove(ENDPOINT, "c")
    client.take()
    client.ask(ENDPOINT, "a", "b", "c", error="no")
    plane.apply(ENDPOINT, "c", b"2")
    new, *again = client.responses()
    assert [each.name for each in new.update.resources] == ["c"]
    assert len(again) == 2
    assert len(coming_back(plane, "a", "b", "c", version=new.version)) == 1


def present_version(client):
    return client.stream.subscribers()[ENDPOINT].version()


def test_a_response_beside_others_that_may_be_rejected_does_not_say_that_the_client_has_all(plane, client):
    client.asking(ENDPOINT, "a", "b")
    client.ask(ENDPOINT, "a", "b")
    for name in "ab":
        plane.apply(ENDPOINT, name, b"2")
        client.take()
    assert client.last[ENDPOINT].version == present_version(client) + "+pending"
    assert len(coming_back(plane, "a", "b", version=client.last[ENDPOINT].version)) == 1


def test_a_response_that_replaces_all_that_may_be_rejected_says_that_the_client_has_all(plane, client):
    client.asking(ENDPOINT, "a", "b")
    client.ask(ENDPOINT, "a", "b")
    for body in (b"2", b"3", b"4"):
        plane.apply(ENDPOINT, "a", body)
        client.take()
        assert client.last[ENDPOINT].version == present_version(client)
    assert coming_back(plane, "a", "b", version=client.last[ENDPOINT].version) == []


def test_what_replaces_the_rejected_says_that_the_client_has_all(plane, client):
    client.asking(ENDPOINT, "a", "b")
    client.ask(ENDPOINT, "a", "b")
    plane.apply(ENDPOINT, "a", b"bad")
    client.take()
    client.ask(ENDPOINT, "a", "b", error="no")
    plane.apply(ENDPOINT, "a", b"good")
    client.take()
    assert client.last[ENDPOINT].version == present_version(client)


def test_whoever_acknowledges_each_change_always_has_the_version_of_all(plane, client):
    client.asking(ENDPOINT, "a", "b")
    for number in range(IN_FLIGHT + 3):
        client.ask(ENDPOINT, "a", "b")
        plane.apply(ENDPOINT, "ab"[number % 2], b"%d" % (number + 2))
        client.take()
        assert client.last[ENDPOINT].version == present_version(client)


@pytest.mark.parametrize("error", ["no", None])
def test_a_rejection_of_what_counts_as_accepted_makes_each_version_one_that_no_state_has(plane, client, error):
    """It came late, or is of a response before all that are remembered: nobody knows what the client lacks."""
    client.asking(ENDPOINT, "a", "b")
    rejected = client.last[ENDPOINT].nonce
    plane.apply(ENDPOINT, "b", b"2")
    client.take()
    client.ask(ENDPOINT, "a", "b")
    client.ask(ENDPOINT, "a", "b", nonce=rejected, error=error)
    for body in (b"3", b"4"):
        plane.apply(ENDPOINT, "b", body)
        client.take()
        assert client.last[ENDPOINT].version == present_version(client) + ("+rejected" if error else "")
        client.ask(ENDPOINT, "a", "b")


def test_who_does_not_answer_for_long_is_not_said_to_have_what_is_not_remembered(plane, client):
    client.asking(ENDPOINT, "b")
    client.ask(ENDPOINT, "b")
    client.asking(ENDPOINT, "a", "b")
    for number in range(IN_FLIGHT - 1):
        plane.apply(ENDPOINT, "b", b"%d" % (number + 2))
        client.take()
        assert client.last[ENDPOINT].version == present_version(client) + "+pending"
    plane.apply(ENDPOINT, "b", b"once more")
    client.take()
    assert client.last[ENDPOINT].version == present_version(client) + "+pending"


@pytest.mark.interpreted
def test_what_was_never_accepted_is_not_said_to_be_there_because_it_is_held(plane, client):
    client.asking(ENDPOINT, "a", "b")
    client.ask(ENDPOINT, "a", "b")
    with plane.transaction() as change:
        for name in "ab":
            change.apply(ENDPOINT, name, b"2")
    client.take()
    client.ask(ENDPOINT, "a", "b", error='error parsing "EDS" response: resource "b": no;')
    behind(client.stream.subscribers()[ENDPOINT], "a")
    plane.apply(ENDPOINT, "a", b"3")
    for body in (b"3", b"4"):
        plane.apply(ENDPOINT, "b", body)
        assert client.take() == [(ENDPOINT, {"b": body})]
        assert client.last[ENDPOINT].version == present_version(client) + "+pending"
        client.ask(ENDPOINT, "a", "b")


@pytest.mark.parametrize("answers", [False, True])
def test_a_renewal_may_be_rejected_as_anything_else(plane, answers):
    now = 0.0
    client = Client(plane, clock=lambda: now)
    features = frozenset({"xds.config.supports-resource-ttl", "xds.config.resource-in-sotw"})
    plane.apply(ENDPOINT, "a", b"1", ttl=10)
    client.stream.receive(DiscoveryRequest(ENDPOINT, Node(client_features=features), ["a", "b"]))
    client.take()
    client.ask(ENDPOINT, "a", "b")
    now = 5.0
    assert client.take() == [(ENDPOINT, {"a": b"1"})]
    assert client.last[ENDPOINT].version == present_version(client)
    if answers:
        client.ask(ENDPOINT, "a", "b")
    plane.apply(ENDPOINT, "b", b"2")
    client.take()
    assert client.last[ENDPOINT].version == present_version(client) + ("" if answers else "+pending")


@pytest.mark.parametrize("type_url", [LISTENER, ENDPOINT])
@pytest.mark.parametrize(
    ("lists", "sent"),
    [
        ([["a"], ["a", "b"]], {"b"}),
        ([["a"], ["a", "b"], ["a"], ["a", "b"]], {"b"}),
        ([["a", "b"], ["a"], ["*", "a"]], {"a", "b"}),
        ([["c"], ["c", "a"], ["c", "a", "b"]], {"a", "b"}),
        ([["a", "b"], ["a", "b", "c"], ["a", "b"]], set()),
        ([["a", "b"], ["a", "b", "*"], ["a", "b"]], set()),
    ],
)
def test_what_is_asked_for_anew_before_the_first_answer_is_sent_whatever_it_brings(type_url, lists, sent):  # R26
    """It may have brought the version from before it gave the name up."""
    plane = Plane()
    for name in "ab":
        plane.apply(type_url, name, b"1")
    client = Client(plane)
    client.asking(type_url, "a", "b")
    again = Client(plane)
    for names in lists:
        again.ask(type_url, *names, version=client.last[type_url].version)
    if type_url == LISTENER and sent:
        sent = {"a", "b"}
    assert again.take() == ([(type_url, dict.fromkeys(sent, b"1"))] if sent else [])
    assert again.take() == []


def test_a_version_counts_in_a_first_request_only(plane, client):
    client.asking(ENDPOINT, "a")
    again = Client(plane)
    again.asking(ENDPOINT, "b")
    assert again.asking(ENDPOINT, "a", version=client.last[ENDPOINT].version) == [(ENDPOINT, {"a": b"1"})]


@pytest.mark.interpreted
def test_a_set_that_was_not_sent_can_be_held_in_part(plane, client):
    client.asking(LISTENER)
    again = Client(plane)
    assert again.asking(LISTENER, version=client.last[LISTENER].version) == []
    behind(again.stream.subscribers()[LISTENER], "b")
    plane.remove(LISTENER, "b")
    plane.apply(LISTENER, "a", b"2")
    assert again.take() == [(LISTENER, {"a": b"2", "b": b"1"})]


def test_who_waits_for_a_full_set_is_told_of_once(plane):
    writer = plane.writer("source")
    writer.apply(ENDPOINT, "c", b"1")
    writer.incomplete(["broken.yaml:3: not YAML"])
    writer.ready()
    client = Client(plane)
    for _ in range(2):
        assert client.asking(LISTENER, version="other") == []
        plane.apply(LISTENER, "c", b"1")
    assert client.stream.events() == [Deferred(LISTENER)]
    writer.incomplete([])
    assert client.take() == [(LISTENER, {"a": b"1", "b": b"1", "c": b"1"})]


def test_who_was_answered_waits_for_no_full_set(plane):
    writer = plane.writer("source")
    writer.apply(ENDPOINT, "c", b"1")
    writer.ready()
    client = Client(plane)
    assert client.asking(LISTENER, version="other") == [(LISTENER, {"a": b"1", "b": b"1"})]
    writer.incomplete(["broken.yaml:3: not YAML"])
    plane.apply(LISTENER, "a", b"2")
    assert client.take() == [(LISTENER, {"b": b"1", "a": b"2"})]


def test_the_version_is_the_label_where_there_is_one(plane, client):
    client.asking(ENDPOINT, "a", "b")
    content = client.last[ENDPOINT].version
    with plane.transaction(version="commit 1") as change:
        change.apply(ENDPOINT, "a", b"2")
    client.take()
    assert client.last[ENDPOINT].version == "commit 1"
    client.ask(ENDPOINT, "a", "b")
    plane.apply(ENDPOINT, "a", b"1")
    client.take()
    assert client.last[ENDPOINT].version == content


# --- warming


def test_a_repeated_request_is_answered_with_what_a_cluster_waits_for(plane, client):
    client.asking(CLUSTER)
    client.asking(ENDPOINT, "a", "b")
    client.ask(CLUSTER)
    client.ask(ENDPOINT, "a", "b")
    assert client.asking(ENDPOINT, "a", "b") == [], "nothing warms"
    plane.apply(CLUSTER, "c", b"a changed")
    assert client.take() == [(CLUSTER, {"c": b"a changed"})], "nothing goes unasked"
    assert client.asking(ENDPOINT, "a", "b") == [(ENDPOINT, {"a": b"1"})]
    assert client.asking(ENDPOINT, "a", "b") == [], "the answer to that"
    assert client.asking(ENDPOINT, "a", "b") == [], "nothing warms any more"


def test_only_clusters_that_changed_warm(plane, client):
    client.asking(CLUSTER)
    client.asking(ENDPOINT, "a", "b")
    client.ask(ENDPOINT, "a", "b")
    plane.apply(CLUSTER, "d", b"b")
    client.take()
    assert client.asking(ENDPOINT, "a", "b") == [(ENDPOINT, {"b": b"1"})]


def test_a_repetition_that_crossed_a_response_is_answered_at_the_next_request(plane, client):
    client.asking(CLUSTER)
    client.asking(ENDPOINT, "a", "b")
    client.ask(ENDPOINT, "a", "b")
    stale = client.last[ENDPOINT].nonce
    plane.apply(CLUSTER, "c", b"a changed")
    plane.apply(ENDPOINT, "b", b"2")
    client.take()
    assert client.asking(ENDPOINT, "a", "b", nonce=stale) == []
    assert client.asking(ENDPOINT, "a", "b") == [(ENDPOINT, {"a": b"1"})]


def test_the_answer_to_a_response_is_no_repetition(plane, client):
    client.asking(CLUSTER)
    client.asking(ENDPOINT, "a", "b")
    plane.apply(CLUSTER, "c", b"a changed")
    client.take()
    assert client.asking(ENDPOINT, "a", "b") == []


def test_what_is_no_longer_wanted_does_not_warm(plane, client):
    client.asking(CLUSTER)
    client.asking(ENDPOINT, "a", "b")
    client.ask(ENDPOINT, "a", "b")
    plane.apply(CLUSTER, "c", b"a changed")
    client.take()
    client.ask(ENDPOINT, "b")
    assert client.take() == []
    plane.apply(CLUSTER, "c", b"x is not asked for")
    client.take()
    assert client.asking(ENDPOINT, "b") == []


@pytest.mark.parametrize("order", [[CLUSTER, ENDPOINT], [ENDPOINT, CLUSTER]])
def test_who_comes_back_is_sent_what_a_cluster_that_was_sent_waits_for(plane, client, order):
    client.asking(CLUSTER)
    client.asking(ENDPOINT, "a", "b")
    version = client.last[ENDPOINT].version
    plane.apply(CLUSTER, "c", b"a changed")
    again = Client(plane)
    for type_url in order:
        if type_url == CLUSTER:
            again.ask(CLUSTER)
        else:
            again.ask(ENDPOINT, "a", "b", version=version)
    assert again.take() == [(CLUSTER, {"c": b"a changed"}), (ENDPOINT, {"a": b"1"})]


# --- what is refused


class Rules:
    """Refuses what begins with an x, and clusters."""

    def __init__(self, client):
        pass

    def type(self, type_url):
        return "not for you" if type_url == CLUSTER else None

    def names(self, type_url):
        return lambda name: "not yours" if name.startswith("x") else None


@pytest.fixture
def refused(plane):
    for type_url in (LISTENER, ENDPOINT):
        plane.apply(type_url, "x", b"1")
    client = Client(plane)
    client.stream = SotwStream(plane.server(authorize=Rules))
    return client


def refusals(client):
    return [event.names for event in client.stream.events() if isinstance(event, Refused)]


def test_a_refused_name_is_left_out_of_a_full_set_and_told_once_while_it_is_listed(refused):
    assert refused.asking(LISTENER, "x", "a") == [(LISTENER, {"a": b"1"})]
    assert refused.asking(LISTENER, "x", "a") == []
    assert refusals(refused) == [("x",)]
    assert refused.asking(LISTENER, "a", "x", "x2") == [(LISTENER, {"a": b"1"})]
    assert refused.asking(LISTENER, "a", "x", "x2") == []
    assert refused.asking(LISTENER, "a") == []
    assert refusals(refused) == [("x2",)]
    assert refused.asking(LISTENER, "a", "x") == [(LISTENER, {"a": b"1"})]
    assert refusals(refused) == [("x",)]


def test_a_refused_name_alone_is_answered_with_an_empty_set(refused):
    assert refused.asking(LISTENER, "x") == [(LISTENER, {})]
    assert refused.asking(LISTENER, "x") == []


def test_who_comes_back_with_the_set_that_it_may_have_is_sent_nothing(refused, plane):
    refused.ask(LISTENER, "x", "a")
    (response,) = refused.responses()
    again = Client(plane)
    again.stream = SotwStream(plane.server(authorize=Rules))
    assert again.asking(LISTENER, "x", "a", version=response.version) == []


def test_who_comes_back_with_the_empty_set_that_it_may_have_is_sent_nothing(refused, plane):
    refused.ask(LISTENER, "x")
    (response,) = refused.responses()
    again = Client(plane)
    again.stream = SotwStream(plane.server(authorize=Rules))
    assert again.asking(LISTENER, "x", version=response.version) == []


def test_a_refused_name_of_other_types_is_not_answered_as_none_that_is_missing_is(refused, plane):
    assert refused.asking(ENDPOINT, "x", "a") == [(ENDPOINT, {"a": b"1"})]
    assert refused.asking(ENDPOINT, "x", "b") == [(ENDPOINT, {"b": b"1"})]
    assert refused.stream.subscribers()[ENDPOINT].names == {"b"}
    plane.apply(ENDPOINT, "x", b"2")
    assert refused.take() == []


def test_what_is_no_longer_listed_before_the_answer_needs_none(refused):
    refused.asking(LISTENER, "a")
    refused.ask(LISTENER, "a", "x")
    assert refused.asking(LISTENER, "a") == []


def test_a_refused_type_is_an_empty_set(refused, plane):
    assert refused.asking(CLUSTER) == [(CLUSTER, {})]
    plane.apply(CLUSTER, "c", b"b")
    assert refused.take() == []


def test_everything_may_be_refused_and_is_nothing_then(plane):
    class NotEverything(Rules):
        def names(self, type_url):
            return lambda name: "too much" if name == "*" else None

    client = Client(plane)
    client.stream = SotwStream(plane.server(authorize=NotEverything))
    assert client.asking(LISTENER) == [(LISTENER, {})]
    assert client.asking(LISTENER) == []
    plane.apply(LISTENER, "a", b"2")
    assert client.take() == []
    assert client.asking(LISTENER, "*", "a") == [(LISTENER, {"a": b"2"})]
    assert refusals(client) == [("*",)]


def test_more_names_than_a_client_may_list_end_its_stream(plane):
    client = Client(plane, max_names=2)
    client.asking(LISTENER, "a", "b")
    client.asking(LISTENER, "c", "d", "*")
    with pytest.raises(PeerError, match="more than 2 names of listeners"):
        client.asking(LISTENER, "c", "d", "e")


# --- lifetimes


@pytest.mark.parametrize(
    ("features", "told"),
    [
        (["xds.config.supports-resource-ttl", "xds.config.resource-in-sotw"], True),
        (["xds.config.supports-resource-ttl", "xds.config.supports-resource-in-sotw"], True),
        (["xds.config.supports-resource-ttl"], False),
        (["xds.config.resource-in-sotw"], False),
        ([], False),
    ],
)
def test_a_lifetime_is_told_to_who_understands_it_and_takes_it_in_a_wrapper(plane, features, told):  # R73
    stream = SotwStream(plane.server())
    stream.receive(DiscoveryRequest(LISTENER, Node(client_features=frozenset(features))))
    assert [response.ttl for response in stream.responses()] == [told]


def test_the_late_answer_to_a_response_is_no_repetition(plane, client):
    client.asking(CLUSTER)
    client.asking(ENDPOINT, "a", "b")
    late = client.last[ENDPOINT].nonce
    plane.apply(ENDPOINT, "b", b"2")
    plane.apply(CLUSTER, "c", b"a changed")
    client.take()
    assert client.asking(ENDPOINT, "a", "b", nonce=late) == []
    assert client.asking(ENDPOINT, "a", "b") == []


def test_one_repetition_is_answered_once(plane, client):
    client.asking(CLUSTER)
    client.asking(ENDPOINT, "a", "b")
    client.ask(ENDPOINT, "a", "b")
    stale = client.last[ENDPOINT].nonce
    plane.apply(CLUSTER, "c", b"a changed")
    plane.apply(ENDPOINT, "b", b"2")
    client.take()
    client.ask(ENDPOINT, "a", "b", nonce=stale)
    assert client.asking(ENDPOINT, "a", "b") == [(ENDPOINT, {"a": b"1"})]
    plane.apply(CLUSTER, "c", b"a changed again")
    client.take()
    assert client.asking(ENDPOINT, "a", "b") == [], "the answer to that"


def test_a_repetition_is_answered_also_where_it_crossed_several_responses(plane, client):
    client.asking(CLUSTER)
    client.asking(ENDPOINT, "a", "b")
    client.ask(ENDPOINT, "a", "b")
    nonces = [client.last[ENDPOINT].nonce]
    plane.apply(CLUSTER, "c", b"a changed")
    for body in (b"2", b"3"):
        plane.apply(ENDPOINT, "b", body)
        client.take()
        nonces.append(client.last[ENDPOINT].nonce)
    repeated, late, latest = nonces
    assert client.asking(ENDPOINT, "a", "b", nonce=repeated) == []
    assert client.asking(ENDPOINT, "a", "b", nonce=late) == []
    assert client.asking(ENDPOINT, "a", "b", nonce=latest) == [(ENDPOINT, {"a": b"1"})]


@pytest.mark.parametrize("before", [["a"], ["a", "b"]])
def test_a_name_that_was_asked_for_since_does_not_warm(plane, client, before):
    client.asking(CLUSTER)
    client.asking(ENDPOINT, *before)
    plane.apply(CLUSTER, "d", b"b")
    client.take()
    client.ask(ENDPOINT, "a")
    plane.apply(ENDPOINT, "a", b"2")
    client.take()
    assert client.asking(ENDPOINT, "a", "b") == [(ENDPOINT, {"b": b"1"})]
    client.ask(ENDPOINT, "a", "b")
    assert client.asking(ENDPOINT, "a", "b") == []


# --- order


@pytest.fixture
def shop():
    """A Plane in which listeners and routes name clusters."""
    plane = Plane(references=lambda url, body: [(CLUSTER, body.decode())] if url in (LISTENER, ROUTE) else [])
    plane.apply(CLUSTER, "c", b"1")
    plane.apply(LISTENER, "l", b"c")
    plane.apply(ROUTE, "r", b"c")
    return plane


def test_a_first_full_set_waits_for_nothing(shop):
    client = Client(shop)
    client.ask(CLUSTER)
    client.ask(ROUTE, "r")
    assert client.asking(LISTENER) == [(CLUSTER, {"c": b"1"}), (LISTENER, {"l": b"c"})]
    assert client.asking(CLUSTER) == [(ROUTE, {"r": b"c"})]


@pytest.mark.parametrize(("before", "after"), [(["*"], ["*", "l"]), (["l"], ["*", "l"]), (["l"], ["l", "m"])])
def test_what_the_client_has_stays_in_its_set_however_else_it_is_asked_for(shop, before, after):
    client = Client(shop)
    shop.apply(LISTENER, "m", b"none")
    client.asking(CLUSTER)
    client.asking(LISTENER, *before)
    client.asking(CLUSTER)
    client.asking(LISTENER, *before)
    shop.apply(CLUSTER, "c", b"2")
    client.take()
    ((_, found),) = client.asking(LISTENER, *after)
    assert found == {"l": b"c", "m": b"none"}
    shop.apply(LISTENER, "m", b"another")
    assert client.take() == [(LISTENER, {"l": b"c", "m": b"another"})]


def test_a_set_that_is_accepted_lets_go_what_waited_for_a_part_of_it(shop):
    client = Client(shop)
    client.asking(CLUSTER)
    client.ask(CLUSTER)
    client.asking(ROUTE, "r")
    client.ask(ROUTE, "r")
    shop.apply(CLUSTER, "new", b"1")
    shop.apply(ROUTE, "r", b"new")
    client.take()
    assert client.asking(CLUSTER, error="no") == []
    shop.apply(CLUSTER, "c", b"2")
    assert client.take() == [(CLUSTER, {"new": b"1", "c": b"2"})]
    assert client.asking(CLUSTER) == [(ROUTE, {"r": b"new"})]


def test_to_accept_something_else_of_another_type_makes_good_for_nothing(client):
    client.asking(ENDPOINT, "a")
    client.ask(ENDPOINT, "a", error="no")
    client.asking(ENDPOINT, "a", "b")
    client.ask(ENDPOINT, "a", "b")
    assert set(client.stream.subscribers()[ENDPOINT].rejected) == {"a"}


def test_a_name_that_is_given_up_lets_go_what_it_held(shop):
    client = Client(shop)
    client.asking(CLUSTER)
    client.ask(CLUSTER)
    client.asking(ROUTE, "r")
    client.ask(ROUTE, "r")
    with shop.transaction() as change:
        change.remove(CLUSTER, "c")
        change.remove(ROUTE, "r")
    assert client.take() == [], "the client may use its route still"
    assert client.asking(ROUTE) == [(CLUSTER, {})]


def test_a_listener_that_goes_while_everything_is_asked_for_drains(shop):
    now = 0.0
    client = Client(shop, clock=lambda: now)
    for request in [(CLUSTER,), (LISTENER, "missing", "l")]:
        client.asking(*request)
        client.ask(*request)
    with shop.transaction() as change:
        change.remove(CLUSTER, "c")
        change.remove(LISTENER, "l")
    assert client.asking(LISTENER, "missing", "*") == [(LISTENER, {})]
    assert client.asking(LISTENER, "missing", "*") == []
    assert [hold.why for hold in client.stream.order.holds()] == ["draining"]


def test_what_was_let_go_given_up_and_asked_for_again_waits_anew(shop):
    """All between two batches."""
    client = Client(shop)
    for request in [(CLUSTER,), (ROUTE, "r", "other")]:
        client.asking(*request)
        client.ask(*request)
    shop.apply(CLUSTER, "new", b"1")
    shop.apply(ROUTE, "r", b"new")
    assert client.take() == [(CLUSTER, {"c": b"1", "new": b"1"})]
    client.ask(CLUSTER)
    client.ask(ROUTE, "other")
    shop.apply(CLUSTER, "new", b"2")
    assert client.asking(ROUTE, "r", "other") == [(CLUSTER, {"c": b"1", "new": b"2"})]
    assert client.asking(CLUSTER) == [(ROUTE, {"r": b"new"})]


def test_a_version_says_that_the_client_comes_back(plane):
    for version in ("", "some version"):
        client = Client(plane)
        client.ask(LISTENER, version=version)
        channel = client.stream.channel(LISTENER)
        assert channel is not None
        assert channel.knows is bool(version)


@pytest.fixture
def back(shop):
    """A client that brings the present clusters, of which nothing refers to "old"; there are no listeners any more."""
    shop.apply(CLUSTER, "old", b"1")
    shop.remove(LISTENER, "l")
    first = Client(shop)
    first.asking(CLUSTER)
    back = Client(shop)
    back.ask(CLUSTER, version=first.last[CLUSTER].version)
    return back


def test_what_the_set_that_it_brings_may_refer_to_stays_until_it_has_another(shop, back):
    assert back.asking(LISTENER, version="of listeners") == [(LISTENER, {})]
    shop.remove(CLUSTER, "old")
    assert back.take() == []
    assert back.asking(LISTENER) == [(CLUSTER, {"c": b"1"})]


def test_who_brings_no_set_of_a_type_has_nothing_that_refers_to_others(shop, back):
    assert back.asking(LISTENER) == [(LISTENER, {})]
    shop.remove(CLUSTER, "old")
    assert back.take() == [(CLUSTER, {"c": b"1"})]

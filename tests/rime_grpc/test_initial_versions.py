"""What a client that comes back says that it has is read as what differs from what another said."""

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from rime_envoy_api import message_class
from rime_grpc import initial_versions
from rime_grpc.initial_versions import InitialVersions, request_class

Request = message_class("envoy.service.discovery.v3.DeltaDiscoveryRequest")
MANY = {f"c{number}": f"v{number}" for number in range(200)}


def request(*said):
    """A request with these initial versions; what is said twice stands there twice."""
    parts = [Request(initial_resource_versions=each).SerializeToString() for each in said]
    return request_class().FromString(b"".join(parts))


@pytest.fixture
def decoded(monkeypatch):
    """The entries that were decoded by themselves."""
    seen = []
    decode = initial_versions._decoded

    def noted(entry):
        seen.append(decode(entry))
        return seen[-1]

    monkeypatch.setattr(initial_versions, "_decoded", noted)
    return seen


@given(said=st.lists(st.dictionaries(st.text(), st.text()), max_size=4), number=st.integers(0, 2))
def test_they_are_what_protobufs_map_holds(said, number):
    reading = InitialVersions()
    many = {f"c{each}": "v" for each in range(number * 70)}
    for each in said:
        assert dict(reading.read(request({**many, **each}))) == {**many, **each}


def test_who_says_what_another_said_in_an_order_of_its_own_has_nothing_decoded(decoded):
    reading = InitialVersions()
    first = reading.read(request(MANY))
    shuffled = reading.read(request(*({name: MANY[name]} for name in reversed(MANY))))
    assert shuffled is first
    assert dict(first) == MANY
    assert decoded == []


@pytest.mark.parametrize(
    ("said", "by_itself"),
    [
        (MANY | {"c7": "other"}, {("c7", "other"), ("c7", "v7")}),
        (MANY | {"new": "v"}, {("new", "v")}),
        ({name: version for name, version in MANY.items() if name != "c7"}, {("c7", "v7")}),
    ],
    ids=["another version", "one more", "one less"],
)
def test_of_who_says_nearly_what_another_said_only_what_differs_is_decoded(decoded, said, by_itself):
    reading = InitialVersions()
    reading.read(request(MANY))
    known = reading.read(request(said))
    assert dict(known) == said
    assert len(known) == len(said)
    assert set(decoded) == by_itself


def test_who_says_much_else_is_compared_to_the_next_that_says_that(decoded):
    reading = InitialVersions()
    other = dict.fromkeys(MANY, "other")
    for said in (MANY, other):
        assert dict(reading.read(request(said))) == said
    assert reading.read(request(MANY)) is reading.read(request(MANY))
    assert reading.read(request(other)) is reading.read(request(other))
    assert decoded == []


@pytest.mark.parametrize("twice", [{"c7": "v7"}, {"c7": "other"}, {"new": "v"}], ids=["same", "other", "new"])
def test_what_is_said_twice_is_taken_as_one_of_it(twice):
    reading = InitialVersions()
    for _ in range(2):  # first as nobody said, then as somebody else did
        known = reading.read(request(MANY, twice, twice))
        (name,) = twice
        assert {**known, name: None} == {**MANY, name: None}
        assert known[name] in {MANY.get(name), twice[name]}
        reading.read(request(MANY))


@pytest.mark.parametrize("entry", [b"\x0a\x09c", b"\x0a\x01\xff", b"\xff"], ids=["cut off", "no text", "no field"])
@pytest.mark.parametrize("beside", [{}, MANY], ids=["alone", "beside many"])
def test_what_is_no_entry_is_refused(entry, beside):
    reading = InitialVersions()
    reading.read(request(MANY))
    message = request(beside)
    message.initial_resource_versions.append(entry)
    for _ in range(2):
        with pytest.raises(DecodeError):
            reading.read(message)
    assert dict(reading.read(request(MANY))) == MANY


@pytest.mark.parametrize("bound", ["CLIENTS", "KEPT"])
def test_what_is_kept_of_clients_is_bounded(monkeypatch, bound):
    said = [{f"{letter}{number}": "v" for number in range(200)} for letter in "abcdef"]
    monkeypatch.setattr(initial_versions, "KEPT", 600 if bound == "KEPT" else 100_000)
    reading = InitialVersions()
    for each in said:
        reading.read(request(each))
    kept = [each.known for each in reading._before]
    assert [dict(each) for each in kept] == (said[:-5:-1] if bound == "CLIENTS" else said[:-4:-1])


def test_what_is_too_much_is_not_kept(monkeypatch):
    monkeypatch.setattr(initial_versions, "KEPT", 100)
    reading = InitialVersions()
    assert dict(reading.read(request(MANY))) == MANY
    assert not reading._before

"""A version is derived from content and nothing else: the same in every process, with or without xxhash."""

import os
import subprocess
import sys
from hashlib import blake2b

import pytest

from rime_core import CLUSTER, VIRTUAL_HOST, Bodiless, Resource
from rime_core.resource import (
    LEAST_TTL,
    MOST_TTL,
    check_name,
    checked_ttl,
    content_digest,
    copied,
    heartbeat_of,
    lifetime_of,
    unknown,
    unknown_number,
    version_of,
)

DIGEST_OF_BODY = "from rime_core.resource import content_digest; print(content_digest(b'body'))"
FALLBACK = "b2-" + blake2b(b"body", digest_size=8).hexdigest()
WITHOUT_XXHASH = "import sys; sys.modules['xxhash'] = None; "


def in_another_process(code: str, hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


# --- the digest


def test_every_process_gives_content_the_same_version():
    assert in_another_process(DIGEST_OF_BODY, "1") == content_digest(b"body")


def test_without_xxhash_it_is_another_hash_and_says_so():
    digests = {in_another_process(WITHOUT_XXHASH + DIGEST_OF_BODY, seed) for seed in ("1", "2")}
    assert digests == {FALLBACK}
    assert not content_digest(b"body").startswith("b2-")


def test_without_xxhash_a_plane_works_the_same():
    code = """
from rime_core import CLUSTER, Plane
plane = Plane()
subscriber = plane.server().subscribe(CLUSTER)
subscriber.initial()
plane.apply(CLUSTER, "a", b"body")
print(subscriber.poll().resources[0].version)
"""
    assert in_another_process(WITHOUT_XXHASH + code, "1") == FALLBACK


def test_aliases_are_content():
    plain, one, two = (version_of(content_digest, b"x", aliases) for aliases in ((), ("a",), ("a", "b")))
    assert len({plain, one, two}) == 3
    assert plain == content_digest(b"x")


def test_a_version_stays_what_it_is_from_release_to_release():
    """Another way of making it would have every client that comes back sent all that has aliases."""
    version = version_of(lambda data: data.hex(), b"x", ("ab", "c"))
    assert version == b"x".hex() + "-" + (b"\0\0\0\2ab" + b"\0\0\0\1c").hex()


def test_a_resource_is_for_everybody_unless_it_is_on_demand():
    assert not Resource(CLUSTER, "a", "v", b"").on_demand


def test_aliases_are_told_apart_by_their_lengths():
    assert version_of(content_digest, b"x", ("ab", "c")) != version_of(content_digest, b"x", ("a", "bc"))


def test_a_lifetime_is_content():
    versions = [
        version_of(content_digest, b"x", aliases, ttl)
        for aliases in ((), ("a",))
        for ttl in (None, 1.0, 1.001, 10.0, 86_400.0)
    ]
    assert len(set(versions)) == len(versions)
    assert versions[0] == content_digest(b"x"), "without one it is the same as ever"
    assert versions[2] == content_digest(b"x") + "+1001ms", "and a reader can tell"


# --- a resource


@pytest.mark.parametrize("aliases", [(), ("a",)])
@pytest.mark.parametrize("ttl", [None, LEAST_TTL, 1.001, 2.345, 30.0, MOST_TTL])
def test_a_version_says_what_lifetime_it_has(ttl, aliases):
    version = version_of(content_digest, b"x", aliases, ttl)
    assert lifetime_of(version) == ttl
    assert lifetime_of(f"{version}~17") == ttl
    assert lifetime_of(f"with+{version}") == ttl, "a digest may have any text"


@pytest.mark.parametrize(
    "version",
    [
        *("", "+", "1000ms", "x+ms", "x+1000", "x+1000s", "x+1000ms ", "x+1000ms+y", "x+-1000ms", "x+1_000ms"),
        *("x+\N{SUPERSCRIPT TWO}ms", "x+999ms", "x+86400001ms", f"x+{'9' * 5000}ms", f"x+{'5000'.zfill(18)}ms"),
    ],
)
def test_a_version_of_a_clients_own_says_none_that_nothing_has(version):
    assert lifetime_of(version) is None


def test_a_resource_shows_its_size_and_not_its_body():
    resource = Resource(CLUSTER, "backend", "v1", b"secret")
    assert repr(resource) == "Resource('backend', version='v1', 6 bytes)"


@pytest.mark.interpreted
def test_with_another_version_all_else_is_the_same():
    resource = Resource(CLUSTER, "backend", "v1", b"x", ("alias",), True, ((CLUSTER, "other"),), 5.0)
    other = resource.with_version("v1~5")
    assert (resource.version, other.version) == ("v1", "v1~5")
    for slot in Resource.__slots__:
        if slot != "version":
            assert getattr(other, slot) == getattr(resource, slot)


def test_the_encoded_form_is_not_taken_along_as_it_holds_the_version():
    resource = Resource(CLUSTER, "backend", "v1", b"x", ttl=5.0)
    resource.encoded = resource.encoded_with_ttl = b"v1, encoded"
    heartbeat_of(resource)
    other = resource.with_version("v2")
    assert (other.encoded, other.encoded_with_ttl, other.heartbeat) == (None, None, None)
    assert heartbeat_of(other).version == "v2"


# --- in place of a resource


def test_a_heartbeat_has_the_version_and_the_lifetime_and_nothing_else():
    heartbeat = heartbeat_of(Resource(CLUSTER, "backend", "v1", b"x", ("alias",), True, ((CLUSTER, "other"),), 5.0))
    assert isinstance(heartbeat, Bodiless)
    assert (heartbeat.type_url, heartbeat.name, heartbeat.version, heartbeat.ttl) == (CLUSTER, "backend", "v1", 5.0)
    assert (heartbeat.body, heartbeat.aliases, heartbeat.references) == (b"", (), ())


def test_a_heartbeat_is_made_once():
    resource = Resource(CLUSTER, "backend", "v1", b"x", ttl=5.0)
    assert heartbeat_of(resource) is heartbeat_of(resource)


def test_what_has_no_lifetime_has_no_heartbeat():
    with pytest.raises(ValueError, match=r"Resource\('backend', .* has no lifetime to renew"):
        heartbeat_of(Resource(CLUSTER, "backend", "v1", b"x"))


def test_what_is_unknown_is_answered_under_the_name_that_was_asked_for():
    answer = unknown(VIRTUAL_HOST, "routes/host")
    assert isinstance(answer, Bodiless)
    assert (answer.type_url, answer.name, answer.aliases) == (VIRTUAL_HOST, "routes/host", ("routes/host",))
    assert answer.version, "Envoy wants one"
    assert answer.ttl is None


def test_each_answer_that_something_is_unknown_can_be_told_from_others():
    assert [unknown_number(unknown(VIRTUAL_HOST, "r/a", number).version) for number in (0, 1, 41)] == [0, 1, 41]
    assert unknown_number(content_digest(b"1")) is None


@pytest.mark.parametrize("number", ["", "x", "-1", "1.5", "٣", "9" * 18, "9" * 5000])
def test_what_a_client_makes_of_such_a_version_is_an_unknown_one_without_a_number(number):
    assert unknown_number(f"unknown-{number}") == 0


def test_what_has_no_body_shows_that():
    assert repr(unknown(VIRTUAL_HOST, "routes/host")) == "Bodiless('routes/host', version='unknown-0')"


# --- what may be given


@pytest.mark.parametrize("name", ["backend", "**", "a/b?c=d", "ä", "a\0b", "x" * 10_000])
def test_a_name(name):
    check_name(name)


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("", ValueError, "^a resource's name must not be empty$"),
        ("*", ValueError, '^"\\*" means every resource; none can have it as its name$'),
        ("\ud800", ValueError, "cannot be encoded in UTF-8"),
        (b"backend", TypeError, "a resource's name is a str, not bytes"),
        (None, TypeError, "a resource's name is a str, not NoneType"),
    ],
)
@pytest.mark.interpreted
def test_no_name(name, error, text):
    with pytest.raises(error, match=text):
        check_name(name)


@pytest.mark.parametrize("body", [b"abc", bytearray(b"abc"), memoryview(b"abc")])
def test_a_body_is_bytes_of_its_own(body):
    assert copied(body) == b"abc"
    assert type(copied(body)) is bytes


def test_what_was_given_may_change_afterwards():
    body = bytearray(b"abc")
    taken = copied(body)
    body[0] = 0
    assert taken == b"abc"


@pytest.mark.parametrize("body", ["abc", 3, None, [97], object()])
def test_no_body(body):
    with pytest.raises(TypeError, match=rf"a body is bytes \(a serialized message\), not {type(body).__name__}"):
        copied(body)


@pytest.mark.parametrize(("ttl", "taken"), [(1, 1.0), (1.0, 1.0), (86_400, 86_400.0), (2.00049, 2.0), (2.0006, 2.001)])
def test_a_lifetime_is_seconds_to_the_millisecond(ttl, taken):
    assert checked_ttl(ttl) == taken
    assert type(checked_ttl(ttl)) is float


@pytest.mark.parametrize("ttl", [0, 0.999, -1, 86_400.001, 10**400, float("nan"), float("inf")])
@pytest.mark.interpreted
def test_a_lifetime_that_nobody_could_keep(ttl):
    with pytest.raises(ValueError, match=r"a lifetime \(ttl\) is from 1 s to 86400 s \(a day\), not "):
        checked_ttl(ttl)


@pytest.mark.parametrize("ttl", ["5", True, b"", object()])
@pytest.mark.interpreted
def test_no_lifetime(ttl):
    with pytest.raises(TypeError, match=rf"a lifetime \(ttl\) is a number of seconds, not {type(ttl).__name__}"):
        checked_ttl(ttl)


def test_equal_answers_that_there_is_nothing_are_equal():
    one, same, other = (unknown(VIRTUAL_HOST, name) for name in ("a", "a", "b"))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != Resource(VIRTUAL_HOST, "a", one.version, b"", one.aliases)


@pytest.mark.parametrize(
    ("type_url", "aliases", "told"),
    [(VIRTUAL_HOST, (), ("a",)), (VIRTUAL_HOST, ("b", "a"), ("b", "a")), (CLUSTER, ("b",), ("b",)), (CLUSTER, (), ())],
)
def test_a_virtual_host_is_told_with_its_name_as_an_alias(type_url, aliases, told):  # R77
    assert Resource(type_url, "a", "1", b"", aliases).told_aliases == told

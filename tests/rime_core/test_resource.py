"""A version is derived from content and nothing else: the same in every process, with or without xxhash."""

import os
import subprocess
import sys
from hashlib import blake2b

import pytest

from rime_core import CLUSTER, Resource
from rime_core.resource import check_name, content_digest, copied, version_of

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


def test_aliases_are_told_apart_by_their_lengths():
    assert version_of(content_digest, b"x", ("ab", "c")) != version_of(content_digest, b"x", ("a", "bc"))


# --- a resource


def test_a_resource_shows_its_size_and_not_its_body():
    resource = Resource(CLUSTER, "backend", "v1", b"secret")
    assert repr(resource) == "Resource('backend', version='v1', 6 bytes)"


def test_with_another_version_all_else_is_the_same():
    resource = Resource(CLUSTER, "backend", "v1", b"x", ("alias",), True, ((CLUSTER, "other"),))
    other = resource.with_version("v1~5")
    assert (resource.version, other.version) == ("v1", "v1~5")
    for slot in Resource.__slots__:
        if slot != "version":
            assert getattr(other, slot) == getattr(resource, slot)


def test_the_encoded_form_is_not_taken_along_as_it_holds_the_version():
    resource = Resource(CLUSTER, "backend", "v1", b"x")
    resource.encoded = b"v1, encoded"
    assert resource.with_version("v2").encoded is None


# --- what may be given


@pytest.mark.parametrize("name", ["backend", "**", "a/b?c=d", "ä", "a\0b", "x" * 10_000])
def test_a_name(name):
    check_name(name)


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("", ValueError, "must not be empty"),
        ("*", ValueError, '"\\*" means every resource'),
        ("\ud800", ValueError, "cannot be encoded in UTF-8"),
        (b"backend", TypeError, "a resource's name is a str, not bytes"),
        (None, TypeError, "a resource's name is a str, not NoneType"),
    ],
)
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

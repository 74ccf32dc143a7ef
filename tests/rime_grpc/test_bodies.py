"""What is in resources, without what is secret, made out once."""

from rime_core import CLUSTER, SECRET, Plane
from rime_grpc.bodies import LARGEST, Bodies
from tests.planted import Cluster, Secret


def resource(type_url, name, body):
    plane = Plane()
    plane.apply(type_url, name, body)
    return plane.snapshot()[type_url][name]


def test_what_is_secret_is_not_in_it():
    secret = Secret(name="s")
    secret.generic_secret.secret.inline_string = "hush"
    body = Bodies().of(resource(SECRET, "s", secret.SerializeToString()))
    assert body is not None
    assert Secret.FromString(body).generic_secret.secret.inline_string == "[redacted]"


def test_it_is_made_out_once_for_each_version():
    bodies = Bodies()
    one, other = (Cluster(name="a", alt_stat_name=each).SerializeToString() for each in ("one", "other"))
    for _ in range(3):
        assert bodies.of(resource(CLUSTER, "a", one)) == one
    assert bodies.decoded == len(one)
    assert bodies.of(resource(CLUSTER, "a", other)) == other
    assert bodies.decoded == len(one) + len(other)


def test_what_cannot_be_decoded_or_is_large_is_not_told():
    bodies = Bodies()
    assert bodies.of(resource(CLUSTER, "a", b"\xff")) is None
    assert bodies.of(resource("type.googleapis.com/acme.v1.Vault", "a", b"")) is None
    large = Cluster(name="a" * LARGEST).SerializeToString()
    assert bodies.of(resource(CLUSTER, "b", large)) is None
    assert bodies.decoded == 1

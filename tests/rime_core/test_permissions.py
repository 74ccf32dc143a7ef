"""Whom a Server asks what a client may be given. What a stream makes of it: protocol/test_allowance, test_delta, ..."""

import pytest

from rime_core import SECRET, Certificate, Client, Node, Peer, PeerError, Plane

ENVOY = Client(Node("envoy-1"), Peer("127.0.0.1:5000", Certificate("envoy-1", ("spiffe://example/team-a",))))


class Team:
    """Its own secrets, by the certificate."""

    def __init__(self, client):
        self.names_of_all = client.peer.certificate.alternative_names

    def type(self, type_url):
        return None

    def names(self, type_url):
        return self.why_not if type_url == SECRET else None

    def why_not(self, name):
        return None if f"spiffe://example/{name.partition('/')[0]}" in self.names_of_all else "another team's"


def test_who_is_not_asked_refuses_nothing():
    assert Plane().server().permissions(ENVOY) is None


def test_it_is_asked_for_the_client_with_what_its_connection_proves():
    permissions = Plane().server(authorize=Team).permissions(ENVOY)
    assert permissions is not None
    why_not = permissions.names(SECRET)
    assert why_not is not None
    assert why_not("team-a/key") is None
    assert why_not("team-b/key") == "another team's"


def test_a_client_may_be_refused_altogether():
    def authorize(_client):
        raise PeerError("no", code="PERMISSION_DENIED")

    with pytest.raises(PeerError, match="no"):
        Plane().server(authorize=authorize).permissions(ENVOY)

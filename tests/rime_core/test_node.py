"""Who a client is: nothing is assumed of one that says nothing and proves nothing."""

import dataclasses

import pytest

from rime_core import Certificate, Client, Node, Peer


def test_a_client_that_says_and_proves_nothing():
    client = Client()
    assert client.node == Node("", "", "", "", "", {}, frozenset())
    assert client.peer == Peer("", None)
    assert Certificate() == Certificate("", ())


def test_no_two_nodes_share_their_metadata():
    assert Node().metadata is not Node().metadata


@pytest.mark.parametrize("one", [Node(), Peer(), Certificate(), Client()])
def test_it_is_read_only(one):
    field = dataclasses.fields(one)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(one, field, "other")

"""What a client that came back is waited for; what that leads to is in test_order.py."""

import pytest

from rime_core import CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, VIRTUAL_HOST
from rime_core.protocol.returning import Returning


class Channel:
    def __init__(self, *, answered=True):
        self.answered = answered


@pytest.fixture
def channels():
    return {}


@pytest.fixture
def returning(channels):
    returning = Returning(channels.get)
    returning.came_back = True
    returning.until = 1.0
    return returning


@pytest.mark.parametrize("type_url", [CLUSTER, LISTENER, ROUTE])
def test_every_client_is_expected_to_ask_for_these(channels, returning, type_url):
    assert returning.is_awaited(type_url)
    channels[type_url] = Channel(answered=False)
    assert returning.is_awaited(type_url)
    channels[type_url].answered = True
    assert not returning.is_awaited(type_url)


def test_who_does_not_ask_for_them_in_time_has_none(channels, returning):
    returning.until = None
    assert not returning.is_awaited(ROUTE)
    channels[ROUTE] = Channel(answered=False)
    assert returning.is_awaited(ROUTE)


@pytest.mark.parametrize("type_url", [SECRET, VIRTUAL_HOST, ENDPOINT])
def test_others_are_awaited_only_when_they_were_asked_for(channels, returning, type_url):
    assert not returning.is_awaited(type_url)
    channels[type_url] = Channel(answered=False)
    assert returning.is_awaited(type_url)


def test_who_did_not_come_back_is_not_awaited(channels):
    first = Returning(channels.get)
    channels[ROUTE] = Channel(answered=False)
    assert not first.is_awaited(ROUTE)
    assert not first.is_awaited(CLUSTER)

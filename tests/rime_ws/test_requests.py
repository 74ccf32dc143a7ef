"""What a client may say, and what it is told where it says something else."""

import json

import pytest

from rime_core import CLUSTER, SECRET, Node
from rime_ws.requests import (
    MAX_ID,
    MisunderstoodError,
    SubscribeClient,
    SubscribeClients,
    SubscribeResources,
    SubscribeStatus,
    Unsubscribe,
    read,
)
from tests.rime_ws.talk import FROM_CLIENT


def read_checked(**message):
    FROM_CLIENT.validate(message)
    return read(json.dumps(message), max_names=3)


def test_resources_are_what_is_subscribed_to_unless_something_else_is_said():
    assert read_checked(message="subscribe", type="cds") == SubscribeResources("", CLUSTER)
    assert read_checked(
        message="subscribe", feed="resources", id="1", type=SECRET, names=["a"], known={"a": "1"}, bodies="changes",
        previous=True, group="edge", node={"id": "n", "metadata": {"a": [1]}},
    ) == SubscribeResources(
        "1", SECRET, ("a",), {"a": "1"}, "changes", True, "edge", Node(id="n", metadata={"a": [1]})
    )  # fmt: skip


@pytest.mark.parametrize("names", [["*"], ["a", "*"]])
def test_a_star_among_names_is_everything(names):
    assert read_checked(message="subscribe", type="cds", names=names).names is None


def test_no_names_are_none():
    assert read_checked(message="subscribe", type="cds", names=[]).names == ()


def test_the_other_feeds_and_the_end_of_one():
    assert read_checked(message="subscribe", feed="clients", id="c") == SubscribeClients("c")
    assert read_checked(message="subscribe", feed="client", id="c", client="n@1") == SubscribeClient("c", "n@1")
    assert read_checked(message="subscribe", feed="status") == SubscribeStatus("")
    assert read_checked(message="unsubscribe", id="c") == Unsubscribe("c")


SUBSCRIBE = {"message": "subscribe", "type": "cds"}


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"message": 1}, '"message" should be a text'),
        ({"message": "subscribe"}, '"type" is missing: clusters, endpoints'),
        ({**SUBSCRIBE, "type": "pods"}, "'pods' is no type of resource; there are secrets, clusters"),
        ({**SUBSCRIBE, "id": 1}, f'"id" should be a text of up to {MAX_ID} characters'),
        ({**SUBSCRIBE, "id": "x" * (MAX_ID + 1)}, '"id" should be a text of up to'),
        ({**SUBSCRIBE, "names": "a"}, '"names" should be a list of names'),
        ({**SUBSCRIBE, "names": [""]}, '"names" should be a list of names'),
        ({**SUBSCRIBE, "known": ["a"]}, '"known" should be an object, name → version'),
        ({**SUBSCRIBE, "known": {"a": 1}}, '"known" should be an object, name → version'),
        ({**SUBSCRIBE, "known": dict.fromkeys("abcd", "1")}, '"known" has 4 names; here there may be 3'),
        ({**SUBSCRIBE, "bodies": True}, '"bodies" should be "all", "changes" or "none"'),
        ({**SUBSCRIBE, "previous": 1}, '"previous" should be true or false'),
        ({**SUBSCRIBE, "node": "n"}, '"node" should be an object'),
        ({**SUBSCRIBE, "node": {"id": 1}}, '"node.id" should be a text'),
        ({**SUBSCRIBE, "node": {"metadata": 1}}, '"node.metadata" should be an object'),
        ({**SUBSCRIBE, "node": {"name": "n"}}, 'there is no key "name" in node: there are id, cluster'),
        ({**SUBSCRIBE, "name": ["a"]}, 'there is no key "name" here: did you mean "names"?'),
        ({**SUBSCRIBE, "zz": 1}, 'there is no key "zz" here: there are message, feed, id, type'),
        ({**SUBSCRIBE, "x" * 1000: 1}, "…"),
        ({**SUBSCRIBE, "type": "x/" + "y" * 1000}, '"type" should be a text of up to 500 characters'),
        ({"message": "subscribe", "feed": "client"}, 'the feed "client" needs "client"'),
        ({"message": "subscribe", "feed": "clients", "type": "cds"}, 'there is no key "type" here'),
    ],
)
def test_what_is_wrong_is_said_in_one_short_line(message, said):
    assert not FROM_CLIENT.is_valid(message) or "known" in message or message.get("type") == "pods"
    with pytest.raises(MisunderstoodError) as error:
        read(json.dumps(message), max_names=3)
    assert said in str(error.value)
    assert len(str(error.value)) < 200
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "message",
    [
        {"message": "unsubscribe", "id": "\ud800"},
        {**SUBSCRIBE, "known": {"\udfff": "1"}},
        {**SUBSCRIBE, "known": {"a": "\ud800"}},
        {**SUBSCRIBE, "\udabc": 1},
        {**SUBSCRIBE, "node": {"metadata": {"a": ["\udc00\ud800"]}}},
    ],
)
def test_half_of_a_surrogate_pair_is_no_text(message):
    with pytest.raises(MisunderstoodError, match="it has half of a surrogate pair, which is no text"):
        read(json.dumps(message), max_names=3)


def test_a_whole_pair_is_a_character():
    assert read(json.dumps({**SUBSCRIBE, "id": "🧊"}), max_names=3).id == "🧊"


def test_the_error_names_the_subscription_where_it_can():
    for given, told in (("x", "x"), (1, None), ("x" * 1000, None)):
        with pytest.raises(MisunderstoodError) as error:
            read(json.dumps({"message": "subscribe", "type": "pods", "id": given}), max_names=3)
        assert error.value.id == told

"""What the wrapper around a resource says of it, and every fault of it at its line and path."""

import pytest

from rime_envoy_api.tree import read_yaml
from rime_envoy_api.wrapper import Wrapper, read_wrapper


def read(text):
    """The wrapper, and its faults as (path, line, message)."""
    (node,) = read_yaml(text)
    wrapper, faults = read_wrapper(node)
    return wrapper, [(fault.path, fault.line, fault.message) for fault in faults]


def test_what_it_says():
    text = """
name: a
aliases: [b, c]
ttl: 1.5s
metadata: {filter_metadata: {rime: {on_demand: true}}}
"""
    assert read(text) == (Wrapper("a", ("b", "c"), 1.5, True), [])


def test_what_it_does_not_say():
    assert read("name: a") == (Wrapper("a", (), None, False), [])


@pytest.mark.parametrize(
    ("ttl", "seconds"), [("1s", 1.0), ("86400s", 86_400.0), ("2.0004s", 2.0), ("{seconds: 5}", 5.0)]
)
def test_a_lifetime_is_to_the_millisecond(ttl, seconds):
    assert read(f"ttl: {ttl}") == (Wrapper(ttl=seconds), [])


@pytest.mark.parametrize(
    ("ttl", "message"),
    [
        ("0.999s", "a lifetime (ttl) is from 1 s to 86400 s (a day), not 0.999"),
        ("-5s", "a lifetime (ttl) is from 1 s to 86400 s (a day), not -5.0"),
        ("86400.001s", "a lifetime (ttl) is from 1 s to 86400 s (a day), not 86400.001"),
        ("5", "wants a duration, not the number 5: write 5s"),
    ],
)
def test_no_lifetime(ttl, message):
    assert read(f"name: a\nttl: {ttl}")[1] == [(("ttl",), 2, message)]


@pytest.mark.parametrize(("said", "on_demand"), [("true", True), ("yes", True), ("false", False)])
def test_on_demand_is_said_in_the_namespace_of_rime(said, on_demand):
    assert read(f"metadata: {{filterMetadata: {{rime: {{on_demand: {said}}}}}}}") == (Wrapper(on_demand=on_demand), [])


@pytest.mark.parametrize("metadata", ["{}", "{filter_metadata: {}}", "{filter_metadata: {other: {on_demand: true}}}"])
def test_what_others_keep_in_the_metadata_means_nothing(metadata):
    assert read(f"metadata: {metadata}") == (Wrapper(), [])


def test_the_namespace_of_rime_has_nothing_else_in_it():
    text = """
metadata:
  filter_metadata:
    rime:
      ondemand: true
      on_demand: "true"
"""
    rime = ("metadata", "filter_metadata", "rime")
    assert read(text)[1] == [
        ((*rime, "on_demand"), 6, "wants true or false"),
        ((*rime, "ondemand"), 5, "rime knows only `on_demand` here"),
    ]


@pytest.mark.parametrize(
    ("alias", "message"),
    [
        ('""', "a resource's name must not be empty"),
        ('"*"', '"*" means every resource; none can have it as its name'),
    ],
)
def test_an_alias_is_a_name(alias, message):
    assert read(f"aliases:\n- a\n- {alias}")[1] == [(("aliases", 1), 3, message)]


def test_what_cannot_be_read_says_so_and_no_more():
    wrapper, faults = read("nam: a\nttl: 0s")
    assert wrapper == Wrapper()
    assert faults == [(("nam",), 1, "Resource has no such field: did you mean `name`?")]

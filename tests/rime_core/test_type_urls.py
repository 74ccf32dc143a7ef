"""The types of xDS resources are data; what is asked of a type that nobody listed has an answer too."""

import pytest

from rime_core import (
    CLUSTER,
    ENDPOINT,
    EXTENSION_CONFIG,
    ROUTE,
    SECRET,
    TYPES,
    VIRTUAL_HOST,
    by_short_name,
    check_type_url,
    describe,
)
from rime_core.type_urls import CHILDREN, depth, is_known

OWN = "type.example/acme.v1.Widget"


@pytest.mark.parametrize("name", ["clusters", "cluster", "cds", CLUSTER])
def test_a_type_is_found_by_each_of_its_names(name):
    assert by_short_name(name).url == CLUSTER


def test_every_name_stands_for_one_type():
    names = [name for each in TYPES for name in (each.url, each.plural, each.singular, each.abbreviation)]
    assert len(names) == len(set(names))


def test_an_unknown_short_name_lists_those_there_are():
    with pytest.raises(ValueError, match="'cluters' is no type of resource; there are secrets, clusters, endpoints"):
        by_short_name("cluters")


def test_a_type_url_of_ones_own_is_taken_by_name_too():
    assert by_short_name(OWN) == describe(OWN)
    with pytest.raises(ValueError, match="is no type URL"):
        by_short_name("type.example/")


def test_a_type_of_ones_own_comes_last_and_has_the_legacy_wildcard():
    described = describe(OWN)
    assert described.url == OWN
    assert described.singular == described.plural == "acme.v1.Widget"
    assert described.order > max(each.order for each in TYPES)
    assert described.legacy_wildcard
    assert described.star
    assert not is_known(OWN)


def test_a_known_type_is_described_as_listed():
    assert [describe(each.url) for each in TYPES] == list(TYPES)
    assert all(is_known(each.url) for each in TYPES)


def test_make_before_break_clusters_before_endpoints_before_listeners_before_routes():
    order = [each.url for each in sorted(TYPES, key=lambda each: each.order)]
    assert order.index(SECRET) < order.index(CLUSTER) < order.index(ENDPOINT) < order.index(ROUTE)
    assert [each.order for each in TYPES] == sorted(each.order for each in TYPES)


def test_the_legacy_wildcard_belongs_to_clusters_listeners_and_scoped_routes():
    assert {each.abbreviation for each in TYPES if each.legacy_wildcard} == {"cds", "lds", "srds"}


def test_asking_for_all_secrets_gives_none():
    assert [each.url for each in TYPES if not each.star] == [SECRET]


def test_a_cluster_waits_for_its_endpoints():
    assert {each.url: each.warmed_by for each in TYPES if each.warmed_by} == {CLUSTER: ENDPOINT}


def test_what_is_left_out_of_a_set_is_deleted_by_listeners_clusters_and_scopes_and_perhaps_by_ones_own():
    assert {each.abbreviation for each in TYPES if each.full_set} == {"cds", "lds", "srds"}
    assert describe(OWN).full_set


def test_secrets_and_extensions_stay_while_something_refers_to_them():
    removals = {each.url: each.removal for each in TYPES if each.removal != "at once"}
    assert removals == dict.fromkeys((SECRET, EXTENSION_CONFIG), "when unreferenced")


def test_what_is_missing_is_reported_as_removed():
    assert {each.missing for each in (*TYPES, describe(OWN))} == {"removed"}


def test_what_refers_to_another_stands_above_it():
    depths = {each.abbreviation: depth(each.url) for each in TYPES}
    assert depths == {
        "lds": 0,
        "srds": 0,
        "vhds": 0,
        "rtds": 0,
        "rds": 1,
        "ecds": 1,
        "cds": 2,
        "eds": 3,
        "sds": 3,
    }
    assert depth(OWN) == 0


@pytest.mark.parametrize("url", [CLUSTER, OWN, "a/b.C", "type.googleapis.com/sub/pkg.Message"])
def test_a_type_url(url):
    check_type_url(url)


@pytest.mark.parametrize(
    "text",
    ["", "clusters", "envoy.config.cluster.v3.Cluster", "/pkg.Message", "type.googleapis.com/", "a/Message", "a/pkg."],
)
def test_no_type_url(text):
    with pytest.raises(ValueError, match="is no type URL: it should look like"):
        check_type_url(text)


@pytest.mark.parametrize(("value", "said"), [(None, "NoneType"), (5, "int"), (b"a/b.C", "bytes")])
@pytest.mark.interpreted
def test_a_type_url_is_text(value, said):
    with pytest.raises(TypeError, match=rf"^a type URL is a str such as rime_core\.CLUSTER, not {said}$"):
        check_type_url(value)


def test_the_authority_of_a_type_url_may_be_a_path():
    check_type_url("example.com/types/acme.Widget")
    assert describe("example.com/types/acme.Widget").plural == "acme.Widget"


def test_virtual_hosts_are_asked_for_by_alias_and_belong_to_routes():
    assert [each.url for each in TYPES if each.asked_by_alias] == [VIRTUAL_HOST]
    assert {each.url: each.parent for each in TYPES if each.parent} == {VIRTUAL_HOST: ROUTE}
    assert CHILDREN == {ROUTE: VIRTUAL_HOST}

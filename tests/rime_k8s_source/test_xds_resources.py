"""XdsResources are Envoy's resources in an object's spec."""

import pytest

from rime_core import CLUSTER, ROUTE
from rime_k8s_source.kinds import XDS_RESOURCES
from rime_k8s_source.xds_resources import XdsResourcesMapper

KEY = ("shop", "edge")


def cluster(name, timeout="1s"):
    return {"@type": CLUSTER, "name": name, "connect_timeout": timeout}


def kept(*resources, generation=3, **more):
    body = {"metadata": {"namespace": "shop", "name": "edge", "generation": generation}, **more}
    return XdsResourcesMapper().keep(XDS_RESOURCES, body | {"spec": {"resources": list(resources)}})


def make(*resources):
    return XdsResourcesMapper().make(KEY, {XDS_RESOURCES: {KEY: kept(*resources)}})


def test_all_of_the_kind_or_those_that_a_label_selects_where_they_are_looked_for():
    [wanted] = XdsResourcesMapper(labels="tier=edge", namespaces=("rime",)).wanted
    assert (wanted.kind, wanted.labels, wanted.namespaces) == (XDS_RESOURCES, "tier=edge", ("rime",))
    assert XDS_RESOURCES.path("shop") == "/apis/rime.dev/v1alpha1/namespaces/shop/xdsresources"
    assert XdsResourcesMapper().units(XDS_RESOURCES, KEY, kept()) == (KEY,)


def test_each_resource_in_it_is_one_under_its_own_name():
    made = make(cluster("a"), {"@type": ROUTE, "name": "r"})

    assert [(claim.type_url, claim.name) for claim in made.claims] == [(CLUSTER, "a"), (ROUTE, "r")]
    assert (made.troubles, made.warnings, made.generation) == ([], (), 3)


def test_a_wrapper_gives_a_lifetime():
    wrapper = {"@type": "type.googleapis.com/envoy.service.discovery.v3.Resource", "ttl": "30s"}
    [claim] = make({**wrapper, "resource": cluster("a")}).claims
    assert claim.ttl == 30.0


@pytest.mark.parametrize(
    ("resource", "text", "hidden"),
    [
        (cluster("a", "x"), "clusters 'a': connect_timeout: wants a duration, not the text 'x'", (CLUSTER, "a")),
        ({"@type": CLUSTER}, "clusters: resources[0]", (CLUSTER, None)),
        (cluster("b"), "clusters 'b': this name is taken in resources[0] already", (CLUSTER, "b")),
        ({"name": "a"}, 'resources[0]: wants an "@type"', (None, None)),
    ],
)
def test_what_is_wrong_has_the_path_and_no_line(resource, text, hidden):
    made = make(resource, cluster("b"))

    trouble = made.troubles[0]
    assert trouble.text.startswith(f"xdsresources shop/edge: {text}")
    assert (trouble.type_url, trouble.name) == hidden
    assert [claim.name for claim in made.claims] == ["b"]


def test_an_object_without_a_list_is_wrong_and_does_not_pass_for_one_without_resources():
    mapper = XdsResourcesMapper()
    bare = mapper.keep(XDS_RESOURCES, {"metadata": {"name": "edge"}})
    [trouble] = mapper.make(KEY, {XDS_RESOURCES: {KEY: bare}}).troubles
    assert "neither a list of resources nor a bootstrap" in trouble.text
    assert (list(make().claims), make().troubles) == ([], [])


def test_its_status_is_no_change_and_its_spec_is():
    assert kept(cluster("a")) == kept(cluster("a"), status={"valid": True})
    assert kept(cluster("a")) != kept(cluster("a", "2s"))

from rime_core import CLUSTER
from rime_k8s_source.config_maps import ConfigMapMapper
from rime_k8s_source.kinds import CONFIG_MAPS
from rime_k8s_source.mapping import Wanted

UNIT = ("prod", "envoy")


def cluster(name, more=""):
    return f'resources:\n- "@type": {CLUSTER}\n  name: {name}\n  connect_timeout: 1s\n{more}'


def made(**data):
    mapper = ConfigMapMapper(labels="rime.dev/xds")
    kept = mapper.keep(CONFIG_MAPS, {"data": {key.replace("_", "."): text for key, text in data.items()}})
    assert list(mapper.units(CONFIG_MAPS, UNIT, kept)) == [UNIT]
    return mapper.make(UNIT, {CONFIG_MAPS: {UNIT: kept}})


def test_those_of_a_label_are_watched():
    assert ConfigMapMapper(labels="rime.dev/xds").wanted == (Wanted(CONFIG_MAPS, labels="rime.dev/xds"),)


def test_keys_that_end_as_files_do_are_read_and_others_are_not_even_remembered():
    found = made(
        a_yaml=cluster("a"), b_YML=cluster("b"), notes="resources: }", c_json=f'{{"@type": "{CLUSTER}", "name": "c"}}'
    )

    assert [(claim.type_url, claim.name) for claim in found.claims] == [(CLUSTER, "a"), (CLUSTER, "b"), (CLUSTER, "c")]
    assert (found.troubles, found.warnings) == ([], [])
    mapper = ConfigMapMapper(labels="")
    assert mapper.keep(CONFIG_MAPS, {"data": {"notes": "x"}}) == mapper.keep(CONFIG_MAPS, {"data": None})


def test_what_is_said_of_a_resource_beside_its_content_is_passed_on():
    text = f"""\
"@type": type.googleapis.com/envoy.service.discovery.v3.Resource
aliases: [also]
ttl: 30s
metadata: {{filter_metadata: {{rime: {{on_demand: true}}}}}}
resource: {{"@type": {CLUSTER}, name: a}}
"""
    [claim] = made(a_yaml=text).claims

    assert (claim.aliases, claim.ttl, claim.on_demand) == (("also",), 30.0, True)


def test_a_mistake_is_one_line_with_object_key_line_and_path_and_the_others_go_on():
    found = made(a_yaml=cluster("a", "  lb_policy: ROUND_ROBBIN\n"), b_yaml=cluster("b"))

    [trouble] = found.troubles
    assert trouble.text.startswith(
        "configmap prod/envoy: a.yaml:5: clusters 'a': lb_policy: LbPolicy has no such value"
    )
    assert (trouble.type_url, trouble.name) == (CLUSTER, "a")
    assert [claim.name for claim in found.claims] == ["b"]


def test_of_two_keys_with_one_name_the_first_counts():
    found = made(b_yaml=cluster("a", "  lb_policy: RANDOM\n"), a_yaml=cluster("a"))

    assert found.claims == made(a_yaml=cluster("a")).claims
    assert found.warnings == ["configmap prod/envoy: b.yaml:2: 'a' is in a key before this one"]


def test_one_without_such_keys_is_worth_a_warning():
    assert made(notes="x").warnings == ["configmap prod/envoy: no key here ends in .yaml, .yml, .json"]

import pytest

from rime_core import UsageError
from rime_k8s_source.template import Template


def template(text):
    return Template(text, option="names", known=("namespace", "service"), needed=("service",))


def test_places_are_filled():
    assert template("{service}.{namespace}.svc").fill(namespace="prod", service="shop") == "shop.prod.svc"


def test_a_value_is_not_looked_through_for_places():
    assert template("{service}/{namespace}").fill(namespace="n", service="{namespace}") == "{namespace}/n"


@pytest.mark.parametrize("text", ["{service}/{port}", "{service}}", "{{service}", "{service.name}", "{}{service}"])
def test_another_place_is_refused_and_so_is_half_a_one(text):
    with pytest.raises(UsageError) as caught:
        template(text)
    assert (
        str(caught.value) == f"kubernetes: names={text!r} should have no other places than {{namespace}}, {{service}}"
    )


def test_what_would_give_all_the_same_name_is_refused():
    with pytest.raises(UsageError) as caught:
        template("{namespace}")
    assert str(caught.value) == "kubernetes: names='{namespace}' should have the place {service}: names would be equal"

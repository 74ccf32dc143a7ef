"""Tables [policies.<type>] of rime.toml, and what is said of one that is none."""

import tomllib

import pytest

from rime_app.policies import read_policies
from rime_core import EXTENSION_CONFIG, ROUTE, SECRET, Policy, UsageError

OWN = "type.googleapis.com/example.v1.Thing"


def policies_of(text):
    return read_policies("rime.toml", tomllib.loads(text)["policies"])


def test_each_type_has_its_own_by_any_of_its_names():
    text = f"""
[policies.routes]
missing = "unanswered"
removal = "never"

[policies.sds]
removal = "at once"

[policies.extension]
removal = "when unreferenced"

[policies."{OWN}"]
missing = "removed"
"""
    assert policies_of(text) == {
        ROUTE: Policy("unanswered", "never"),
        SECRET: Policy(removal="at once"),
        EXTENSION_CONFIG: Policy(removal="when unreferenced"),
        OWN: Policy("removed"),
    }


def test_an_empty_table_changes_nothing():
    assert policies_of("[policies.routes]") == {ROUTE: Policy()}
    assert policies_of("[policies]") == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("policies = 1", ": policies should be tables, one for each type, such as [policies.routes]"),
        ("[[policies]]", ": policies should be tables, one for each type, such as [policies.routes]"),
        (
            "[policies]\nmissing = 'removed'",
            ": policies should be tables, one for each type, such as [policies.routes]",
        ),
        ("[policies.route]\nremove = 'never'", " [policies.route]: there is no key 'remove'; did you mean 'removal'?"),
        ("[policies.rds]\ncolour = 'red'", " [policies.rds]: there is no key 'colour'; there are missing, removal"),
        (
            "[policies.rds]\nmissing = 'ignored'",
            ' [policies.rds]: missing=\'ignored\' should be "removed" or "unanswered"',
        ),
        (
            "[policies.rds]\nremoval = false",
            ' [policies.rds]: removal=False should be "at once", "when unreferenced" or "never"',
        ),
        ("[policies.rds]\nremoval = ['never']", " [policies.rds]: removal=['never'] should be"),
        (
            "[policies.rds]\n[policies.routes]",
            " [policies.routes]: this type has a table already, by another of its names",
        ),
        ("[policies.rotes]", " [policies]: 'rotes' is no type of resource; there are secrets, clusters, endpoints,"),
        ('[policies."a\\nb"]', " [policies]: 'a\\nb' is no type of resource; there are secrets,"),
        ('[policies."a/b"]', " [policies]: 'a/b' is no type URL: it should look like"),
    ],
)
def test_what_is_wrong_is_said_with_its_key_and_what_is_allowed(text, expected):
    with pytest.raises(UsageError) as raised:
        policies_of(text)
    said = str(raised.value)
    assert said.startswith("rime.toml" + expected)
    assert "\n" not in said

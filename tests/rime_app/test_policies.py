"""Tables [policies.<type>] of rime.toml, and what is said of one that is none."""

import tomllib

import pytest

from rime_app.policies import read_policies
from rime_core import CLUSTER, ENDPOINT, EXTENSION_CONFIG, ROUTE, SECRET, Debounce, Policy, UsageError

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


def test_each_type_may_be_put_off_for_a_time_of_its_own():
    text = """
[policies.clusters]
debounce = "100ms"
removal = "never"

[policies.endpoints]
debounce = "10ms"
debounce_max = "20ms"

[policies.routes]
debounce = 0
"""
    assert policies_of(text) == {
        CLUSTER: Policy(removal="never", debounce=Debounce(0.1, 1.0)),
        ENDPOINT: Policy(debounce=Debounce(0.01, 0.02)),
        ROUTE: Policy(debounce=Debounce(0, 0)),
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
        ("[policies.rds]\ncolour = 'red'", " [policies.rds]: there is no key 'colour'; there are missing, removal, "),
        (
            "[policies.rds]\nmissing = 'ignored'",
            ' [policies.rds]: missing=\'ignored\' should be "removed" or "unanswered"',
        ),
        (
            "[policies.rds]\nremoval = false",
            ' [policies.rds]: removal=False should be "at once", "when unreferenced" or "never"',
        ),
        (
            "[policies.rds]\ndebounce = 5",
            " [policies.rds]: debounce='5' should be a duration such as 100ms, 1.5s or 2m",
        ),
        ("[policies.rds]\ndebounce = []", " [policies.rds]: debounce should be text, a number, true or false"),
        ("[policies.rds]\ndebounce_max = '5s'", " [policies.rds]: debounce_max says how long debounce may go on"),
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

"""A key that no table has is said, with the one that was probably meant."""

import pytest

from rime_app.tables import check_keys
from rime_core import UsageError


def test_known_keys_are_fine():
    check_keys("rime.toml", {"a": 1}, ("a", "b"))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("surces", "rime.toml: there is no key 'surces'; did you mean 'sources'?"),
        ("weather", "rime.toml: there is no key 'weather'; there are sources, serve"),
    ],
)
def test_an_unknown_key_is_said(key, expected):
    with pytest.raises(UsageError) as raised:
        check_keys("rime.toml", {key: 1}, ("sources", "serve"))
    assert str(raised.value) == expected

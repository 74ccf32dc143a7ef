"""The package's face: complete, and light to import."""

import subprocess
import sys

import pytest

import rime_envoy_api


def test_all_names_are_there_and_documented():
    assert sorted(rime_envoy_api.__all__) == rime_envoy_api.__all__ == sorted(rime_envoy_api._HOMES)
    for name in rime_envoy_api.__all__:
        assert getattr(rime_envoy_api, name).__doc__


def test_no_name_is_that_of_a_module():
    """A module, once imported, would take the name's place."""
    for name, home in rime_envoy_api._HOMES.items():
        assert name not in rime_envoy_api._HOMES.values(), home


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'rime_envoy_api' has no attribute 'nonsense'"):
        rime_envoy_api.nonsense  # noqa: B018 - the access is what is tested


def test_importing_it_loads_neither_protobuf_nor_yaml():
    script = "import sys, rime_envoy_api; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()

    assert "rime_envoy_api" in loaded
    assert not {"google.protobuf", "yaml", "rime_core"} & set(loaded)

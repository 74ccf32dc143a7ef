"""The hook specifications."""

import inspect
import re
from pathlib import Path

import pytest

import rime_app
from rime_app import hooks
from rime_app.plugins import make_registry

HOOKS = [name for name in vars(hooks) if name.startswith("rime_")]
PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"


def test_there_are_these():
    assert HOOKS == [
        "rime_sources",
        "rime_transports",
        "rime_commands",
        "rime_group",
        "rime_authorize",
        "rime_references",
    ]


@pytest.mark.parametrize("hook", HOOKS)
def test_each_is_a_specification_with_its_promise(hook):
    assert getattr(make_registry().hook, hook).spec is not None
    assert inspect.getdoc(getattr(hooks, hook))


@pytest.mark.parametrize("hook", HOOKS)
def test_each_is_documented_with_an_example(hook):
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)

    assert any(re.search(rf"@hookimpl\ndef {hook}\(", block) for block in blocks)


@pytest.mark.parametrize("hook", HOOKS)
def test_each_has_a_test(hook):
    assert f"def {hook}(" in (Path(__file__).parent / "test_plugins.py").read_text(encoding="utf-8")


def test_what_a_plugin_needs_is_at_the_top():
    assert rime_app.__all__ == ["hookimpl"]
    assert rime_app.hookimpl is hooks.hookimpl

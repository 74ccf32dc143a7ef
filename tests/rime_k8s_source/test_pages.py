"""What docs/kubernetes.md shows is run."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from rime_core import CLUSTER
from rime_k8s_source.config import KubernetesOptions
from rime_k8s_source.reflector import Change
from rime_k8s_source.units import Units

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
README = (ROOT / "packages" / "rime-k8s-source" / "README.md").read_text(encoding="utf-8")


[BACKENDS] = re.findall(r"```python\n(# backends.py\n.*?)```", PAGE, re.DOTALL)
[ENTRY_POINT] = re.findall(r'```toml\n(\[project.entry-points."rime.kubernetes"\]\n.*?)```', PAGE, re.DOTALL)


@pytest.fixture
def backends(monkeypatch):
    """The page's mapping, as a module."""
    module = ModuleType("backends")
    monkeypatch.setitem(sys.modules, "backends", module)
    exec(compile(BACKENDS, "backends.py", "exec"), module.__dict__)  # noqa: S102 - what the page shows
    return module


def test_its_mapping_makes_what_it_says(backends):
    mapper = backends.Backends()
    units = Units([mapper])
    key = ("shop", "a")
    kept = mapper.keep(backends.BACKENDS, {"spec": {"host": "a.example", "port": 80}})
    units.change(0, backends.BACKENDS, [Change(key, None, kept)])
    [made] = units.make().values()

    assert [(claim.type_url, claim.name) for claim in made.claims] == [(CLUSTER, "shop/a")]
    assert b"a.example" in made.claims[0].body
    assert mapper.wanted[0].labels == "tier=edge"


def test_the_readme_names_every_option_with_its_default():
    [options] = re.findall(r"^\| option .*?\n\n", README, re.DOTALL | re.MULTILINE)
    table = dict(re.findall(r"^\| `(\w+)` \|(?: ([^|]*))? \|", options, re.MULTILINE))
    default = KubernetesOptions()
    fields = {"namespaces": "namespace", "config_namespaces": "config_namespace"}

    assert set(table) == {fields.get(name, name) for name in KubernetesOptions.__slots__}
    assert (table["names"], table["secret_names"]) == (f"`{default.names}`", f"`{default.secret_names}`")
    assert [table[name] for name in ("status", "settle", "idle", "relist")] == ["`2s`", "`300ms`", "`150s`", "`1h`"]
    assert (default.status, default.settle, default.idle, default.relist) == (2, 0.3, 150, 3600)

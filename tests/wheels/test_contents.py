"""What the wheels hold, and what they say of themselves."""

import tomllib
from email.parser import HeaderParser
from zipfile import ZipFile

import pytest

from tests.wheels.conftest import ROOT

pytestmark = pytest.mark.timeout(300)

DISTRIBUTIONS = sorted(path.parent.name for path in ROOT.glob("packages/*/pyproject.toml"))


@pytest.fixture(params=DISTRIBUTIONS)
def distribution(request):
    return request.param


@pytest.fixture
def import_name(distribution):
    return distribution.replace("-", "_")


@pytest.fixture
def wheel(wheels, import_name):
    with ZipFile(wheels / f"{import_name}-0.1.0-py3-none-any.whl") as opened:
        yield opened


@pytest.fixture
def information(import_name):
    """The folder in which a wheel says what it is."""
    return f"{import_name}-0.1.0.dist-info"


@pytest.fixture
def metadata(wheel, information):
    return HeaderParser().parsestr(wheel.read(f"{information}/METADATA").decode())


def test_make_dist_builds_one_wheel_for_each_distribution(wheels):
    assert sorted(path.name.split("-")[0].replace("_", "-") for path in wheels.iterdir()) == DISTRIBUTIONS


def test_every_module_is_in_it_and_nothing_else(wheel, distribution, import_name, information):
    sources = ROOT / "packages" / distribution / "src"
    expected = {str(path.relative_to(sources)) for path in sources.rglob("*.py")} | {f"{import_name}/py.typed"}
    if distribution == "rime-ws":
        expected |= {f"rime_ws/page/{name}" for name in ("index.html", "page.css", "page.js")}
    if distribution == "rime-envoy-api":
        expected.add("rime_envoy_api/envoy.binpb.z")

    assert {name for name in wheel.namelist() if not name.startswith(f"{information}/")} == expected


def test_both_licences_are_in_it(wheel, information):
    for licence in ("LICENSE-MIT", "LICENSE-APACHE"):
        assert wheel.read(f"{information}/licenses/{licence}") == (ROOT / licence).read_bytes()


def test_envoys_api_is_whole(wheels):
    with ZipFile(wheels / "rime_envoy_api-0.1.0-py3-none-any.whl") as wheel:
        # compressed; half of it would not hold the 1,600 messages and more of the API
        assert wheel.getinfo("rime_envoy_api/envoy.binpb.z").file_size > 100_000


def test_it_says_what_it_is(metadata, distribution):
    page = ROOT / "packages" / distribution / "README.md"

    assert metadata["Name"] == distribution
    assert metadata["Version"] == "0.1.0"
    assert metadata["License-Expression"] == "MIT OR Apache-2.0"
    assert sorted(metadata.get_all("License-File")) == ["LICENSE-APACHE", "LICENSE-MIT"]
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().strip() == page.read_text(encoding="utf-8").strip()
    assert len(metadata.get_payload()) > 500, "a README of its own"


def test_the_core_requires_nothing(wheels):
    with ZipFile(wheels / "rime_core-0.1.0-py3-none-any.whl") as wheel:
        assert "Requires-Dist" not in HeaderParser().parsestr(wheel.read("rime_core-0.1.0.dist-info/METADATA").decode())


def test_siblings_are_required_at_exactly_this_version(metadata):
    """The faces between them may still change: two versions together are not tested."""
    siblings = [line for line in metadata.get_all("Requires-Dist", []) if line.startswith("rime-")]

    assert all(line.endswith("==0.1.0") for line in siblings)


def test_all_but_the_core_require_xxhash(metadata, distribution):
    """A replica without it would have other versions of the same content."""
    required = [line.split(">")[0] for line in metadata.get_all("Requires-Dist", [])]

    assert ("xxhash" in required) == (distribution != "rime-core")


def test_the_makefile_and_the_workspace_know_every_distribution():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [packages] = [line for line in makefile.splitlines() if line.startswith("PACKAGES := ")]

    assert sorted(packages.removeprefix("PACKAGES := ").split()) == DISTRIBUTIONS
    assert sorted(workspace["tool"]["uv"]["sources"]) == DISTRIBUTIONS

"""What the wheels do once they are installed where there is nothing else."""

import json
import re
import signal

import pytest

from rime_core import CLUSTER
from tests.examples.test_quickstart import changes
from tests.wheels.conftest import ROOT

pytestmark = pytest.mark.timeout(300)

TOP_LEVELS = """
import importlib.metadata, json, re, sys
def name(distribution):
    return re.sub("[-_.]+", "-", distribution.metadata["Name"]).lower()
print(json.dumps({
    name(each): sorted({str(file).split("/")[0] for file in each.files if ".." not in str(file)})
    for each in importlib.metadata.distributions() if name(each) not in ("pip", "setuptools")
}))
"""

CHANGE = """
from rime_core import CLUSTER, Plane
plane = Plane()
subscriber = plane.server().subscribe(CLUSTER)
subscriber.initial()
plane.apply(CLUSTER, "backend", b"content")
[resource] = subscriber.poll().resources
print(resource.version)
"""


def loaded(environment, code, *modules):
    """Which of `modules` are loaded once `code` has run."""
    answer = environment.python(f"{code}\nimport sys\nprint()\nprint([m for m in {modules!r} if m in sys.modules])")
    return answer.splitlines()[-1]


def test_the_core_alone_delivers_a_change(alone):
    assert json.loads(alone.python(TOP_LEVELS)).keys() == {"rime-core"}
    assert re.fullmatch(r"b2-[0-9a-f]{16}\n", alone.python(CHANGE))


def test_versions_are_the_same_wherever_xxhash_is(embedding, whole):
    version = embedding.python(CHANGE)

    assert re.fullmatch(r"[0-9a-f]{16}\n", version)
    assert whole.python(CHANGE) == version


def test_importing_the_core_loads_no_event_loop(alone):
    assert loaded(alone, "import rime_core", "asyncio", "logging", "typing") == "['typing']"


def test_quickstart_needs_no_more_than_the_readme_says(embedding):
    names = json.loads(embedding.python(TOP_LEVELS)).keys()
    assert {name for name in names if name.startswith("rime")} == {"rime-core", "rime-envoy-api", "rime-grpc"}

    process = embedding.start("python", ROOT / "examples" / "quickstart.py", "127.0.0.1:0")
    try:
        [address] = re.findall(r"serving clusters on (\S+),", process.stdout.readline())
        seen = changes(address)
        assert next(seen) != next(seen)
        seen.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.communicate()


def test_entry_points_load(whole):
    ran = whole.shell("rime plugins")

    assert ran.returncode == 0, ran.stdout
    offers = [tuple(re.split(r"  +", line)) for line in ran.stdout.splitlines()]
    assert offers == [
        ("rime-app 0.1.0", "command plugins, command serve"),
        ("rime-file-source 0.1.0", "source file, command check"),
        ("rime-grpc 0.1.0", "transport grpc, command bootstrap"),
        ("rime-k8s-source 0.1.0", "source kubernetes"),
        ("rime-ws 0.1.0", "transport ws, command clients, command diff, command get, command status, command watch"),
    ]


def test_no_top_level_packages_of_others(whole):
    """Such as `envoy`, `validate` and `xds`, which xds-protos installs and other distributions do too."""
    found = json.loads(whole.python(TOP_LEVELS))

    for name, top_levels in found.items():
        if name.startswith("rime-"):
            own = name.replace("-", "_")
            assert top_levels == [own, f"{own}-0.1.0.dist-info"]
    packages = {each for top_levels in found.values() for each in top_levels if not each.endswith(".dist-info")}
    assert not packages & {"envoy", "udpa", "validate", "xds", "opentelemetry", "cel", "test", "tests", "rime"}
    assert [name for name, top_levels in found.items() if "google" in top_levels] == ["protobuf"]


def test_help_does_not_load_what_it_does_not_need(whole):
    heavy = (
        "grpc",
        "google.protobuf",
        "yaml",
        "watchfiles",
        "aiohttp",
        "websockets",
        "prometheus_client",
        "rich",
        "asyncio",
        "ssl",
    )

    assert loaded(whole, "from rime_app.main import run; assert run(['--help']) == 0", *heavy) == "[]"


@pytest.mark.parametrize(
    "module",
    ["rime_core", "rime_app", "rime_envoy_api", "rime_grpc", "rime_ws", "rime_file_source", "rime_k8s_source"],
)
def test_every_distribution_is_imported_without_its_heavy_parts(whole, module):
    assert loaded(whole, f"import {module}", "grpc", "google.protobuf", "aiohttp", "asyncio") == "[]"


def test_envoys_api_is_there(whole):
    whole.python(f"from rime_envoy_api import to_json; assert to_json({CLUSTER!r}, b'') is not None")

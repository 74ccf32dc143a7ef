"""What the README shows runs, and prints what it says."""

import re
import subprocess
import sys
from pathlib import Path

import rime_envoy_api

README = Path(__file__).parents[2] / "packages" / "rime-envoy-api" / "README.md"


def test_the_example():
    ((code, output),) = re.findall(r"```python\n(.*?)```\n```\n(.*?)```", README.read_text(), re.DOTALL)

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == output


def test_every_name_of_the_face_is_explained():

    explained = README.read_text().partition("## What there is")[2].partition("\n## ")[0]
    types = {"Document", "EnvoyResource", "Fault", "ParsedResource"}
    for name in set(rime_envoy_api.__all__) - types:
        assert f"`{name}(" in explained

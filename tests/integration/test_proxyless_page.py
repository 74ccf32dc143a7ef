"""docs/proxyless-grpc.md: what it shows is run, as it stands but for the ports."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .rime import Rime
from .rime import rime as run_rime

PAGE = (Path(__file__).parents[2] / "docs" / "proxyless-grpc.md").read_text(encoding="utf-8")


def block(language, begins=""):
    (found,) = re.findall(rf"```{language}\n({re.escape(begins)}.*?)```", PAGE, re.DOTALL)
    return found


def shown_after(command):
    (found,) = re.findall(rf"^\$ {re.escape(command)}\n([^$`]*)", PAGE, re.MULTILINE)
    return found


@pytest.fixture
def server():
    """The page's server, on a port of its own."""
    code = block("python", "# server.py").replace('server.add_insecure_port("127.0.0.1:9000")', "PORT")
    assert code.count("PORT") == 1
    code = code.replace("PORT", 'print(server.add_insecure_port("127.0.0.1:0"), flush=True)')
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


async def call(bootstrap):
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", block("python", "# client.py")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "GRPC_XDS_BOOTSTRAP": str(bootstrap)},
    )
    out, err = await client.communicate()
    return out.decode() or err.decode()


@pytest.mark.asyncio
async def test_what_the_page_shows_runs(tmp_path, server, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf").mkdir()
    file = tmp_path / "conf" / "shop.yaml"
    text = block("yaml", "# conf/shop.yaml")
    file.write_text(text.replace("9000", str(server)))
    assert run_rime("check", "conf") == shown_after("rime check conf")

    rime = Rime("conf", tmp_path / "rime")
    try:
        address = await rime.ready()
        assert (tmp_path / "rime.out").read_text() == shown_after("rime serve --source file:conf").replace(
            "127.0.0.1:18000", address
        )
        bootstrap = tmp_path / "bootstrap.json"
        bootstrap.write_text(block("json").replace("127.0.0.1:18000", address))
        assert await call(bootstrap) == shown_after("GRPC_XDS_BOOTSTRAP=bootstrap.json python client.py")

        assert {record["type_url"].rpartition(".")[2] for record in rime.events("sent")} == {
            "Listener",
            "RouteConfiguration",
            "Cluster",
            "ClusterLoadAssignment",
        }
        assert not rime.events("rejected")
    finally:
        rime.kill()

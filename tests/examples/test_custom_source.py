"""The example of a source of one's own: built, installed beside rime, found by its entry point, and run."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom-source"

# A transport that says on stdout what a client is sent, so that this test needs no adapter.
WITNESS = """
import anyio

from rime_app import hookimpl
from rime_core import CLUSTER


class Witness:
    def __init__(self, place, options):
        pass

    async def run(self, server, *, task_status):
        task_status.started("here")
        with server.subscribe(CLUSTER) as subscriber:
            update = subscriber.initial()
            while True:
                for resource in update.resources:
                    print("sent", resource.name, b"localhost" in resource.body, flush=True)
                for name in update.removed:
                    print("removed", name, flush=True)
                update = await subscriber.changed()


@hookimpl
def rime_transports():
    return {"witness": Witness}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the example installed, and the witness."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--disable-pip-version-check", "--target", folder, EXAMPLE], check=True)
    (folder / "witness.py").write_text(WITNESS)
    info = folder / "witness-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: witness\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[rime]\nwitness = witness\n")
    return folder


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "shop.db"
    change(path, "CREATE TABLE backends (name, host, port)", "INSERT INTO backends VALUES ('cart', 'localhost', 8080)")
    return path


@pytest.fixture
def rime(site):
    started = []

    def start(*arguments):
        command = [sys.executable, "-m", "rime_app", *arguments]
        environment = os.environ | {"PYTHONPATH": str(site)}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def change(path, *statements):
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_rows_become_clusters_and_one_row_changed_is_one_resource_sent(rime, database):
    process = rime("serve", "--source", f"database:{database}?every=10ms", "--transport", "witness:")
    lines = {process.stdout.readline(), process.stdout.readline()}
    assert lines == {"sent cart True\n", "ready witness://here with 1 resource\n"}

    change(database, "INSERT INTO backends VALUES ('search', 'search.example', 8081)")
    assert process.stdout.readline() == "sent search False\n"

    change(database, "UPDATE backends SET host = 'localhost' WHERE name = 'search'")
    assert process.stdout.readline() == "sent search True\n"

    change(database, "DELETE FROM backends WHERE name = 'cart'")
    assert process.stdout.readline() == "removed cart\n"

    process.terminate()
    assert process.wait(timeout=10) == 0


def test_rime_plugins_lists_it(rime):
    out, _ = rime("plugins").communicate(timeout=30)

    assert [line.split() for line in out.splitlines() if "database" in line] == [
        ["rime-database-source", "1.0", "source", "database"]
    ]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("database:absent.db", "database:absent.db: there is no such file"),
        (f"database:{__file__}?evry=1s", "database: there is no option 'evry'; did you mean 'every'?"),
    ],
)
def test_what_it_cannot_use_is_one_line(rime, source, line):
    process = rime("serve", "--source", source, "--transport", "witness:")
    _, err = process.communicate(timeout=30)

    assert process.returncode == 2
    assert err.splitlines()[-1] == f"rime: --source {source}: {line}"

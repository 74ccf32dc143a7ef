"""Another process, another order of keys, the same versions: a client that moves there is sent nothing.

The corpus has what goes wrong: maps of several keys inside nested Anys (jwt_authn providers, RBAC policies,
typed_per_filter_config), which protobuf writes in another order in each process.
"""

import json
from pathlib import Path

import pytest

from rime_core import CLUSTER, LISTENER, RUNTIME
from rime_envoy_api import parse
from rime_envoy_api.output import to_json
from tests.rime_envoy_api.test_canonical import CORPUS, turned
from tests.rime_grpc.clients import connect, decode

from .rime import Rime

TYPES = (CLUSTER, LISTENER)


def backwards(folder: Path) -> Path:
    """The corpus with the keys of every mapping in another order."""
    folder.mkdir()
    for path in CORPUS.glob("*.yaml"):
        found = parse(path.read_text(), origin=path.name).resources
        shown = [turned({"@type": each.type_url, **to_json(each.type_url, each.body)}, 1) for each in found]
        (folder / f"{path.stem}.json").write_text(json.dumps({"resources": shown}))
    return folder


async def versions_sent(address: str, known: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """What a client is sent that comes with these versions: type URL → name → version."""
    sent: dict[str, dict[str, str]] = {type_url: {} for type_url in TYPES}
    async with connect(address) as client:
        for type_url in TYPES:
            await client.send(type_url=type_url, initial_resource_versions=known.get(type_url, {}))
        for fence in ("clusters", "and what waits for them"):
            await client.send(type_url=RUNTIME, resource_names_subscribe=[fence])
            while (response := decode(await client.call.read())).type_url != RUNTIME:
                sent[response.type_url] |= {each.name: each.version for each in response.resources}
                assert not known or not response.removed_resources
                await client.send(type_url=response.type_url, response_nonce=response.nonce)
    return sent


@pytest.mark.asyncio
async def test_a_client_that_moves_to_another_process_is_sent_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    first = Rime(CORPUS, tmp_path / "first")
    monkeypatch.setenv("PYTHONHASHSEED", "2")
    second = Rime(backwards(tmp_path / "conf"), tmp_path / "second")
    try:
        known = await versions_sent(await first.ready(), {})
        assert min(len(versions) for versions in known.values()) > 0, known
        assert await versions_sent(await second.ready(), known) == {type_url: {} for type_url in TYPES}
    finally:
        assert first.end() == 0
        assert second.end() == 0

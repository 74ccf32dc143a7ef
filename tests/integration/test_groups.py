"""Two Envoys of two groups: each has what the base has, and one of them something of its own in its place."""

import grpc
import pytest

from tests.rime_grpc.clients import connect

from . import resources

pytestmark = pytest.mark.asyncio

RULES = """
[[groups]]
name = "edge"
id = "edge-*"

[serve]
base = "default"
max_removal = "100%"
"""


async def test_a_groups_own_wins_and_when_it_goes_the_bases_is_back(stage, tmp_path):
    blue, green, red = [await stage.upstream(name) for name in ("blue", "green", "red")]
    stage.save(
        cluster=resources.cluster(),
        endpoints=resources.endpoints(blue),
        route=resources.route(),
        listener=resources.listener(),
    )
    own = tmp_path / "edge"
    own.mkdir()
    (own / "endpoints.yaml").write_text(resources.endpoints(green))
    rime = await stage.rime(config=RULES, more=[f"file:{own}?group=edge"])
    core, edge = [await stage.envoy(rime.address, name=name).port() for name in ("core", "edge-1")]

    await stage.answers(core, "blue")
    await stage.answers(edge, "green")

    stage.save(endpoints=resources.endpoints(red))
    await stage.answers(core, "red")
    await stage.answers(edge, "green")

    (own / "endpoints.yaml").unlink()
    await stage.answers(edge, "red")

    sent = [(record["resources"], record["removed"]) for record in rime.events("sent")]
    assert (0, 1) not in sent, "the name was never gone"


async def test_who_is_of_no_group_is_refused_where_that_is_asked_for(stage, tmp_path):
    own = tmp_path / "edge"
    own.mkdir()
    (own / "cluster.yaml").write_text(resources.cluster())
    stage.save(cluster=resources.cluster("another"))
    rime = await stage.rime(config=RULES + 'unmatched = "refuse"\n', more=[f"file:{own}?group=edge"])

    async with connect(rime.address) as edge:
        await edge.subscribe(known={}, node_id="edge-1")
        assert set((await edge.receive()).resources) == {"another", "shop"}
    async with connect(rime.address) as stranger:
        await stranger.subscribe(known={}, node_id="core-1")
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await stranger.call.read()
    assert ended.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert ended.value.details() == "this client is of no group that is served here"

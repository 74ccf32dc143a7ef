"""A stream ends at its age: Envoy comes back over a new connection, says nothing of it, and no request suffers."""

import pytest

from . import resources
from .waiting import eventually
from .web import Answer, Load

pytestmark = pytest.mark.asyncio


async def test_envoy_comes_back_over_a_new_connection_and_is_sent_nothing_again(stage):
    blue, green = await stage.upstream("blue"), await stage.upstream("green")
    stage.save(
        cluster=resources.cluster(),
        endpoints=resources.endpoints(blue),
        route=resources.route(),
        listener=resources.listener(),
    )
    rime = await stage.rime(at="127.0.0.1:0?max_age=2s")
    envoy = stage.envoy(rime.address)
    await stage.answers(await envoy.port(), "blue")
    sent = rime.sent()

    async with Load(await envoy.port()) as load:
        await eventually(lambda: len(rime.events("opened")) == 2)
        assert rime.sent() == sent
        # a stream that was sent nothing has no age: this one ends after a change
        stage.save(endpoints=resources.endpoints(green))
        await eventually(lambda: load.answers[-1] == Answer(200, "green"))
        await eventually(lambda: len(rime.events("opened")) == 3)

    assert load.failures == []
    assert rime.sent() == (sent[0] + 1, sent[1])
    assert len({record["message"] for record in rime.events("opened")}) == 3, "the port is in the message"
    assert [record for record in rime.log if record["level"] in {"warning", "error"}] == []
    assert "gRPC config stream" not in envoy.log.read_text()

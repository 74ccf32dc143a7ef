"""An Envoy is given a secret by its certificate, and not by the node that it says it is."""

import pytest
import trustme

from tests.rime_grpc.certificates import write_server

from . import resources
from .test_secrets import HOST, TLS_LISTENER, secret, shows
from .tls import at, envoys_files
from .waiting import eventually

pytestmark = pytest.mark.asyncio

RULES = """\
[[authorize]]
types = "secrets"
names = "shop-*"
certificate = "the shop's"
"""


async def test_who_says_that_it_is_the_shop_does_not_get_its_private_key(stage, tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert(HOST)
    stage.save(
        secret=secret(certificate),
        cluster=resources.cluster(),
        endpoints=resources.endpoints(await stage.upstream("blue")),
        route=resources.route(),
        listener=TLS_LISTENER,
    )
    files = write_server(authority, tmp_path, client_ca=authority, names=("127.0.0.1",))
    rime = await stage.rime(at=at(files), config=RULES)
    ports = {}
    for whose in ("the shop's", "another's"):
        options = [*envoys_files(tmp_path, authority, whose), "--node-id", "shop"]
        ports[whose] = await stage.envoy(rime.address, name=whose, options=options).port()

    await eventually(shows(ports["the shop's"], authority, certificate))
    with pytest.raises(ConnectionResetError):
        await shows(ports["another's"], authority, certificate)()
    [refused] = rime.events("refused")
    assert refused["message"].startswith("shop at 127.0.0.1:")
    assert "is refused secrets shop-certificate: rules under [[authorize]]" in refused["message"]

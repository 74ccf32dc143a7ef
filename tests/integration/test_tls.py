"""Envoy reaches rime over mutual TLS, by what `rime bootstrap` makes."""

import pytest
import trustme

from tests.rime_grpc.certificates import write_server

from . import resources
from .tls import at, envoys_files
from .waiting import eventually

pytestmark = pytest.mark.asyncio

NAME = "rime.example"


class Mounted:
    """A folder as Kubernetes mounts a Secret: what is in it is replaced all at once, by moving a link."""

    def __init__(self, folder):
        self.folder = folder
        self._versions = 0

    def replace(self, authority, names):
        self._versions += 1
        version = self.folder / f"..{self._versions}"
        version.mkdir(parents=True)
        files = write_server(authority, version, client_ca=authority, names=names)
        new = self.folder / "..data_tmp"
        new.symlink_to(version.name)
        new.replace(self.folder / "..data")
        return {option: self._linked(path.name) for option, path in files.items()}

    def _linked(self, name):
        link = self.folder / name
        if not link.is_symlink():
            link.symlink_to(f"..data/{name}")
        return link


async def test_everything_is_rotated_while_an_envoy_is_connected(stage, tmp_path):
    stage.save(
        cluster=resources.cluster(),
        endpoints=resources.endpoints(await stage.upstream("blue")),
        route=resources.route(),
        listener=resources.listener(),
    )
    mounted, old, new = Mounted(tmp_path / "tls"), trustme.CA(), trustme.CA()
    rime = await stage.rime(at=at(mounted.replace(old, ("127.0.0.1",))))
    first = stage.envoy(rime.address, name="first", options=envoys_files(tmp_path, old, "first"))
    await stage.answers(await first.port(), "blue")

    mounted.replace(new, (NAME,))
    options = [*envoys_files(tmp_path, new, "second"), "--tls-server-name", NAME]
    second = stage.envoy(rime.address, name="second", options=options)
    await stage.answers(await second.port(), "blue")

    stage.save(endpoints=resources.endpoints(await stage.upstream("green")))
    await stage.answers(await first.port(), "green")
    await stage.answers(await second.port(), "green")
    assert len(rime.events("opened")) == 2
    assert rime.events("closed") == []


async def test_an_envoy_refuses_who_is_not_the_rime_that_it_was_told(stage, tmp_path):
    """The authority is the right one, which another client's certificate is from too."""
    stage.save(cluster=resources.cluster())
    authority = trustme.CA()
    rime = await stage.rime(at=at(Mounted(tmp_path / "tls").replace(authority, ("other.example",))))
    options = [*envoys_files(tmp_path, authority, "envoy"), "--tls-server-name", NAME]
    envoy = stage.envoy(rime.address, options=options)

    async def refused():
        stats = await envoy.admin("/stats?filter=cluster.rime.ssl.fail_verify_san")
        return int(stats.rpartition(":")[2]) > 0

    await eventually(refused)
    assert rime.events("opened") == []

"""Who asks a real API server, where what one came with is not accepted any more."""

import json
import sys

import pytest
import trustme

from rime_core import CLUSTER
from tests.integration.waiting import eventually

from .objects import endpoint_slice, service
from .sourced import sourced

pytestmark = pytest.mark.asyncio


class Plugin:
    """An exec plugin that gives a certificate and nothing else, and notes when it is asked."""

    def __init__(self, kube, folder):
        self._kube = kube
        self._answer = folder / "answer"
        self._asked = folder / "asked"
        self._asked.touch()
        program = folder / "get-certificate"
        program.write_text(
            f"#!{sys.executable}\n"
            f"open({str(self._asked)!r}, 'a').write('x')\n"
            f"print(open({str(self._answer)!r}).read())\n"
        )
        program.chmod(0o755)
        self.kubeconfig = kube.write_kubeconfig(
            f"kubeconfig-{folder.name}",
            {
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1",
                    "command": str(program),
                    "interactiveMode": "Never",
                }
            },
        )

    @property
    def asked(self):
        """How often."""
        return len(self._asked.read_text())

    def gives(self, certificate, key):
        status = {"clientCertificateData": certificate, "clientKeyData": key}
        answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
        self._answer.write_text(json.dumps(answer))

    def gives_one_that_is_accepted(self):
        self.gives(*((self._kube.folder / f"admin.{kind}").read_text() for kind in ("crt", "key")))

    def gives_one_that_is_not(self):
        """Of an authority that the API server does not know: as one of its own that has expired, it is a 401."""
        issued = trustme.CA().issue_cert("admin.example", common_name="admin", organization_name="system:masters")
        self.gives(issued.cert_chain_pems[0].bytes().decode(), issued.private_key_pem.bytes().decode())


@pytest.fixture
def plugin(kube, tmp_path):
    return Plugin(kube, tmp_path)


async def test_a_certificate_that_is_refused_is_asked_for_anew_and_the_new_one_is_what_one_comes_with(
    plugin, namespace
):
    namespace.create("services", service("shop"))
    plugin.gives_one_that_is_not()
    async with sourced(plugin.kubeconfig, namespace=namespace.name, ready=False) as source:
        await eventually(lambda: any("(401)" in line for line in source.writer.lacks))
        await eventually(lambda: plugin.asked > 2)
        plugin.gives_one_that_is_accepted()
        await source.until(lambda: source.writer.is_ready)
        assert source.names(CLUSTER) == [f"{namespace.name}/shop/80"]
        asked = plugin.asked
        namespace.create("endpointslices", endpoint_slice("shop", "10.1.0.1"))
        await source.until(lambda: source.addresses(f"{namespace.name}/shop/80") == {"10.1.0.1": 0})
        assert plugin.asked == asked, "what is accepted is kept"

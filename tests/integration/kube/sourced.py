"""A KubernetesSource that runs in this process, and what it has written."""

import asyncio
from contextlib import asynccontextmanager, suppress

from rime_core import ENDPOINT, Plane
from rime_envoy_api import message_class, references
from rime_k8s_source import KubernetesSource
from tests.integration.waiting import eventually

Assignment = message_class("envoy.config.endpoint.v3.ClusterLoadAssignment")


class Sourced:
    """What a test sees of a source: its plane, and what is sent to one who follows everything."""

    def __init__(self, source, plane, writer):
        self.source = source
        self.plane = plane
        self.writer = writer

    def names(self, type_url):
        return sorted(self.plane.snapshot().get(type_url, {}))

    def addresses(self, name):
        """address → health of an assignment."""
        found = self.plane.snapshot().get(ENDPOINT, {})
        assert name in found
        body = found[name].body
        return {
            each.endpoint.address.socket_address.address: each.health_status
            for locality in Assignment.FromString(body).endpoints
            for each in locality.lb_endpoints
        }

    async def until(self, look):
        await eventually(look)


def sourced(kubeconfig, *, ready=True, mappers=None, **options):
    """A source with these options that is running, and ready unless that is not to be waited for."""
    chosen = {"kubeconfig": str(kubeconfig), "settle": "50ms", **options}
    return running_source("", chosen, ready=ready, mappers=mappers)


@asynccontextmanager
async def running_source(place, options, *, ready=True, mappers=None):
    plane = Plane(references=references)
    writer = plane.writer("kubernetes:", allow_empty=True)
    source = KubernetesSource(place, options, mappers=mappers)
    running = asyncio.ensure_future(source.run(writer))
    try:
        if ready:
            await eventually(lambda: writer.is_ready)
        yield Sourced(source, plane, writer)
        assert not running.done(), running.exception()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def role(namespace, user, *rules, name="rime"):
    """Grant a ServiceAccount, or a user, exactly these (group, plural, verbs)."""
    namespace.create(
        "roles",
        {
            "metadata": {"name": name},
            "rules": [
                {"apiGroups": [group], "resources": [plural], "verbs": verbs.split()} for group, plural, verbs in rules
            ],
        },
    )
    subject = (
        {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
        if namespace.name not in user
        else {"kind": "ServiceAccount", "name": user.partition("/")[2], "namespace": namespace.name}
    )
    namespace.create(
        "rolebindings",
        {
            "metadata": {"name": name},
            "roleRef": {"kind": "Role", "name": name, "apiGroup": "rbac.authorization.k8s.io"},
            "subjects": [subject],
        },
    )

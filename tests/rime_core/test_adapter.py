"""What plugins implement are Protocols: any class of that shape will do."""

import inspect

import pytest

from rime_core import (
    CLUSTER,
    Dated,
    Listening,
    Plane,
    Server,
    SharedTransport,
    Siblings,
    Source,
    Started,
    Transport,
    Writer,
)


class Table:
    """A source, by its shape alone."""

    def __init__(self, place, options):
        self.rows = {place: options["body"].encode()}

    async def run(self, writer):
        writer.replace(CLUSTER, self.rows)
        writer.ready()


@pytest.mark.asyncio
async def test_a_source_is_anything_of_its_shape():
    source: Source = Table("backend", {"body": "content"})
    plane = Plane()
    await source.run(plane.writer("table:backend"))
    assert plane.snapshot()[CLUSTER]["backend"].body == b"content"
    assert plane.answering


def test_no_plugin_need_inherit():
    plugins = (Source, Transport, Started, Dated, Listening, Siblings, SharedTransport)
    assert all(getattr(each, "_is_protocol", False) for each in plugins)


def test_a_source_need_not_tell_how_old_what_it_delivered_is():
    class DatedTable(Table):
        def staleness(self):
            return 0.0

    assert isinstance(DatedTable("backend", {"body": ""}), Dated)
    assert not isinstance(Table("backend", {"body": ""}), Dated)


def test_what_a_source_and_a_transport_are_given():
    assert inspect.signature(Source.run).parameters["writer"].annotation is Writer
    parameters = inspect.signature(Transport.run).parameters
    assert parameters["server"].annotation is Server
    assert parameters["task_status"].annotation is Started
    assert parameters["task_status"].kind is inspect.Parameter.KEYWORD_ONLY


def test_a_transport_that_can_be_shared_is_known_by_having_share():
    class Alone:
        def __init__(self, place, options): ...

        async def run(self, server, *, task_status): ...

    class Shared(Alone):
        def share(self, siblings, folder): ...

    assert not isinstance(Alone("", {}), SharedTransport)
    assert isinstance(Shared("", {}), SharedTransport)


def test_what_may_be_raised_is_documented():
    for each in (Source, Transport):
        assert "UsageError" in (each.__doc__ or "")

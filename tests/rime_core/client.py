"""A client of one type in tests: a subscriber, and what its client has by now."""

from rime_core import CLUSTER


class Client:
    """A subscriber, and what its client has by now."""

    def __init__(self, plane, names=None, **options):
        self.subscriber = plane.server().subscribe(CLUSTER, names, **options)
        self.has = {}

    def begin(self, known=None):
        return self.take(self.subscriber.initial(known))

    def poll(self):
        return self.take(self.subscriber.poll())

    def take(self, update):
        if update is None:
            return None
        for resource in update.resources:
            self.has[resource.name] = resource.body
        for name in update.removed:
            self.has.pop(name, None)
        return said(update)


def said(update):
    """An update as (name → body, removed names)."""
    if update is None:
        return None
    return {resource.name: resource.body for resource in update.resources}, set(update.removed)


def reading(plane, names=None, **options):
    client = Client(plane, names, **options)
    client.begin()
    return client

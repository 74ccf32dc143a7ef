"""Other processes on the same port, for tests of one."""


class Siblings:
    """Other processes on the same port, which become ready when the test says so."""

    number, count = 1, 2

    def __init__(self):
        self.ready = False
        self._callbacks = {}

    def when_ready(self, callback):
        self._callbacks[callback] = None

    def not_when_ready(self, callback):
        self._callbacks.pop(callback, None)

    def become_ready(self):
        self.ready = True
        for callback in list(self._callbacks):
            callback()

"""`rime serve` as its users run it: a process of its own, known by what it prints and logs."""

import json
import subprocess
import sys

from .waiting import eventually


def rime(*arguments):
    """What a command of rime prints."""
    return subprocess.run(
        [sys.executable, "-m", "rime_app", *arguments], check=True, capture_output=True, text=True
    ).stdout


class Rime:
    """A running `rime serve`; `log` is what it has logged so far, one mapping a record."""

    def __init__(self, source, out, *, at="127.0.0.1:0", config=None, more=(), looked_at=False):
        self._out = out.with_suffix(".out")
        self._err = out.with_suffix(".log")
        with self._out.open("w") as stdout, self._err.open("w") as stderr:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "rime_app", "serve"),
                    *("--source", f"file:{source}", "--transport", f"grpc:{at}"),
                    *(("--transport", "ws:127.0.0.1:0") if looked_at else ()),
                    *(flag for each in more for flag in ("--source", each)),
                    *(("--config", str(config)) if config is not None else ()),
                    *("--log", "json", "--log-level", "debug"),
                ],
                stdout=stdout,
                stderr=stderr,
            )

    async def ready(self):
        """Wait for the ready line; gives the address."""

        def announced():
            assert self.process.poll() is None, self._err.read_text()
            return self._out.read_text().endswith("\n")

        await eventually(announced)
        addresses = dict(each.split("://") for each in self._out.read_text().split() if "://" in each)
        self.address, self.looked_at = addresses["grpc"], addresses.get("ws")
        return self.address

    @property
    def log(self):
        # the last line may be half-written
        return [json.loads(line) for line in self._err.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def events(self, event):
        """The log's records of one kind: "opened", "sent", "rejected", "closed"."""
        return [record for record in self.log if record.get("event") == event]

    def sent(self):
        """(resources, names removed) sent to clients so far."""
        sent = self.events("sent")
        return sum(record["resources"] for record in sent), sum(record["removed"] for record in sent)

    def kill(self):
        """SIGKILL: it has no time for anything."""
        self.process.kill()
        self.process.wait()

    def end(self):
        """SIGTERM; gives the exit status."""
        self.process.terminate()
        return self.process.wait(timeout=5)

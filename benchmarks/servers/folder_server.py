"""rime under test, serving a folder: `rime serve --source file:PATH`, all of it, which notes when it gets how far.

It writes `{"port": 18000}` when it serves, and then a line for each stage of each change, such as

    {"stage": "applied", "at": 123456789}

with the nanoseconds of the monotonic clock, which all processes of a machine share. The stages are, in their order:
"event", the watch tells of the file; "parsed"; "applied", the Plane has it; "sent", gRPC has taken it; "acknowledged".
What is measured is rime as it is: the functions in which a stage ends are wrapped.
"""

import argparse
import functools
import json
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from benchmarks.servers.rime_server import announce
from rime_app.config import read_config
from rime_app.plugins import Plugins, installed_plugins, make_registry
from rime_app.process import run_process
from rime_core.protocol.events import Acknowledged
from rime_core.writer import Transaction
from rime_file_source.reading import Reader
from rime_file_source.watch import Watch
from rime_grpc.journal import Journal


def note(stage: str) -> None:
    """The stage has just ended."""
    print(json.dumps({"stage": stage, "at": time.monotonic_ns()}), flush=True)


def noting(stage: str, of: type, name: str, *, when: Callable[[Any], bool] = lambda _: True) -> None:
    """Have the method `name` of a class note this stage when it returns, if `when` holds of what it returns."""
    method = getattr(of, name)

    @functools.wraps(method)
    def noted(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the method
        result = method(*args, **kwargs)
        if when(result):
            note(stage)
        return result

    setattr(of, name, noted)


def _note_acknowledgements() -> None:
    happened = Journal.happened

    def noted(self: Journal, events: Iterable[Any]) -> None:
        listed = list(events)
        if any(isinstance(event, Acknowledged) for event in listed):
            note("acknowledged")
        happened(self, listed)

    Journal.happened = noted  # type: ignore[method-assign]


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", required=True)
    options = parser.parse_args()
    noting("event", Watch, "wait", when=bool)
    noting("parsed", Reader, "read")
    noting("applied", Transaction, "__exit__")
    noting("sent", Journal, "sent")
    _note_acknowledgements()
    plugins = Plugins(make_registry(), report=partial(print, file=sys.stderr))
    plugins.load(installed_plugins())
    config = read_config(sources=[f"file:{options.folder}"], transports=["grpc:127.0.0.1:0"])
    run_process(config, plugins, announce)


if __name__ == "__main__":
    main()

"""A server under test: started, told what to do in lines of JSON, and looked at from outside.

It writes `{"port": 18000}` when it has loaded its resources and listens, a peer also its `versions`; then it answers
each line that it reads with one of its own:

    {"do": "change", "name": "resource-7", "stamp": 123}   one resource, to this stamp
    {"do": "changes", "rate": 100, "seconds": 3, "among": 200}
                                                           one resource after the other, of the first 200, each stamped
                                                           with the time of the clock at which it is due, in
                                                           nanoseconds; with "together": true those that are due at
                                                           once as one change. Made a second late, it gives up
    {"do": "collect"}                                      what is garbage is freed

It ends at SIGTERM.
"""

import json
import select
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final, Self

from benchmarks.load.client import LoadError


class ServerProcess:
    """One server under test, with what it has used; its log goes to the file `log`, if any."""

    def __init__(self, command: Sequence[str | Path], *, log: IO[str] | None = None) -> None:
        self._command: Final = " ".join(map(str, command))
        self._process: Final = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log or subprocess.DEVNULL
        )
        try:
            ready = self._answer()
        except BaseException:
            self.close()
            raise
        self.port: Final[int] = ready["port"]
        self.versions: Final[dict[str, str]] = ready.get("versions", {})
        """What a peer says that it is built from."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def ask(self, do: str, **details: object) -> Any:  # noqa: ANN401 - JSON
        """Tell it to do something, and wait until it has."""
        self.tell(do, **details)
        return self._answer()

    def tell(self, do: str, **details: object) -> None:
        """Tell it to do something; `finished` waits for it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **details}).encode() + b"\n")
        self._process.stdin.flush()

    def has_finished(self) -> bool:
        """Whether `finished` would not wait."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], 0)[0])

    def finished(self) -> Any:  # noqa: ANN401 - JSON
        """Wait until it has done what it was told."""
        return self._answer()

    @property
    def pid(self) -> int:
        """Its process id, which is that of its first thread."""
        return self._process.pid

    def cpu_seconds(self) -> float:
        """CPU time that all of its threads have used, by the scheduler's own account (to the nanosecond)."""
        tasks = Path(f"/proc/{self.pid}/task")
        return sum(_run_time(task / "schedstat") for task in tasks.iterdir()) / 1e9

    def loop_seconds(self) -> float:
        """The share of it that its first thread has used."""
        return _run_time(Path(f"/proc/{self.pid}/task/{self.pid}/schedstat")) / 1e9

    def memory_bytes(self) -> int:
        """What it alone keeps in memory, without what it reads from files, which others may come to share."""
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text(encoding="ascii")
        kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in rollup.splitlines()[1:]}
        return kilobytes["Private_Dirty"] * 1024

    def _answer(self) -> Any:  # noqa: ANN401 - JSON
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise LoadError(f"the server ended with {self._process.wait()}: {self._command}")
        return json.loads(line)


def _run_time(file: Path) -> int:
    try:
        return int(file.read_text(encoding="ascii").split()[0])
    except FileNotFoundError:
        return 0  # a thread that has just ended

"""Tables and plots of results that were kept: `python -m benchmarks.report`. No figure anywhere is typed by hand.

From docs/benchmarks/results.json: the tables of docs/benchmarks/README.md, its plots, and the table and the plot of the
README. What stands between `<!-- benchmarks: NAME -->` and `<!-- end -->` is replaced, all else stays.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

try:
    import matplotlib as mpl
    from matplotlib.figure import Figure as Drawing
except ImportError:
    sys.exit("the plots need matplotlib: pip install --group bench, as make bench-peers does")

from benchmarks.figures import Figure

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "docs/benchmarks"
RESULTS: Final = FOLDER / "results.json"

COLOURS: Final = {
    "rime": "#0b6e4f",
    "rime, not compiled": "#7db9a2",
    "bare grpcio": "#9aa5a0",
    "go-control-plane LinearCache": "#2f6db5",
    "go-control-plane SnapshotCache": "#8bb4e0",
    "rime-xds": "#b5542f",
    "rime-xds, as published": "#d9a48b",
}


class Results:
    """What was measured, to be asked for."""

    def __init__(self, kept: dict[str, Any]) -> None:
        self.kept: Final = kept
        self.figures: Final = [Figure(**each) for each in kept["figures"]]

    def all(self, name: str, of: str) -> list[Figure]:
        """The figures of this name, by the number of resources and of streams."""
        found = [each for each in self.figures if each.figure == name and each.of == of]
        return sorted(found, key=lambda each: (each.n, each.streams))

    def one(self, name: str, of: str, n: int, streams: int | None = None) -> Figure | None:
        """One figure, where it was measured."""
        found = [each for each in self.all(name, of) if each.n == n and streams in {None, each.streams}]
        return found[-1] if found else None

    def contenders(self, name: str) -> list[str]:
        """Who was measured, rime first."""
        there = {each.of for each in self.figures if each.figure == name}
        return [of for of in COLOURS if of in there]


def table(results: Results, name: str, *, streams: int | None = None) -> str:
    """One figure of everybody, a column for each number of resources."""
    contenders = results.contenders(name)
    sizes = sorted({each.n for each in results.figures if each.figure == name and streams in {None, each.streams}})
    rows = [["", *(f"{n:,}" for n in sizes)]]
    for of in contenders:
        found = [results.one(name, of, n, streams) for n in sizes]
        if any(found):
            rows.append([of, *(_text(each) for each in found)])
    return _markdown(rows)


def stages(results: Results) -> str:
    """The stages of a change to many streams, and what they add up to."""
    found = [each for each in results.figures if each.figure.startswith("stage, ")]
    rows = [["stage", "for one stream"]]
    rows += [[each.figure.removeprefix("stage, "), _text(each)] for each in found]
    total = sum(each.median for each in found)
    return _markdown([*rows, ["all", f"{total / 1e3:,.1f} µs"]])


def edits(results: Results) -> str:
    """The stages of an edit, from saving the file to the traffic, and what they add up to."""
    found = [each for each in results.figures if each.figure.startswith("edit stage, ")]
    rows = [["stage", "p50"]]
    rows += [[each.figure.removeprefix("edit stage, "), _text(each)] for each in found]
    whole = [each for each in results.figures if each.figure.startswith("edit to traffic, ")]
    rows += [[f"all, {each.figure.removeprefix('edit to traffic, ')}", _text(each)] for each in whole]
    return _markdown(rows)


def soaked(results: Results) -> str:
    """What a soak leaves."""
    found = [each for each in results.figures if each.figure.startswith("soak, ")]
    rows = [["after 10,000 clients have come and gone", "more than before"]]
    rows += [[each.figure.removeprefix("soak, "), _text(each)] for each in found if each.figure != "soak, time"]
    return _markdown(rows)


def profiled(results: Results) -> str:
    """What share of the CPU time each library takes, by thread."""
    shares = {
        each.figure.removeprefix("profile, "): each for each in results.figures if each.figure.startswith("profile, ")
    }
    libraries = dict.fromkeys(name.partition("; ")[0] for name in shares)
    rows = [["", "the event loop's thread", "gRPC's threads"]]
    rows += [
        [library, *(_text(shares.get(f"{library}; {thread}")) for thread in ("event loop", "other threads"))]
        for library in libraries
    ]
    return _markdown(rows)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "| --- |" + " ---: |" * (len(rows[0]) - 1), *lines[1:]])


_SCALES: Final[dict[str, Sequence[tuple[float, float, str]]]] = {
    "ns": ((1e9, 1e9, "s"), (1e6, 1e6, "ms"), (1e3, 1e3, "µs"), (0, 1, "ns")),
    "ms": ((1e3, 1e3, "s"), (0, 1, "ms")),
    "bytes": ((1024, 1024, "KiB"), (0, 1, "B")),
}


def _text(figure: Figure | None) -> str:
    """A figure to three digits, in the unit that suits it."""
    if figure is None:
        return ""
    least, divisor, unit = next(
        each for each in _SCALES.get(figure.unit, ((0, 1, figure.unit),)) if abs(figure.median) >= each[0]
    )
    value = figure.median / divisor
    digits = max(0, 2 - len(str(int(abs(value)))) + 1) if abs(value) < 100 else 0
    del least
    return f"{value:,.{digits}f} {unit}".strip()


def lines(
    path: Path,
    title: str,
    across: str,
    up: str,
    series: Iterable[tuple[str, Sequence[tuple[float, float]]]],
) -> None:
    """A plot with both axes in powers of ten."""
    mpl.rcParams.update({"svg.hashsalt": "rime", "font.size": 10, "font.family": "sans-serif"})
    drawing = Drawing(figsize=(7.2, 4.2), layout="constrained")
    axes = drawing.subplots()
    for of, points in series:
        if points:
            x, y = zip(*points, strict=True)
            axes.plot(x, y, marker="o", color=COLOURS[of], label=of, linewidth=2 if of == "rime" else 1.4)
    axes.set(xscale="log", yscale="log", xlabel=across, ylabel=up, title=title)
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    drawing.savefig(path, metadata={"Date": None, "Creator": None})


def most_streams(results: Results) -> int:
    """How many streams one change goes to where it goes to the most."""
    return max(each.streams for each in results.figures if each.figure == "one change, last stream has it")


def plots(results: Results) -> None:
    """All plots, beside the results."""
    apply = "apply changed"
    lines(
        FOLDER / "apply.svg",
        "One resource changed, in the kernel alone",
        "resources",
        "µs",
        ((of, [(each.n, each.median / 1e3) for each in results.all(apply, of)]) for of in results.contenders(apply)),
    )
    change = "one change, last stream has it"
    most = most_streams(results)
    lines(
        FOLDER / "change.svg",
        f"One resource changed: until the last of {most:,} streams has it",
        "resources",
        "ms",
        (
            (of, [(each.n, each.median) for each in results.all(change, of) if each.streams == most])
            for of in results.contenders(change)
        ),
    )
    lines(
        FOLDER / "streams.svg",
        "One of 1,000 resources changed: until the last stream has it",
        "streams",
        "ms",
        (
            (of, sorted((each.streams, each.median) for each in results.all(change, of) if each.n == 1000))
            for of in results.contenders(change)
        ),
    )


def write_in(path: Path, parts: dict[str, Callable[[], str]]) -> None:
    """Replace the marked parts of a document."""
    text = path.read_text(encoding="utf-8")
    unknown = set(re.findall(r"<!-- benchmarks: (.+?) -->", text)) - parts.keys()
    if unknown:
        sys.exit(f"{path.relative_to(ROOT)} has places for what was not measured: {', '.join(sorted(unknown))}")
    for name, part in parts.items():
        mark, end = f"<!-- benchmarks: {name} -->", "<!-- end -->"
        pattern = re.compile(re.escape(mark) + ".*?" + re.escape(end), re.DOTALL)
        if pattern.search(text):
            inside = f"{mark}\n{part()}\n{end}"
            text = pattern.sub(lambda _, inside=inside: inside, text)  # type: ignore[misc]
    path.write_text(text, encoding="utf-8")


def circumstances(results: Results) -> str:
    """Where and when, and how to have it again."""
    kept, machine = results.kept, results.kept["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in kept["versions"].items())
    again = kept.get("again", {}).items()
    parts = "".join(f" A part of it was measured again, by `{command}` on {date}." for command, date in again)
    return (
        f"`{kept['command']}` on {kept['date']}: {machine['cores']} cores ({machine['processor']}),"
        f" {machine['memory_gib']:g} GiB, {kept['system']}; {versions}.{parts}"
    )


def main() -> None:
    """Write all that is made of the results."""
    if not RESULTS.is_file():
        sys.exit(f"{RESULTS.relative_to(ROOT)} is not there: make bench-peers makes it")
    results = Results(json.loads(RESULTS.read_text(encoding="utf-8")))
    plots(results)
    most = most_streams(results)
    parts: dict[str, Callable[[], str]] = {"circumstances": lambda: circumstances(results)}
    for name in dict.fromkeys(each.figure for each in results.figures):
        parts[name] = lambda name=name: table(results, name, streams=None)  # type: ignore[misc]
    parts["stages"] = lambda: stages(results)
    if results.contenders("edit to traffic, endpoint"):
        parts["edits"] = lambda: edits(results)
    if results.contenders("soak, memory"):
        parts["soak"] = lambda: soaked(results)
    if any(each.figure.startswith("profile, ") for each in results.figures):
        parts["profile"] = lambda: profiled(results)
    parts |= {
        name: partial(table, results, name, streams=most)
        for name in (
            "one change, last stream has it",
            "one change, server CPU",
            "one change, CPU of the event loop's thread",
        )
    }
    for document in (FOLDER / "README.md", ROOT / "docs/performance.md", ROOT / "README.md"):
        if document.is_file():
            write_in(document, parts)


if __name__ == "__main__":
    main()

"""What mutmut made and found out, read from its files: which mutant is where, and what became of it.

mutmut writes, beside each function, a copy of it for each mutant into the module itself (`x_name__mutmut_1` for the
function `name`, `xǁClassǁname__mutmut_1` for a method), and `module.py.meta` with how the tests ended for each.
"""

import ast
import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "rime_core"

FAILED = frozenset({1, 3})
"""What pytest ends with where a test fails, or where the mutant breaks pytest itself."""

TIMED_OUT = frozenset({24, -24, 36, 152, 255})
"""mutmut stopped it, after a multiple of the time that its tests take without it: an endless loop."""

FOUND = FAILED | TIMED_OUT


@dataclass(frozen=True)
class Known:
    """A mutant as the list of equivalent ones has it: `before` and `after` are the lines that differ, stripped."""

    module: str
    function: str
    before: str
    after: str
    why: str

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What it is known by, wherever in the file it stands."""
        return self.module, self.function, self.before, self.after

    def __str__(self) -> str:
        """As a diff, under where it is."""
        return _as_diff(f"{self.module} {self.function}", self.before, self.after)


@dataclass(frozen=True)
class Mutant:
    """One change to one function. `line` counts from 1; `outcome` is what pytest ended with, None where not yet run."""

    key: str
    module: str
    function: str
    line: int
    before: str
    after: str
    outcome: int | None
    seconds: float

    @property
    def is_found(self) -> bool:
        """Whether a test fails, or never ends, with it."""
        return self.outcome in FOUND

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What it is known by, wherever in the file it stands."""
        return self.module, self.function, self.before, self.after

    def __str__(self) -> str:
        """As a diff, under where it is."""
        return _as_diff(f"{self.module}.py:{self.line} {self.function}", self.before, self.after)


def _as_diff(place: str, before: str, after: str) -> str:
    return "\n".join(
        [place, *(f"- {line}" for line in before.split("\n")), *(f"+ {line}" for line in after.split("\n"))]
    )


def read(sources: Path, mutated: Path, module: str) -> list[Mutant]:
    """The mutants of a module ("protocol/hold") as they stand in mutmut's copy of the package, in its order."""
    meta = json.loads(_beside(mutated / f"{module}.py").read_text(encoding="utf-8"))
    copies = _functions(mutated / f"{module}.py")
    originals = _functions(sources / f"{module}.py")
    found = []
    for key, outcome in meta["exit_code_by_key"].items():
        mangled = key.rpartition(".")[2]
        name = original_name(mangled)
        place, before = originals[name]
        after = copies[mangled][1]
        at, old, new = difference(before, [line.replace(mangled, name.rpartition(".")[2], 1) for line in after])
        seconds = meta.get("durations_by_key", {}).get(key) or 0.0
        found.append(Mutant(key, module, name, place + at, old, new, outcome, seconds))
    return found


def original_name(mangled: str) -> str:
    """`Class.name` of `xǁClassǁname__mutmut_1`, `name` of `x_name__mutmut_1`."""
    stem = re.sub(r"__mutmut_\w+$", "", mangled)
    return stem[2:].replace("ǁ", ".") if stem.startswith("xǁ") else stem[2:]


def difference(before: list[str], after: list[str]) -> tuple[int, str, str]:
    """Where two versions of a function differ first, counted from 0, and the lines that differ, stripped."""
    changes = [each for each in difflib.SequenceMatcher(None, before, after, False).get_opcodes() if each[0] != "equal"]
    first, last = changes[0], changes[-1]
    old, new = before[first[1] : last[2]], after[first[3] : last[4]]
    return first[1], "\n".join(map(str.strip, old)), "\n".join(map(str.strip, new))


def applied(sources: Path, mutated: Path, mutant: Mutant) -> str:
    """The text of the module with this mutant in it, and nothing else of mutmut's."""
    file = sources / f"{mutant.module}.py"
    place, before = _functions(file)[mutant.function]
    mangled = mutant.key.rpartition(".")[2]
    _, after = _functions(mutated / f"{mutant.module}.py")[mangled]
    name = mutant.function.rpartition(".")[2]
    lines = file.read_text(encoding="utf-8").splitlines()
    lines[place - 1 : place - 1 + len(before)] = [line.replace(mangled, name, 1) for line in after]
    return "\n".join(lines) + "\n"


def forget_survivors(mutated: Path, module: str) -> None:
    """Let mutmut run again what no test found in a module, if it has been run at all."""
    file = _beside(mutated / f"{module}.py")
    if file.is_file():
        meta = json.loads(file.read_text(encoding="utf-8"))
        outcomes = meta["exit_code_by_key"]
        meta["exit_code_by_key"] = {key: code if code in FOUND else None for key, code in outcomes.items()}
        file.write_text(json.dumps(meta, indent=4), encoding="utf-8")


def _beside(file: Path) -> Path:
    return file.with_name(file.name + ".meta")


def _functions(file: Path) -> dict[str, tuple[int, list[str]]]:
    """Each function by `Class.name` (by its own name where mutmut made it): its first line, and its lines."""
    text = file.read_text(encoding="utf-8")
    lines = text.splitlines()
    return {
        name: (node.lineno, lines[node.lineno - 1 : node.end_lineno]) for name, node in _definitions(ast.parse(text))
    }


def _definitions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            yield statement.name, statement
        elif isinstance(statement, ast.ClassDef):
            for inner in statement.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    own = "__mutmut_" in inner.name
                    yield inner.name if own else f"{statement.name}.{inner.name}", inner

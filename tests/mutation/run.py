"""Mutation testing over rime_core: `make mutation`, or of some modules `make mutation ARGS="delivery protocol/hold"`.

Every change that mutmut can make to a function must fail a test of tests/rime_core, or be refused by mypy, or stand in
`equivalent.py` with the reason why nobody could observe it. Exit status 0 then, 1 otherwise.

What is known is kept in .mutation: a run that was interrupted goes on where it was, and only what survived is tried
again. A mutant is forgotten when its function changes; `--fresh` forgets all. The examples of property tests are the
same each time, and a mutant is given up after 15 times what its tests take without it.
"""

import argparse
import itertools
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from tests.mutation import mutants
from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import PACKAGE, Known, Mutant

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "packages/rime-core/src" / PACKAGE
PROJECT = ROOT / ".mutation"
LAID_OUT = PROJECT / "src" / PACKAGE
MUTATED = PROJECT / "mutants/src" / PACKAGE
LOG = PROJECT / "log"

NOT_RUN = (
    "test_cost.py",  # compares what the same costs among many and among few, which mutmut's wrappers distort
    "test_machine.py",  # half a minute, and what it alone would find deserves a test with a name
)

DESELECTED = (
    "test_aio.py::test_who_uses_callbacks_does_not_load_asyncio",  # mutmut's wrappers load it
    "test_server.py::test_it_cannot_write",  # lists what a Server has: the mutants too
)

SETTINGS = """\
[tool.pytest.ini_options]
addopts = ["--import-mode=importlib", "-p", "no:cacheprovider", {deselected}]
pythonpath = ["src", "."]
asyncio_mode = "strict"
asyncio_default_fixture_loop_scope = "function"
timeout = 60

[tool.mutmut]
source_paths = ["src"]
only_mutate = [{only}]
pytest_add_cli_args_test_selection = ["tests/rime_core"]
timeout_multiplier = 15.0
track_dependencies = false
use_git_change_detection = false
"""


def modules() -> list[str]:
    """Every module of the package that has code, as "protocol/hold"."""
    paths = (path.relative_to(SOURCES).with_suffix("") for path in SOURCES.rglob("*.py"))
    return sorted(path.as_posix() for path in paths if path.name not in {"__init__", "testing"})


def lay_out(chosen: Sequence[str], *, fresh: bool) -> None:
    """The project as mutmut wants it, with what it found out before, unless `fresh`."""
    if fresh:
        shutil.rmtree(PROJECT, ignore_errors=True)
    MUTATED.parent.mkdir(parents=True, exist_ok=True)  # Python never looks again where there was nothing at its start
    same_tests = _copy(ROOT / "tests/rime_core", PROJECT / "tests/rime_core", without=NOT_RUN)
    for name in ("__init__.py", "conftest.py"):
        shutil.copy(ROOT / "tests" / name, PROJECT / "tests" / name)
    _copy(SOURCES, LAID_OUT)
    only = ", ".join(f'"src/{PACKAGE}/{module}.py"' for module in chosen)
    deselected = ", ".join(f'"--deselect=tests/rime_core/{test}"' for test in DESELECTED)
    settings = SETTINGS.format(only=only, deselected=deselected)
    same_choice = (PROJECT / "pyproject.toml").is_file() and (PROJECT / "pyproject.toml").read_text("utf-8") == settings
    (PROJECT / "pyproject.toml").write_text(settings, encoding="utf-8")
    shutil.rmtree(PROJECT / "mutants/tests", ignore_errors=True)
    if not (same_tests and same_choice):  # which test reaches which function must be found out again
        (PROJECT / "mutants/mutmut-stats.json").unlink(missing_ok=True)
    for module in chosen:
        file = MUTATED / f"{module}.py"
        if file.is_file() and "_mutmut_mutated" not in file.read_text(encoding="utf-8"):
            file.unlink()  # it was not chosen the last time: mutmut takes its plain copy for done


def _copy(source: Path, target: Path, *, without: Collection[str] = ()) -> bool:
    """Make `target` what `source` is, leaving what is the same as old as it was; whether all was the same."""
    wanted = {path.relative_to(source): path.read_bytes() for path in source.rglob("*.py") if path.name not in without}
    there = {path.relative_to(target): path.read_bytes() for path in target.rglob("*.py")}
    for path in there.keys() - wanted.keys():
        (target / path).unlink()
    for path, content in wanted.items():
        if there.get(path) != content:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_bytes(content)
    return there == wanted


def read(chosen: Iterable[str]) -> list[Mutant]:
    """All mutants of the chosen modules, as far as mutmut has made them of what is laid out."""
    made = [module for module in chosen if (MUTATED / f"{module}.py.meta").is_file()]
    return [mutant for module in made for mutant in mutants.read(LAID_OUT, MUTATED, module)]


def test(chosen: Iterable[str]) -> None:
    """Let mutmut run what no test has found yet, showing how far it is and how long it will take."""
    for module in chosen:
        mutants.forget_survivors(MUTATED, module)
    command = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", "1"]
    # PYTHONPATH, since some tests start an interpreter of their own
    environment = os.environ | {"CI": "true", "PYTHONPATH": str(MUTATED.parent)}
    with LOG.open("w", encoding="utf-8") as log:
        run = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=log, stderr=log)
        first, since = 0, 0.0
        while run.poll() is None:
            time.sleep(2)
            status = re.findall(r"(\d+)/(\d+)  🎉", LOG.read_text(encoding="utf-8")[-500:])
            if status:
                done, total = map(int, status[-1])
                if not since:
                    first, since = done, time.monotonic()
                left = (time.monotonic() - since) / max(done - first, 1) * (total - done)
                print(f"\r{done} of {total} mutants, {duration(left)} left   ", end="", flush=True)
    print()
    if run.returncode:
        raise SystemExit(f"mutmut ended with {run.returncode}:\n{LOG.read_text(encoding='utf-8')[-3000:]}")


def duration(seconds: float) -> str:
    """In words, to the minute; seconds where it is less than two minutes."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def refused_by_types(suspects: Iterable[Mutant]) -> set[str]:
    """The keys of those with which mypy, set as for `make check`, refuses the package."""
    tree = PROJECT / "typed" / PACKAGE
    _copy(LAID_OUT, tree)
    shutil.rmtree(tree.parent / ".mypy_cache", ignore_errors=True)  # it may have a mutant of the same size for the file
    if not _is_typed(tree):
        raise SystemExit("mypy refuses rime_core as it is: see `make check`")
    refused = set()
    seconds = itertools.count(1)  # mypy looks at a file again when its time or its size differs, and counts in seconds
    for mutant in suspects:
        file = tree / f"{mutant.module}.py"
        original = file.read_text(encoding="utf-8")
        _write_at(next(seconds), file, mutants.applied(LAID_OUT, MUTATED, mutant))
        if not _is_typed(tree):
            refused.add(mutant.key)
        _write_at(next(seconds), file, original)
    return refused


def _write_at(second: int, file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    os.utime(file, (second, second))


def _is_typed(tree: Path) -> bool:
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), tree.name]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(
        command, cwd=tree.parent, env=environment | {"MYPYPATH": str(tree.parent)}, capture_output=True, check=False
    )
    if run.returncode not in (0, 1):
        raise SystemExit(f"mypy ended with {run.returncode}\n{run.stderr.decode()}")
    return run.returncode == 0


def compared(survivors: Sequence[Mutant], every: Sequence[Mutant], known: Iterable[Known]) -> list[str]:
    """What is wrong: survivors that are not known, and known ones that did not survive. Empty when all is well.

    `every` holds all mutants of the modules that were run, those that survived too.
    """
    listed = [each for each in known if each.module in {mutant.module for mutant in every}]
    allowed = {each.identity for each in listed}
    survived = {each.identity for each in survivors}
    there = {each.identity for each in every}
    wrong = [f"SURVIVED: {each}" for each in survivors if each.identity not in allowed]
    for each in listed:
        if each.identity not in there:
            wrong.append(f"LISTED, BUT THERE IS NONE SUCH: {each}")
        elif each.identity not in survived:
            wrong.append(f"LISTED, BUT A TEST FINDS IT: {each}")
    return wrong


def table(every: Iterable[Mutant], typed: Iterable[str], survivors: Iterable[Mutant]) -> str:
    """What became of the mutants of each module, and how long their tests took, as CONTRIBUTING.md has it."""
    rows = [("module", "mutants", "found by a test", "by mypy", "survive", "time")]
    by_module = sorted(every, key=lambda each: each.module)
    for module, group in itertools.groupby(by_module, key=lambda each: each.module):
        each = list(group)
        tested = sum(mutant.is_found for mutant in each)
        refused = sum(mutant.key in set(typed) for mutant in each)
        left = sum(mutant.module == module for mutant in survivors)
        seconds = sum(mutant.seconds for mutant in each)
        rows.append((module, str(len(each)), str(tested), str(refused), str(left), duration(seconds)))
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "| --- | ---: | ---: | ---: | ---: | ---: |", *lines[1:]])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the modules that are named, or all; 1 where a mutant survives that is not listed, or is listed in vain."""
    parser = argparse.ArgumentParser(prog="make mutation", description="Mutation testing over rime_core.")
    parser.add_argument("modules", nargs="*", help="such as delivery or protocol/hold; all when none is named")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs found out")
    options = parser.parse_args(arguments)
    chosen = options.modules or modules()
    unknown = sorted(set(chosen) - set(modules()))
    if unknown:
        parser.error(f"no such module: {', '.join(unknown)}; there are {', '.join(modules())}")
    lay_out(chosen, fresh=options.fresh)
    test(chosen)
    every = read(chosen)
    allowed = {each.identity for each in EQUIVALENT}
    left = [each for each in every if not each.is_found]
    typed = refused_by_types(each for each in left if each.identity not in allowed)
    survivors = [each for each in left if each.key not in typed]
    print(table(every, typed, survivors))
    wrong = compared(survivors, every, EQUIVALENT)
    print("\n\n".join(["", *wrong]) if wrong else "\nnothing survives that is not listed")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Puts each recorded fault into a copy of rime_core, sees that the tests of its rule fail: `make mutation-rules`.

About a second for each fault. Exit status 0 when every fault is found, 1 otherwise.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conformance.faults import FAULTS, Fault

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "packages/rime-core/src/rime_core"


def is_found(rule: str, fault: Fault) -> bool:
    """Whether the tests of `rule` fail where `fault` is in the code; over the bare stream, where nothing can hang."""
    with tempfile.TemporaryDirectory() as where:
        copy = Path(where) / "rime_core"
        shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("__pycache__"))
        file = copy / fault.file
        text = file.read_text(encoding="utf-8")
        if text.count(fault.before) != 1:
            raise SystemExit(f"{rule}: {fault.before!r} stands {text.count(fault.before)} times in {fault.file}")
        file.write_text(text.replace(fault.before, fault.after), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider"]
        number, _, variant = rule.partition(" ")
        files = ["test_sotw_rules.py"] if variant else ["test_rules.py", "test_order_rules.py"]
        command += [*(f"tests/conformance/{file}" for file in files), "-k", f"{number}_ and bare", "--timeout", "20"]
        run = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": where}, capture_output=True, text=True, check=False
        )
        if run.returncode not in (0, 1):
            raise SystemExit(f"{rule}: pytest ended with {run.returncode}\n{run.stdout}{run.stderr}")
        return run.returncode == 1


def main() -> int:
    """Try every fault, or those of the rules that are named on the command line."""
    rules = sys.argv[1:] or list(FAULTS)
    missed = []
    for number, rule in enumerate(rules, 1):
        found = is_found(rule, FAULTS[rule])
        print(f"{number:3}/{len(rules)}  {rule:4} {'found' if found else 'NOT FOUND'}", flush=True)
        if not found:
            missed.append(rule)
    print(f"{len(rules) - len(missed)} of {len(rules)} faults found")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())

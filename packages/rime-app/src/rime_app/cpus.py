"""How many CPUs this process may use: what `workers = "auto"` stands for.

A container is given a share of the machine in two ways: as a set of CPUs, which the process is told of, and as a quota
of CPU time (cgroup v2, `cpu.max`; Kubernetes' `limits.cpu`), which it is not, and which each group above it may have
too. https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

CGROUPS: Final = Path("/sys/fs/cgroup")
OWN_CGROUP: Final = Path("/proc/self/cgroup")


def usable_cpus(cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> int:
    """The whole CPUs that this process has, at least one; of a quota of 1.5 that is one."""
    return max(1, min(_visible(), *(int(quota) for quota in _quotas(cgroups, own))))


def _visible() -> int:
    # not everywhere: macOS has no sets of CPUs
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quotas(cgroups: Path, own: Path) -> Iterator[float]:
    """The quotas of this process's group and of those above it, in CPUs; one without end where there is none."""
    yield float(1 << 16)
    try:
        groups = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for path in (PurePosixPath(line.removeprefix("0::/")) for line in groups if line.startswith("0::/")):
        for group in (path, *path.parents):
            try:
                quota, period = (cgroups / group / "cpu.max").read_text(encoding="utf-8").split()
                yield int(quota) / int(period)
            except (OSError, ValueError):  # the root has no such file, and "max" is no number
                continue

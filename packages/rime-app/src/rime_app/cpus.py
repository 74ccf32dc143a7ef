"""How many CPUs this process may use: what `workers = "auto"` stands for.

A container is given a share of the machine in two ways: as a set of CPUs, which the process is told of, and as a quota
of CPU time (Kubernetes' `limits.cpu`), which it is not, and which each group above it may have too. The quota is in
`cpu.max`, and in the older kind of groups, which machines still have, in two files.
https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
https://docs.kernel.org/scheduler/sched-bwc.html
"""

import os
from collections.abc import Iterator
from pathlib import Path
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
    for _, controllers, path in (line.split(":", 2) for line in groups):
        if controllers and "cpu" not in controllers.split(","):
            continue
        folder = cgroups / controllers / path.removeprefix("/")
        for group in (folder, *folder.parents):
            if group.is_relative_to(cgroups):
                yield from _quota(group)


def _quota(group: Path) -> Iterator[float]:
    """The quota of one group, in either kind; nothing where it has none."""
    for files in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period = " ".join((group / each).read_text(encoding="utf-8") for each in files).split()
            if int(quota) > 0:
                yield int(quota) / int(period)
        except (OSError, ValueError):  # of the other kind, the root, or "max"
            continue

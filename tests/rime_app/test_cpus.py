"""How many CPUs a process may use, also where a container is given a quota."""

import os

import pytest

from rime_app.cpus import usable_cpus


@pytest.fixture(autouse=True)
def visible(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(8)), raising=False)


@pytest.fixture
def container(tmp_path):
    """Puts this process into a group, with what each group's `cpu.max` says, by its path."""

    def make(own, **quotas):
        (tmp_path / "own").write_text(own)
        for path, quota in quotas.items():
            folder = tmp_path / "cgroups" / path.replace("__", "/")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "cpu.max").write_text(quota)
        return usable_cpus(tmp_path / "cgroups", tmp_path / "own")

    return make


def test_without_a_quota_they_are_those_that_the_process_may_run_on(tmp_path):
    assert usable_cpus(tmp_path, tmp_path / "no cgroups here") == 8


@pytest.mark.parametrize(
    ("quota", "cpus"),
    [("max 100000", 8), ("100000 100000", 1), ("350000 100000", 3), ("50000 100000", 1), ("9900000 100000", 8)],
)
def test_a_quota_is_counted_in_whole_cpus_and_there_is_always_one(container, quota, cpus):
    assert container("0::/pod\n", pod=quota) == cpus


def test_the_least_quota_of_all_groups_that_the_process_is_in_counts(container):
    assert container("0::/slice/pod\n", slice="200000 100000", slice__pod="400000 100000") == 2


def test_groups_of_the_older_kind_are_not_looked_at(container):
    assert container("3:cpu,cpuacct:/pod\n0::/\n", pod="100000 100000") == 8


def test_where_the_system_knows_no_sets_of_cpus_all_count(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)

    assert usable_cpus(tmp_path, tmp_path / "none") == 6

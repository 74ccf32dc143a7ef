"""How many CPUs a process may use, also where a container is given a quota."""

import os

import pytest

from rime_app.cpus import usable_cpus


@pytest.fixture(autouse=True)
def visible(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(8)), raising=False)


@pytest.fixture
def container(tmp_path):
    """Puts this process into groups, with what is in their files, by their paths."""

    def make(own, files):
        (tmp_path / "own").write_text(own)
        for path, text in files.items():
            file = tmp_path / "cgroups" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return usable_cpus(tmp_path / "cgroups", tmp_path / "own")

    return make


def test_without_a_quota_they_are_those_that_the_process_may_run_on(tmp_path):
    assert usable_cpus(tmp_path, tmp_path / "no cgroups here") == 8


@pytest.mark.parametrize(
    ("quota", "cpus"),
    [("max 100000", 8), ("100000 100000", 1), ("350000 100000", 3), ("50000 100000", 1), ("9900000 100000", 8)],
)
def test_a_quota_is_counted_in_whole_cpus_and_there_is_always_one(container, quota, cpus):
    assert container("0::/pod\n", {"pod/cpu.max": quota}) == cpus


def test_the_least_quota_of_all_groups_that_the_process_is_in_counts(container):
    files = {"slice/cpu.max": "200000 100000", "slice/pod/cpu.max": "400000 100000"}

    assert container("0::/slice/pod\n", files) == 2


def test_where_a_container_sees_only_its_own_group_that_is_the_root(container):
    assert container("0::/kubepods/pod/1234\n", {"cpu.max": "300000 100000"}) == 3


@pytest.mark.parametrize("controllers", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize(("quota", "cpus"), [("-1", 8), ("100000", 1), ("250000", 2)])
def test_groups_of_the_older_kind_are_looked_at_too(container, controllers, quota, cpus):
    folder = f"{controllers}/pod"
    files = {f"{folder}/cpu.cfs_quota_us": f"{quota}\n", f"{folder}/cpu.cfs_period_us": "100000\n"}

    assert container(f"3:memory:/pod\n2:{controllers}:/pod\n0::/\n", files) == cpus


def test_what_another_controller_has_is_no_quota_of_cpu_time(container):
    assert container("3:cpuset:/pod\n", {"cpuset/pod/cpu.max": "100000 100000"}) == 8


def test_where_the_system_knows_no_sets_of_cpus_all_count(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)

    assert usable_cpus(tmp_path, tmp_path / "none") == 6

"""What a profile says, of the samples that perf took."""

import pytest
from benchmarks.profile import NoPerfError, find, shares

SAMPLES = """
 7/7      7f5bad15fa70 (/x/grpc/_cython/cygrpc.cpython-311-x86_64-linux-gnu.so)
 7/9      7f5bad15fa70 (/x/grpc/_cython/cygrpc.cpython-311-x86_64-linux-gnu.so)
 7/9  ffffffff81000000 ([kernel.kallsyms])
 7/7      7f5bae4d981d (/x/rime_core__mypyc.cpython-311-x86_64-linux-gnu.so)
 7/7      7f5baf8fec45 (/usr/lib/libpython3.11.so.1.0)
 7/7            5e298f (/usr/bin/python3.11)
 7/7      7f5baf8fec45 (/x/uvloop/loop.cpython-311-x86_64-linux-gnu.so)
 7/7      7f5baf8fec45 (/usr/lib/libc.so.6)
 7/7      7f5baf8fec45 ([unknown])
 7/7      7f5baf8fec45 ([vdso])
"""


def test_what_each_library_takes_and_in_which_thread():
    found = shares(SAMPLES.splitlines())
    assert found == {
        "all else: the C library, uvloop, asyncio; event loop": 40.0,
        "Python; event loop": 20.0,
        "gRPC's library; event loop": 10.0,
        "gRPC's library; other threads": 10.0,
        "the system's kernel; other threads": 10.0,
        "the compiled core; event loop": 10.0,
    }


def test_of_no_samples_nothing_is_said():
    assert shares(["what perf says in another format"]) == {}


def test_a_perf_that_may_not_look_is_found_out_first(tmp_path, monkeypatch):
    perf = tmp_path / "perf"
    perf.write_text("#!/bin/sh\necho access is limited >&2; exit 255\n")
    perf.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoPerfError, match=r"perf_event_paranoid\?\): access is limited"):
        find()


def test_a_perf_that_is_not_there_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoPerfError, match="linux-perf"):
        find()

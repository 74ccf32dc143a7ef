"""What a profile says, of the samples that perf took."""

import pytest
from benchmarks.profile import shares

SAMPLES = """
 7/7      7f5bad15fa70 (/x/grpc/_cython/cygrpc.cpython-311-x86_64-linux-gnu.so)
 7/9      7f5bad15fa70 (/x/grpc/_cython/cygrpc.cpython-311-x86_64-linux-gnu.so)
 7/9  ffffffff81000000 ([kernel.kallsyms])
 7/7      7f5bae4d981d (/x/rime_core__mypyc.cpython-311-x86_64-linux-gnu.so)
 7/7      7f5baf8fec45 (/usr/lib/libpython3.11.so.1.0)
 7/7            5e298f (/usr/bin/python3.11)
 7/7      7f5baf8fec45 (/x/uvloop/loop.cpython-311-x86_64-linux-gnu.so)
 7/7      7f5baf8fec45 (/usr/lib/libc.so.6)
"""


def test_what_each_library_takes_and_in_which_thread():
    found = shares(SAMPLES.splitlines())
    assert found == {
        "Python; event loop": 25.0,
        "all else: the C library, uvloop, asyncio; event loop": 25.0,
        "gRPC's library; event loop": 12.5,
        "gRPC's library; other threads": 12.5,
        "the system's kernel; other threads": 12.5,
        "the compiled core; event loop": 12.5,
    }
    assert sum(found.values()) == pytest.approx(100)

"""kube-apiserver, etcd and the controller manager, built from published Go modules into a cache outside of the tree.

It takes Go and some minutes, once; what was built is found again by what it was built from.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

SOURCES = Path(__file__).parent / "go"

LEAST = (1, 26)
"""What go.mod asks for."""

ABSENT = "there is no Go 1.26 or newer here, which builds the Kubernetes API server of these tests: they are left out"


def find_go():
    """(path, version) of a Go that is new enough; None where there is none."""
    path = shutil.which("go")
    if path is None:
        return None
    said = subprocess.run([path, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout.strip()
    version = re.match(r"go(\d+)\.(\d+)", said)
    if version is None or (int(version[1]), int(version[2])) < LEAST:
        return None
    return path, said


def cached(version):
    """The folder of the binary that this version of Go makes of the sources."""
    digest = hashlib.sha256(version.encode())
    for path in sorted(SOURCES.iterdir()):
        digest.update(path.read_bytes())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "rime-tests" / f"kube-{digest.hexdigest()[:16]}"


def build(go, binary):
    """Make the binary, unless it is there."""
    if binary.is_file():
        return binary
    print(
        "\nbuilding kube-apiserver and etcd, once: some 6 minutes on two cores, 90 MB of Go modules",
        file=sys.__stderr__,
    )
    begun = time.monotonic()
    kubernetes = re.search(r"k8s\.io/kubernetes (v1\.(\d+)\.\d+)", (SOURCES / "go.mod").read_text())
    assert kubernetes is not None
    version = "k8s.io/component-base/version"
    flags = (
        f"-s -w -X {version}.gitVersion={kubernetes[1]} -X {version}.gitMajor=1 -X {version}.gitMinor={kubernetes[2]}"
    )
    binary.parent.mkdir(parents=True, exist_ok=True)
    unfinished = binary.with_suffix(f".{os.getpid()}")
    done = subprocess.run(
        [go, "build", "-trimpath", f"-ldflags={flags}", "-o", unfinished, "."],
        cwd=SOURCES,
        env=os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    unfinished.rename(binary)
    print(f"built after {time.monotonic() - begun:.0f} s: {binary}", file=sys.__stderr__)
    return binary

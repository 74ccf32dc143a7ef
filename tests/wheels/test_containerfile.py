"""examples/kubernetes/Containerfile, step by step in an environment of its own, where no image can be built.

What this does not show: that its base image can be had, and that everything installs with the Python in that.
"""

import json
import os
import shlex
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.wheels.conftest import ROOT

pytestmark = pytest.mark.timeout(300)

EXAMPLE = ROOT / "examples" / "kubernetes"
FILE = EXAMPLE / "Containerfile"

COPIED = "/tmp/dist"  # noqa: S108 - in the image

USER = "65532"
AS_USER = (
    *("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"),
    # it may read what is below root's own folders, where the Python of these tests may be, and write nowhere
    *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),
)


def instructions():
    """[(name, the rest of the line)]; there is one a line."""
    lines = [line for line in FILE.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


def instruction(name):
    [found] = [rest for each, rest in instructions() if each == name]
    return found


def documents(kind):
    """What the manifests have of a kind."""
    every = yaml.safe_load_all((EXAMPLE / "rime.yaml").read_text(encoding="utf-8"))
    return [each for each in every if each["kind"] == kind]


def container():
    [deployment] = documents("Deployment")
    [found] = deployment["spec"]["template"]["spec"]["containers"]
    return found


class Image:
    """What the Containerfile makes: an environment with what it installs, and how a container of it is begun."""

    def __init__(self, made, wheels):
        self.made = made
        self.copied = made.folder / "image" / "tmp" / "dist"
        what, where = instruction("COPY").split()
        assert where == f"{COPIED}/"
        self.copied.mkdir(parents=True)
        for wheel in wheels.glob(what):
            shutil.copy(wheel, self.copied)
        self.installing = made.shell(instruction("RUN").replace(COPIED, str(self.copied)))
        assert self.installing.returncode == 0, self.installing.stdout

    def run(self, *arguments):
        """A container's end: by its entry point, as its user, in an environment that has nothing but PATH and HOME."""
        [program] = json.loads(instruction("ENTRYPOINT"))
        found = shutil.which(program, path=self.made.path / "bin")
        assert found is not None
        return subprocess.run(
            [*(AS_USER if os.geteuid() == 0 else ()), found, *arguments],
            cwd="/",
            env={"PATH": f"{self.made.path / 'bin'}:/usr/bin:/bin", "HOME": "/"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="module")
def image(environment, wheels):
    return Image(environment(), wheels)


@pytest.fixture
def mounted():
    """A folder that everybody may read, as a ConfigMap is mounted."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_its_steps_are_those_that_this_test_takes():
    assert [name for name, _ in instructions()] == ["FROM", "COPY", "RUN", "USER", "ENTRYPOINT"]


def test_its_python_is_one_that_every_distribution_takes():
    registry, python, tag = instruction("FROM").replace(":", "/").rsplit("/", 2)
    assert (registry, python, tag) == ("docker.io/library", "python", "3.13-slim")
    required = {
        tomllib.loads(each.read_text())["project"]["requires-python"] for each in ROOT.glob("packages/*/*.toml")
    }
    assert required == {">=3.11"}


def test_it_installs_the_wheels_and_nothing_has_to_be_compiled_and_none_of_them_stays(image):
    listed = json.loads(image.made.shell("pip list --format=json --disable-pip-version-check").stdout)
    ours = {each["name"] for each in listed if each["name"].startswith("rime")}
    assert ours == {"rime-app", "rime-core", "rime-envoy-api", "rime-grpc", "rime-k8s-source"}
    assert "Building wheel" not in image.installing.stdout, "there is no compiler in the base image"
    assert not image.copied.exists()
    assert image.made.shell("pip check").returncode == 0


def test_it_is_run_by_a_user_that_is_known_not_to_be_root(image):
    [deployment] = documents("Deployment")
    security = deployment["spec"]["template"]["spec"]["securityContext"]
    assert instruction("USER") == str(security["runAsUser"]) == USER, (
        "kubelet cannot tell of a name that it is not root"
    )
    assert security["runAsNonRoot"] is True
    ran = image.run("--version")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("rime ")


def test_what_the_deployment_runs_reads_its_configuration_and_says_what_is_missing_outside_of_a_pod(image, mounted):
    [text] = [each["data"]["rime.toml"] for each in documents("ConfigMap")]
    config = mounted / "rime.toml"
    config.write_text(text)
    arguments = [str(config) if each == "/etc/rime/rime.toml" else each for each in container()["args"]]
    assert str(config) in arguments
    ran = image.run(*arguments)
    assert ran.returncode == 2
    assert (ran.stdout, ran.stderr.count("\n")) == ("", 1)
    assert "kubernetes: there is no kubeconfig" in ran.stderr


def test_it_is_built_and_called_as_the_walk_through_and_the_deployment_say():
    first = FILE.read_text(encoding="utf-8").splitlines()[0]
    command = first.rsplit("  ", 1)[1]
    assert command in (EXAMPLE / "README.md").read_text(encoding="utf-8")
    _, _, *options, folder = shlex.split(command)
    assert folder == "dist", "the folder of `make dist`"
    assert options[options.index("-t") + 1] == container()["image"]

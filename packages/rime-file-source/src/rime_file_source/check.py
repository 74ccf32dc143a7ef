"""`rime check PATH`: what serving a folder would say of it, without serving it."""

import json
from dataclasses import asdict, dataclass
from math import inf

import click

from rime_core.type_urls import describe
from rime_file_source.config import FileOptions
from rime_file_source.errors import UnreadableError, counted, shown
from rime_file_source.files import NO_FILES, check_place
from rime_file_source.folder import Folder


@dataclass(frozen=True, slots=True)
class Findings:
    """What there is to say of a folder, one line each; `resources` and `files` are counts."""

    resources: int
    files: int
    faults: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def summary(self) -> str:
        """One line for people."""
        found = f"{counted(len(self.faults), 'fault')}, {counted(len(self.warnings), 'warning')}"
        return f"{counted(self.resources, 'resource')} in {counted(self.files, 'file')}: {found}"


def examine(place: str) -> Findings:
    """Read a folder, or a file, once, as `file:PLACE` would when it starts.

    Raises:
        UsageError: there is no such place.
    """
    # Protobuf and Envoy's API, which `rime --help` must not pay for.
    from rime_envoy_api import references  # noqa: PLC0415
    from rime_file_source.reading import Reader  # noqa: PLC0415

    root = check_place(place)
    reader = Reader(root, max_file_size=FileOptions().max_file_size)
    readings = reader.read()
    folder = Folder(quiet=0, settle=0)
    folder.observe(readings, now=0)
    delivery = folder.take(inf)
    assert delivery is not None and delivery.report is not None  # noqa: S101, PT018 - the first is always whole
    # What is there with a fault is not missing: the fault is enough to say.
    known = set(folder.serving) | {
        (fault.type_url, fault.name)
        for reading in readings.values()
        if reading is not None and not isinstance(reading, UnreadableError)
        for fault in reading.faults
    }
    warnings = list(delivery.report.contested)
    for resource in delivery.apply:
        for type_url, name in references(resource.type_url, resource.body):
            if (type_url, name) not in known and describe(type_url).parent is None:  # what is on demand may be made so
                file = shown(folder.serving[resource.type_url, resource.name])
                what = f"{describe(resource.type_url).plural} {resource.name!r}"
                missing = f"{describe(type_url).plural} {name!r}"
                warnings.append(f"{file}:{resource.line}: {what}: refers to {missing}, which is not here")
    if not reader.paths:
        warnings.append(f"{shown(root)}: {NO_FILES}")
    return Findings(len(delivery.apply), len(reader.paths), delivery.report.faults, tuple(warnings))


@click.command(short_help="Validate a folder of Envoy YAML, as serving it would.")
@click.argument("path")
@click.option("--strict", is_flag=True, help="Exit with 1 on warnings too.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to print the findings.")
def check(path: str, *, strict: bool, output: str) -> int:
    """Validate the Envoy YAML and JSON in PATH, a folder or a file, as `rime serve` would read it.

    A fault is what would not be served. A warning is a reference to what is not there, or a name that two files claim.
    Exits with 0 without faults, 1 with, 2 when there is no PATH.
    """
    findings = examine(path)
    if output == "json":
        click.echo(json.dumps(asdict(findings), indent=2))
    else:
        for fault in findings.faults:
            click.echo(fault)
        for warning in findings.warnings:
            click.echo(f"warning: {warning}")
        click.echo(findings.summary)
    return 1 if findings.faults or (strict and findings.warnings) else 0

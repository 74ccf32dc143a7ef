"""What `rime serve` is told: by a file, by flags, or by both.

The file is TOML: tables `[[sources]]` and `[[transports]]`, each with `kind`, `place` and its plugin's options, tables
`[[groups]]` that say which clients are of which group, tables `[[authorize]]` that say which may have what, tables
`[policies.<type>]` that say what is to differ from the protocol's rules, and one table `[serve]`. A flag wins over the
file: `--source`, given once or more, replaces the file's sources, `--transport` its transports, and any other flag the
key of `[serve]` with its name.
"""

import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rime_app.authorization import AccessRule, read_access_rule
from rime_app.debounce import KEYS, read_debounce
from rime_app.grouping import GroupRule, read_rule
from rime_app.policies import read_policies
from rime_app.spec import DEFAULT_GROUP, KIND, SourceSpec, Spec, as_source, parse_spec
from rime_app.tables import check_keys, texts_of
from rime_core.debounce import Debounce
from rime_core.errors import UsageError
from rime_core.options import OptionReader
from rime_core.policy import Policy

DEFAULT_TRANSPORT: Final = "grpc:127.0.0.1:18000"
"""Loopback, because what is served may hold secrets and goes unencrypted."""

LARGEST: Final = 1024 * 1024
"""Bytes that a file may have: whoever names a device or a log by mistake is told so."""

MOST_WORKERS: Final = 256
"""As many CPUs as a large machine has; each costs the memory of a whole rime, so a slip must not start thousands."""

FORMATS: Final = ("text", "json")
LEVELS: Final = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Settings:
    """The table `[serve]`; docs/configuration.md says what each key does.

    `ready_timeout` is in seconds, `max_removal` a share from 0 to 1; `base` is "" where no group is the others' base,
    `debounce` None where nothing is put off, and `workers` None for as many as there are CPUs.
    """

    ready_timeout: float = 30.0
    max_removal: float = 0.5
    log: str = "text"
    log_level: str = "info"
    base: str = ""
    unmatched: str = DEFAULT_GROUP
    debounce: Debounce | None = None
    workers: int | None = 1


@dataclass(frozen=True, slots=True)
class Config:
    """All that `rime serve` needs to know; it says nothing of whether the kinds are installed."""

    sources: tuple[SourceSpec, ...] = ()
    transports: tuple[Spec, ...] = ()
    groups: tuple[GroupRule, ...] = ()
    authorize: tuple[AccessRule, ...] = ()
    policies: Mapping[str, Policy] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)


def read_config(
    path: Path | None = None,
    *,
    sources: Sequence[str] = (),
    transports: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> Config:
    """The configuration, from a file when there is one, and from flags: specifications, and keys of `[serve]` as text.

    Raises:
        UsageError: the file cannot be read, or something in it or in the flags is not as it should be.
    """
    config = Config() if path is None else read_file(path)
    from_flags = tuple(as_source(parse_spec(text, origin=f"--source {text}")) for text in sources)
    to_flags = tuple(parse_spec(text, origin=f"--transport {text}") for text in transports)
    return Config(
        sources=from_flags or config.sources,
        transports=to_flags or config.transports or (parse_spec(DEFAULT_TRANSPORT, origin="the default transport"),),
        groups=config.groups,
        authorize=config.authorize,
        policies=config.policies,
        settings=_read_settings("rime serve", settings or {}, config.settings),
    )


def read_file(path: Path) -> Config:
    """The configuration that a file holds, without the defaults for what it leaves out.

    Raises:
        UsageError: it cannot be read, is not TOML, or a key is unknown or not as it should be; the text names the key.
    """
    try:
        document = tomllib.loads(_read_text(path))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8, which TOML has to be") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: is not TOML: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{path}: is nested too deeply") from error
    check_keys(str(path), document, ("serve", "sources", "transports", "groups", "authorize", "policies"))
    serve = document.get("serve", {})
    if not isinstance(serve, dict):
        raise UsageError(f"{path}: serve should be a table, [serve]")
    return Config(
        sources=tuple(as_source(spec) for spec in _read_specs(path, document, "sources")),
        transports=tuple(_read_specs(path, document, "transports")),
        groups=tuple(read_rule(origin, table) for origin, table in _tables(path, document, "groups")),
        authorize=tuple(read_access_rule(origin, table) for origin, table in _tables(path, document, "authorize")),
        policies=read_policies(str(path), document.get("policies", {})),
        settings=_read_settings(f"{path} [serve]", texts_of(f"{path} [serve]", serve), Settings()),
    )


def _read_text(path: Path) -> str:
    """The text of a file, which may be replaced meanwhile, but never by one that is read without end."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # to read a folder fails with words of its own
        raise UsageError(f"{path}: is not a regular file")
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise UsageError(f"{path}: is larger than 1 MiB, which is not a rime.toml")
    return content.decode("utf-8")


def _read_specs(path: Path, document: Mapping[str, Any], key: str) -> Iterator[Spec]:
    for origin, table in _tables(path, document, key):
        options = texts_of(origin, table)
        kind, place = options.pop("kind", ""), options.pop("place", "")
        if not KIND.fullmatch(kind):
            raise UsageError(f'{origin}: kind should be a name such as "file" or "grpc"')
        yield Spec(kind, place, options, origin)


def _tables(path: Path, document: Mapping[str, Any], key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The tables written under `[[key]]`, each with where it is."""
    tables = document.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{path}: {key} should be a list of tables, each written under [[{key}]]")
    for number, table in enumerate(tables, start=1):
        yield f"{path} [[{key}]] no. {number}", table


def _read_settings(origin: str, values: Mapping[str, str], default: Settings) -> Settings:
    debounce = read_debounce(origin, values, default.debounce)
    read = OptionReader(origin, values)
    settings = Settings(
        ready_timeout=read.duration("ready_timeout", default=default.ready_timeout),
        max_removal=read.share("max_removal", default=default.max_removal),
        log=_one_of(FORMATS, origin, "log", read.text("log", default=default.log)),
        log_level=_one_of(LEVELS, origin, "log_level", read.text("log_level", default=default.log_level)),
        base=read.text("base", default=default.base),
        unmatched=read.text("unmatched", default=default.unmatched),
        debounce=debounce,
        workers=_workers(origin, values["workers"]) if "workers" in values else default.workers,
    )
    for key in (*KEYS, "workers"):  # read above, by their own readers
        read.text(key, default="")
    read.finish()
    return settings


def _workers(origin: str, text: str) -> int | None:
    if text == "auto":
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_WORKERS):
        raise UsageError(f"{origin}: workers={text!r} should be auto, or a number from 1 to {MOST_WORKERS}")
    return int(text)


def _one_of(allowed: Sequence[str], origin: str, key: str, value: str) -> str:
    if value not in allowed:
        raise UsageError(f"{origin}: {key}={value!r} should be {', '.join(allowed[:-1])} or {allowed[-1]}")
    return value

"""Which mappers there are: ours, as the options choose them, and those that other distributions bring.

A distribution names its mapper in an entry point of the group `rime.kubernetes`: a `Mapper`, or a class of one that is
made without arguments. It is used when the option `mappings` has its name.
"""

from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from rime_core.errors import UsageError
from rime_k8s_source.config import KubernetesOptions
from rime_k8s_source.config_maps import ConfigMapMapper
from rime_k8s_source.errors import one_line
from rime_k8s_source.mapping import Mapper
from rime_k8s_source.services import ServiceMapper
from rime_k8s_source.tls_secrets import SecretMapper
from rime_k8s_source.xds_resources import XdsResourcesMapper

GROUP: Final = "rime.kubernetes"


def installed() -> Iterable[EntryPoint]:
    """The entry points in which distributions name their mappers."""
    return entry_points(group=GROUP)


def mappers_of(options: KubernetesOptions, found: Callable[[], Iterable[EntryPoint]] = installed) -> list[Mapper]:
    """The mappers that the options ask for, in the order that decides contested names.

    Raises:
        UsageError: there is no mapping of a name, there are two, or it cannot be loaded.
    """
    mappers: list[Mapper] = []
    if options.services is not None:
        mappers.append(
            ServiceMapper(options.service_template(), labels=options.services, annotation=options.annotation)
        )
    if options.secrets is not None:
        mappers.append(
            SecretMapper(options.secret_template(), labels=options.secrets, namespaces=options.config_namespaces)
        )
    if options.configmaps is not None:
        mappers.append(ConfigMapMapper(labels=options.configmaps, namespaces=options.config_namespaces))
    if options.xdsresources is not None:
        mappers.append(XdsResourcesMapper(labels=options.xdsresources, namespaces=options.config_namespaces))
    if options.mappings:
        entries = list(found())
        mappers += [_load(name, entries) for name in options.mappings]
    return mappers


def _load(name: str, entries: Iterable[EntryPoint]) -> Mapper:
    named = [entry for entry in entries if entry.name == name]
    if len(named) != 1:
        there = ", ".join(sorted({entry.name for entry in entries})) or "none"
        why = f"there are {len(named)} of this name" if named else f"installed: {there}"
        raise UsageError(f"kubernetes: there is no mapping {name!r} to use; {why}")
    try:
        loaded = named[0].load()
        mapper: Mapper = loaded() if isinstance(loaded, type) else loaded
    except Exception as error:
        raise UsageError(f"kubernetes: the mapping {name!r} cannot be loaded: {one_line(str(error))}") from error
    return mapper

"""The options of `kubernetes:CONTEXT`, and their defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rime_core.errors import UsageError
from rime_core.options import OptionReader
from rime_k8s_source.template import Template

NOTHING: Final = "none"
"""What `services` and `xdsresources` are where none are wanted."""


@dataclass(frozen=True, slots=True)
class KubernetesOptions:
    """Which objects are watched, and how. Durations are seconds.

    kubeconfig: a file, in place of those that `KUBECONFIG` names.
    namespaces: where objects are looked for; none is all of them.
    config_namespaces: where Secrets, ConfigMaps and XdsResources are looked for; none is where all else is.
    services: the label selector of Services; "" is all of them, None none.
    annotation: of these, those that have this annotation, as `key` or `key=value`.
    names: how a Service's clusters and assignments are called.
    secrets: the label selector of Secrets; None: none are watched, for all never are.
    secret_names: how a Secret's resources are called.
    configmaps: the label selector of ConfigMaps; None: none are watched.
    xdsresources: the label selector of XdsResources; "" is all of them, None none.
    status: how often, at most, it is looked at what clients made of these, and told in their status. 0 is never.
    mappings: the names of mappings of others that are used, in order.
    settle: how long what may be a move is waited for: removals, and names that two objects have.
    idle: how long a watch may be silent until its connection counts as lost. The API server sends a bookmark every
        minute to a minute and a quarter, so two of them are missing.
    relist: how often everything is listed anew although nothing seems amiss; what is the same is not sent. 0 is never.
    """

    kubeconfig: str = ""
    namespaces: tuple[str, ...] = ()
    config_namespaces: tuple[str, ...] = ()
    services: str | None = ""
    annotation: str = ""
    names: str = "{namespace}/{service}/{port}"
    secrets: str | None = None
    secret_names: str = "{namespace}/{name}"  # noqa: S105 - a name, not a secret
    configmaps: str | None = None
    xdsresources: str | None = ""
    status: float = 2.0
    mappings: tuple[str, ...] = ()
    settle: float = 0.3
    idle: float = 150.0
    relist: float = 3600.0

    def service_template(self) -> Template:
        """The template of `names`."""
        return Template(
            self.names,
            option="names",
            known=("namespace", "service", "port", "number"),
            needed=("service",),
        )

    def secret_template(self) -> Template:
        """The template of `secret_names`."""
        return Template(self.secret_names, option="secret_names", known=("namespace", "name"), needed=("name",))


def read_options(options: Mapping[str, str]) -> KubernetesOptions:
    """The options as they were given, the rest by default.

    Raises:
        UsageError: one is unknown or malformed, or they leave nothing to watch.
    """
    default = KubernetesOptions()
    read = OptionReader("kubernetes", options)
    result = KubernetesOptions(
        kubeconfig=read.text("kubeconfig", default=default.kubeconfig),
        namespaces=_listed(read.text("namespace", default="")),
        config_namespaces=_listed(read.text("config_namespace", default="")),
        services=_all_or_none(read.text("services", default="")),
        annotation=read.text("annotation", default=default.annotation),
        names=read.text("names", default=default.names),
        secrets=_selector("secrets", read.text("secrets", default="") if "secrets" in options else None),
        secret_names=read.text("secret_names", default=default.secret_names),
        configmaps=_selector("configmaps", read.text("configmaps", default="") if "configmaps" in options else None),
        xdsresources=_all_or_none(read.text("xdsresources", default="")),
        status=read.duration("status", default=default.status),
        mappings=_listed(read.text("mappings", default="")),
        settle=read.duration("settle", default=default.settle),
        idle=read.duration("idle", default=default.idle, least=1.0),
        relist=read.duration("relist", default=default.relist),
    )
    read.finish()
    result.service_template()
    result.secret_template()
    watched = (result.services, result.secrets, result.configmaps, result.xdsresources)
    if not result.mappings and all(each is None for each in watched):
        raise UsageError(
            f"kubernetes: services={NOTHING} and xdsresources={NOTHING}, and nothing else is watched:"
            " name secrets or configmaps"
        )
    return result


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _all_or_none(text: str) -> str | None:
    return None if text == NOTHING else text


def _selector(option: str, text: str | None) -> str | None:
    text = text.strip() if text is not None else None
    if text == "":
        raise UsageError(
            f"kubernetes: {option}= needs a label selector, such as {option}=rime.dev/xds: never all of them"
        )
    return text

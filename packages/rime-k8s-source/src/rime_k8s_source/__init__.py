"""A Kubernetes cluster as a source of rime."""

from rime_k8s_source.kinds import Kind
from rime_k8s_source.mapping import Claim, Made, Mapper, Trouble, Wanted
from rime_k8s_source.source import Freshness, KubernetesSource

__all__ = ["Claim", "Freshness", "Kind", "KubernetesSource", "Made", "Mapper", "Trouble", "Wanted"]

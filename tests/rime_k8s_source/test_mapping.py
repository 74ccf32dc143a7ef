"""What a mapping says, as values."""

from rime_k8s_source.config_maps import ConfigMapMapper
from rime_k8s_source.kinds import SERVICES
from rime_k8s_source.mapping import Claim, Made, Mapper, Trouble, Wanted


def test_what_is_made_is_nothing_by_default():
    assert Made() == Made(claims=(), troubles=(), warnings=())


def test_a_claim_is_what_a_writer_takes():
    assert Claim("t", "n", b"b") == Claim("t", "n", b"b", aliases=(), ttl=None, on_demand=False)


def test_a_trouble_hides_everything_unless_it_says_what():
    assert Trouble("why") == Trouble("why", type_url=None, name=None)


def test_what_is_wanted_is_all_of_a_kind_unless_selected():
    assert Wanted(SERVICES) == Wanted(SERVICES, labels="", fields="")


def test_ours_have_the_face_of_one():
    mapper: Mapper = ConfigMapMapper(labels="x")

    assert mapper.name == "configmap"

"""What the status of an XdsResources says."""

import json

import pytest

from rime_core import CLUSTER, ROUTE, Reception
from rime_k8s_source.report import ENTRIES, ENTRY, Standing, applied, dated, entry, keep, share, sums, withdrawn

KEY = ("shop", "edge")


def reception(clients=3, acknowledged=2, rejected=0, reason="", **more):
    return Reception("v1", clients, acknowledged, rejected, reason, **more)


def said(generation=3, clients=3, acknowledged=3, rejected=0, **more):
    """An entry, as another replica wrote it."""
    counts = {"clients": clients, "acknowledged": acknowledged, "rejected": rejected}
    return {"observedGeneration": generation, "valid": True, "resources": 1, **counts, **more}


def seen(generation=3, **replicas):
    """An object whose sums are right."""
    metadata = {"namespace": "shop", "name": "edge", "resourceVersion": "7", "generation": generation}
    return keep({"metadata": metadata, "status": {**sums(generation, replicas), "replicas": replicas}}, own="own")


# --- the entry of a replica


def test_an_entry_has_what_clients_made_of_each_resource_and_the_sums():
    made = entry(3, [], [Standing(CLUSTER, "a", reception()), Standing(ROUTE, "r", reception(2, 1, 1, "no\nsuch"))])

    assert made == {
        "observedGeneration": 3,
        "valid": True,
        "resources": 2,
        "clients": 5,
        "acknowledged": 3,
        "rejected": 1,
        "rejection": "no such",
        "listed": [
            {
                "type": "routes",
                "name": "r",
                "version": "v1",
                "clients": 2,
                "acknowledged": 1,
                "rejected": 1,
                "rejection": "no such",
            },
            {"type": "clusters", "name": "a", "version": "v1", "clients": 3, "acknowledged": 2, "rejected": 0},
        ],
    }


def test_the_rejection_of_an_entry_is_the_last_whichever_resource_it_was_of():
    refused = [("c", 5.0), ("a", 9.0), ("b", 7.0), ("d", float("-inf"))]
    made = entry(
        3, [], [Standing(CLUSTER, name, reception(1, 0, 1, f"of {name}", rejected_at=at)) for name, at in refused]
    )

    assert made["rejection"] == "of a"
    assert [line["name"] for line in made["listed"]] == ["c", "a", "b", "d"]


def test_what_cannot_be_read_is_listed_and_what_is_served_all_the_same():
    made = entry(4, ["clusters 'a': connect_timeout: wrong\nhere"], [Standing(CLUSTER, "a", reception())])

    assert (made["valid"], made["faults"]) == (False, ["clusters 'a': connect_timeout: wrong here"])
    assert [line["version"] for line in made["listed"]] == ["v1"]


def test_what_is_served_from_elsewhere_has_no_version_and_says_from_where():
    made = entry(3, [], [Standing(CLUSTER, "b", reception()), Standing(CLUSTER, "a", None, "shop/first")])
    counts = {"clients": 0, "acknowledged": 0, "rejected": 0}
    assert made["listed"][1] == {"type": "clusters", "name": "a", **counts, "holder": "shop/first"}
    assert made["hidden"] == "clusters 'a' is served from shop/first"
    assert sums(3, {"own": made})["message"] == made["hidden"]
    assert sums(3, {"own": made | {"rejection": "no"}})["message"] == "no"


def test_an_object_with_nothing_in_it_is_valid():
    assert entry(3, [], []) == {
        "observedGeneration": 3,
        "valid": True,
        "resources": 0,
        "clients": 0,
        "acknowledged": 0,
        "rejected": 0,
    }


def test_of_very_many_resources_and_faults_some_are_listed_rejected_ones_first_and_the_others_counted():
    many = [Standing(CLUSTER, f"c{number}", reception()) for number in range(1000)]
    made = entry(3, ["x" * 100] * 500, [*many, Standing(CLUSTER, "last", reception(1, 0, 1, "no"))])

    assert (made["resources"], made["clients"]) == (1001, 3001)
    names = [line["name"] for line in made["listed"]]
    assert names == ["last", *(f"c{number}" for number in range(len(names) - 1))]
    assert (len(names) + made["unlisted"], len(made["faults"]) + made["unlistedFaults"]) == (1001, 500)
    assert len(names) >= 30
    assert len(made["faults"]) >= 30


def test_where_all_is_listed_nothing_is_counted_as_left_out():
    made = entry(3, ["x"] * 30, [Standing(CLUSTER, f"c{number}", reception()) for number in range(30)])
    assert (len(made["listed"]), len(made["faults"])) == (30, 30)
    assert not {"unlisted", "unlistedFaults"} & set(made)


WORST = '"<\\\U0001f600\u20ac' * 100
"""What is long where it is written: as JSON, as UTF-8, as Go writes it."""


def bytes_of(entries):
    """As Go writes them."""
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":"))
    return len(text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026").encode())


@pytest.mark.parametrize("text", [WORST, "x" * 500, "<" * 500, "\U0001f600" * 500], ids=["all", "x", "<", "😀"])
@pytest.mark.parametrize("replicas", [1, 2, 64, 65, 100, 128, 129, 1000])
def test_the_entries_of_however_many_replicas_have_half_a_megabyte_at_most(replicas, text):
    refused = [Standing(ROUTE, f"{number}{text}", reception(1, 0, 1, text)) for number in range(200)]
    hidden = Standing(CLUSTER, text, None, f"{text}/{text}")
    made = dated(
        {"status": {"replicas": {"o": entry(3, [text] * 200, [*refused, hidden], room=share(replicas))}}},
        "2026-01-01T00:00:00.000000Z",
    )["status"]["replicas"]["o"]
    names = [f"{'n' * 63}/{'r' * 45}-{number:04}" for number in range(replicas)]

    assert bytes_of(dict.fromkeys(names, made)) <= ENTRIES
    assert (made["rejected"], made["valid"]) == (200, False), "the counts are always there"


def test_up_to_64_replicas_say_as_much_as_one():
    assert [share(replicas) for replicas in (1, 2, 64, 65, 128, 129)] == [
        ENTRY,
        ENTRY,
        ENTRY,
        *[ENTRY // 2] * 2,
        ENTRY // 4,
    ]


def test_what_is_wrong_is_told_before_what_is_right():
    standings = [Standing(CLUSTER, f"c{number}", reception(1, 0, 1, "no such filter")) for number in range(50)]
    made = entry(3, ["wrong"], [*standings, Standing(CLUSTER, "h", None, "shop/first")], room=500)
    assert (made["rejection"], made["hidden"]) == ("no such filter", "clusters 'h' is served from shop/first")
    assert (made["faults"], "listed" in made, made["unlisted"]) == (["wrong"], False, 51)


def test_a_long_name_is_cut_and_hides_no_other():
    made = entry(3, [], [Standing(CLUSTER, "n" * 10_000, reception()), Standing(CLUSTER, "b", reception())])
    assert [line["name"] for line in made["listed"]] == [f"{'n' * 300}… (10000 characters)", "b"]


def test_a_long_reason_is_cut():
    made = entry(3, ["f" * 10_000], [Standing(CLUSTER, "a", reception(1, 0, 1, "r" * 10_000))])
    assert max(len(text) for text in (*made["faults"], made["rejection"], made["listed"][0]["rejection"])) < 400


# --- the sums


def test_the_sums_are_over_the_replicas():
    assert sums(3, {"b": said(), "a": said(clients=2, acknowledged=1, rejected=1, rejection="no")}) == {
        "observedGeneration": 3,
        "valid": True,
        "resources": 1,
        "clients": 5,
        "acknowledged": 4,
        "rejected": 1,
        "message": "no",
    }


def test_it_is_valid_where_all_could_read_it_and_the_first_thing_wrong_is_told():
    wrong = said(valid=False, faults=["first", "second"], rejection="refused")
    assert sums(3, {"a": said(), "b": wrong}) | {"valid": False, "message": "first"} == sums(
        3, {"a": said(), "b": wrong}
    )
    assert sums(3, {"a": said(rejection="of a"), "b": wrong})["message"] == "of a"


def test_what_replicas_say_of_an_older_generation_does_not_count():
    assert sums(3, {"a": said(2), "b": said(3, clients=1)})["clients"] == 1
    assert sums(3, {"a": said(2)}) == {}


# --- what is written


def test_an_entry_is_written_with_the_sums_of_all_and_only_if_the_object_is_still_the_same():
    body = applied(KEY, seen(other=said(clients=2, acknowledged=2)), "own", said(clients=1, acknowledged=0))

    assert body == {
        "apiVersion": "rime.dev/v1alpha1",
        "kind": "XdsResources",
        "metadata": {"namespace": "shop", "name": "edge", "resourceVersion": "7"},
        "status": {
            "observedGeneration": 3,
            "valid": True,
            "resources": 1,
            "clients": 3,
            "acknowledged": 2,
            "rejected": 0,
            "message": "",
            "replicas": {"own": said(clients=1, acknowledged=0)},
        },
    }


def test_what_is_there_already_is_not_written():
    assert applied(KEY, seen(own=said()), "own", said()) is None


@pytest.mark.parametrize("sum_of", ["clients", "valid", "observedGeneration", "message"])
def test_sums_that_are_wrong_are_written(sum_of):
    right = seen(own=said())
    wrong = keep(
        {
            "metadata": {"resourceVersion": "7", "generation": 3},
            "status": {**right.sums, sum_of: "other", "replicas": right.replicas},
        },
        own="own",
    )
    assert applied(KEY, wrong, "own", said()) is not None


def test_entries_of_stale_replicas_do_not_count():
    now = seen(own=said(), stale=said(rejection="no", clients=9))
    body = applied(KEY, now, "own", said(), ["stale"])

    assert body is not None
    assert (body["status"]["clients"], body["status"]["message"]) == (3, "")
    assert list(body["status"]["replicas"]) == ["own"]


def test_one_is_taken_out_by_applying_nothing_in_its_name():
    assert withdrawn(KEY, seen(own=said(), stale=said())) == {
        "apiVersion": "rime.dev/v1alpha1",
        "kind": "XdsResources",
        "metadata": {"namespace": "shop", "name": "edge", "resourceVersion": "7"},
    }


def test_what_other_replicas_list_is_not_remembered():
    now = seen(own=said(listed=["a"]), other=said(listed=["a"]))
    assert now.replicas == {"own": said(listed=["a"]), "other": said()}


def test_an_object_that_nobody_has_looked_at_has_nothing():
    bare = keep({"metadata": {"name": "edge"}}, own="own")
    assert (bare.version, bare.generation, bare.replicas, bare.sums) == ("", 0, {}, {})

"""The pair of objects and version, true whatever happens to a connection: the argument at the top of the module."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rime_k8s_source.errors import ApiError, ExpiredError, MalformedError
from rime_k8s_source.reflector import Change, List, Reflector, Watch

from .api_model import ApiModel, Client, body, bookmark, event, gone

MORE = "more"
A, B, C = ("shop", "a"), ("shop", "b"), ("", "c")


def value_of(item):
    return item["data"]


def listed(**values):
    """A reflector that has listed these objects of the namespace shop at version 5."""
    reflector = Reflector(value_of, streams=False)
    items = [body(("shop", name), value, 5) for name, value in values.items()]
    reflector.page({"metadata": {"resourceVersion": "5"}, "items": items})
    return reflector


def page(*items, version="5", token=""):
    return {"metadata": {"resourceVersion": version, "continue": token}, "items": list(items)}


# --- a kind that goes ----------------------------------------------------------------------------------------------


def test_when_the_kind_has_gone_so_have_its_objects_and_a_list_is_asked_for():
    reflector = listed(a=1, b=2)

    assert reflector.none() == [Change(A, 1, None), Change(B, 2, None)]
    assert (dict(reflector.objects), reflector.synced, reflector.is_following) == ({}, True, False)
    assert reflector.request() == List("")


# --- lists ---------------------------------------------------------------------------------------------------------


def test_a_list_is_taken_when_its_last_page_is_there():
    reflector = Reflector(value_of, streams=False)

    assert reflector.request() == List("")
    assert reflector.page(page(body(A, 1, 5), token=MORE)) == []
    assert (dict(reflector.objects), reflector.synced, reflector.request()) == ({}, False, List(MORE))
    assert reflector.page(page(body(B, 2, 5))) == [Change(A, None, 1), Change(B, None, 2)]
    assert (dict(reflector.objects), reflector.synced, reflector.request()) == ({A: 1, B: 2}, True, Watch("5"))


def test_pages_survive_a_connection_that_breaks_between_them():
    reflector = Reflector(value_of, streams=False)
    reflector.page(page(body(A, 1, 5), token=MORE))

    assert reflector.request() == List(MORE)
    assert len(reflector.page(page(body(B, 2, 5)))) == 2


def test_a_page_that_has_expired_begins_the_list_anew_and_its_pages_are_thrown_away():
    reflector = Reflector(value_of, streams=False)
    reflector.page(page(body(A, 1, 5), token=MORE))

    assert reflector.refused(ExpiredError(410, "the provided continue parameter is too old"))
    assert reflector.request() == List("")
    reflector.page(page(body(B, 2, 9), version="9"))
    assert (dict(reflector.objects), reflector.version) == ({B: 2}, "9")


def test_a_list_without_items_is_a_list():
    reflector = Reflector(value_of, streams=False)

    assert reflector.page({"metadata": {"resourceVersion": "5"}, "items": None}) == []
    assert reflector.synced


def test_a_streaming_list_is_taken_at_its_bookmark_whatever_comes_before():
    reflector = Reflector(value_of)

    assert reflector.request() == Watch("", initial=True)
    for each in (
        event("ADDED", B, 2, 3),
        event("ADDED", A, 1, 2),
        event("MODIFIED", A, 9, 6),
        event("DELETED", B, 2, 7),
    ):
        assert reflector.event(each) == []
    assert reflector.event(bookmark(7)) == []
    assert not reflector.synced
    assert reflector.event(bookmark(8, ends_initial=True)) == [Change(A, None, 9)]
    assert (dict(reflector.objects), reflector.request()) == ({A: 9}, Watch("8"))
    assert reflector.event(event("ADDED", C, 3, 9)) == [Change(C, None, 3)]


def test_of_a_streaming_list_that_breaks_nothing_is_left():
    reflector = Reflector(value_of)
    reflector.request()
    reflector.event(event("ADDED", A, 1, 2))

    assert reflector.request() == Watch("", initial=True)
    assert reflector.event(bookmark(8, ends_initial=True)) == []
    assert dict(reflector.objects) == {}


@pytest.mark.parametrize("code", [400, 422])
def test_a_server_without_streaming_lists_is_asked_for_pages(code):
    reflector = Reflector(value_of)
    reflector.request()

    assert reflector.refused(ApiError(code, "sendInitialEvents is forbidden for watch"))
    assert reflector.request() == List("")
    assert not reflector.refused(ApiError(code, "something else")), "of a page it is just an error"


def test_another_error_is_not_asked_differently():
    reflector = Reflector(value_of)
    reflector.request()

    assert not reflector.refused(ApiError(500, "etcdserver: request timed out"))
    assert reflector.request() == Watch("", initial=True)


def test_a_new_list_yields_the_differences_alone():
    reflector = listed(a=1, b=2, c=3)
    reflector.relist()
    changes = reflector.page(page(body(A, 1, 9), body(B, 9, 9), body(("shop", "d"), 4, 9), version="9"))

    assert changes == [Change(("shop", "c"), 3, None), Change(B, 2, 9), Change(("shop", "d"), None, 4)]


def test_while_a_new_list_comes_the_last_state_stays():
    reflector = listed(a=1)
    reflector.relist()
    reflector.page(page(body(B, 2, 9), version="9", token=MORE))

    assert (dict(reflector.objects), reflector.synced, reflector.is_following) == ({A: 1}, True, False)


def test_what_is_listed_again_as_it_was_is_kept_once():
    one, other = {"x": [1]}, {"x": [1]}
    reflector = listed(a=one)
    reflector.relist()
    reflector.page(page(body(A, other, 9), version="9"))

    assert reflector.objects[A] is one


# --- watches -------------------------------------------------------------------------------------------------------


def test_each_event_leads_to_its_version():
    reflector = listed(a=1)

    assert reflector.event(event("MODIFIED", A, 2, 6)) == [Change(A, 1, 2)]
    assert reflector.request() == Watch("6")
    assert reflector.event(event("DELETED", A, 2, 7)) == [Change(A, 2, None)]
    assert reflector.request() == Watch("7")
    assert reflector.event(event("ADDED", B, 3, 8)) == [Change(B, None, 3)]
    assert reflector.request() == Watch("8")


def test_a_watch_that_breaks_goes_on_where_it_was():
    reflector = listed(a=1)
    reflector.event(event("MODIFIED", A, 2, 6))

    assert reflector.request() == Watch("6")


def test_a_bookmark_moves_the_version_alone():
    reflector = listed(a=1)

    assert reflector.event(bookmark(40)) == []
    assert (dict(reflector.objects), reflector.request()) == ({A: 1}, Watch("40"))


def test_what_comes_twice_is_no_change():
    reflector = listed(a=1)

    assert reflector.event(event("ADDED", A, 1, 5)) == []
    assert reflector.event(event("DELETED", B, 1, 6)) == []


def test_what_differs_in_nothing_that_is_kept_is_no_change_and_moves_the_version():
    reflector = Reflector(lambda item: item["data"] % 10, streams=False)
    reflector.page(page(body(A, 1, 5)))

    assert reflector.event(event("MODIFIED", A, 21, 6)) == []
    assert reflector.request() == Watch("6")


def test_what_is_not_of_interest_is_not_there():
    reflector = Reflector(lambda item: item["data"] or None, streams=False)

    assert reflector.page(page(body(A, 0, 5), body(B, 1, 5))) == [Change(B, None, 1)]
    assert reflector.event(event("MODIFIED", B, 0, 6)) == [Change(B, 1, None)]
    assert reflector.event(event("DELETED", B, 0, 7)) == []


def test_a_version_that_is_forgotten_asks_for_a_list_and_the_last_state_stays():
    for_event, for_status = listed(a=1), listed(a=1)

    with pytest.raises(ExpiredError, match="too old"):
        for_event.event(gone())
    assert for_status.refused(ExpiredError(410, "too old"))
    for reflector in (for_event, for_status):
        assert reflector.request() == List("")
        assert dict(reflector.objects) == {A: 1}
        assert reflector.page(page(version="9")) == [Change(A, 1, None)]


def test_another_error_in_a_watch_leaves_the_version():
    reflector = listed(a=1)

    with pytest.raises(ApiError, match="500: watch chan error"):
        reflector.event({"type": "ERROR", "object": {"code": 500, "message": "watch chan error"}})
    assert reflector.request() == Watch("5")


@pytest.mark.parametrize(
    "message",
    [
        {"type": "ADDED"},
        {"type": "ADDED", "object": None},
        {"type": "ADDED", "object": {"metadata": {"name": "a"}}},
        {"type": "ADDED", "object": {"metadata": {"resourceVersion": "7"}}},
        {"type": "CHANGED", "object": body(A, 1, 7)},
        {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": 7}}},
        ["ADDED"],
    ],
)
def test_what_is_no_event_changes_nothing(message):
    reflector = listed(a=1)

    with pytest.raises(MalformedError):
        reflector.event(message)
    assert (dict(reflector.objects), reflector.request()) == ({A: 1}, Watch("5"))


@pytest.mark.parametrize("message", [{}, {"metadata": {}}, {"metadata": None}, page({"metadata": {}}), page(None), []])
def test_what_is_no_page_changes_nothing(message):
    reflector = listed(a=1)
    reflector.relist()

    with pytest.raises(MalformedError):
        reflector.page(message)
    assert (dict(reflector.objects), reflector.request()) == ({A: 1}, List(""))


# --- whatever happens ----------------------------------------------------------------------------------------------

keys = st.sampled_from([A, B, C, ("shop", "d"), ("till", "a")])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), keys, st.integers(0, 3)),
        st.tuples(st.just("put"), keys, st.none()),
        st.tuples(st.sampled_from(["step", "step", "step", "cut", "compact", "relist", "status", "event"])),
    ),
    max_size=80,
)


@given(steps, st.booleans(), st.randoms(use_true_random=False))
def test_wherever_it_is_cut_the_pair_is_true_and_ends_where_the_server_is(steps, streams, chance):
    """At every moment the objects are those that the server had at the version, and the changes lead to them."""
    server = ApiModel(streams=streams, disorder=lambda those: chance.sample(sorted(those), len(those)))
    client = Client(server, Reflector(value_of))
    told: dict[object, object] = {}

    def see():
        for change in client.changes:
            assert told.get(change.key) == change.old != change.new, "what is told is what differs"
            told[change.key] = change.new
            if change.new is None:
                del told[change.key]
        client.changes.clear()
        assert told == client.reflector.objects
        if client.reflector.is_following:
            assert client.reflector.objects == server.at(client.reflector.version)

    for step in steps:
        match step:
            case ("put", key, value):
                server.put(key, value)
            case ("step",):
                client.step()
            case ("cut",):
                client.cut()
            case ("compact",):
                server.compact()
            case ("relist",):
                client.cut()
                client.reflector.relist()
            case (how,):
                server.as_status = how == "status"
        see()
    client.finish()
    see()

    assert client.reflector.objects == server.objects

"""What a Follower does with what it is answered: when it asks again, and what it says. Time is virtual."""

import asyncio
import itertools
import logging
from collections import deque
from contextlib import asynccontextmanager

import anyio
import pytest

from rime_k8s_source.errors import (
    AbsentError,
    ApiError,
    CredentialsError,
    ExpiredError,
    ForbiddenError,
    MalformedError,
    UnreachableError,
)
from rime_k8s_source.follow import Follower, Timing
from rime_k8s_source.kinds import CONFIG_MAPS, Selection
from rime_k8s_source.reflector import List, Watch
from tests.rime_grpc.virtual_loop import VirtualLoop

from .api_model import bookmark, event, gone

A = ("shop", "a")
LISTED = [event("ADDED", A, 1, 4), bookmark(5, ends_initial=True)]
LOST = UnreachableError("https://h: Connection refused")


class Script:
    """An API server that answers by a script, and notes what it was asked and when.

    An answer is an error, or a list of what comes: events, a number of seconds that pass, an error that ends it. It is
    over with the list. `kinds` are its answers to whether it has the kind, an error or a boolean; after these it has.
    """

    def __init__(self, *answers, kinds=()):
        self._answers = deque(answers)
        self.asked: list[tuple[float, List | Watch]] = []
        self.looked: list[float] = []
        """When it was asked whether it has the kind."""
        self.kinds = deque(kinds)
        self.seconds: list[int] = []
        self.over = asyncio.Event()

    async def _next(self, request):
        self.asked.append((asyncio.get_running_loop().time() - 1000, request))
        if not self._answers:
            self.over.set()
            await anyio.sleep_forever()
        return self._answers.popleft()

    async def has(self, _kind):
        answer = self.kinds.popleft() if self.kinds else True
        self.looked.append(asyncio.get_running_loop().time() - 1000)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def page(self, _selection, request):
        answer = await self._next(request)
        if isinstance(answer, Exception):
            raise answer
        [body] = answer
        return body

    @asynccontextmanager
    async def events(self, _selection, request, *, seconds):
        self.seconds.append(seconds)
        answer = await self._next(request)
        if isinstance(answer, Exception):
            raise answer

        async def events():
            for what in answer:
                if isinstance(what, Exception):
                    raise what
                if isinstance(what, int | float):
                    await anyio.sleep(what)
                else:
                    yield [what]

        yield events()


class Seen:
    """A follower that has run through a script."""

    def __init__(self, follower, script, told, stirred):
        self.follower = follower
        self.asked = script.asked
        self.looked = [round(at, 3) for at in script.looked]
        self.told = told
        self.stirred = stirred

    @property
    def at(self):
        return [round(at, 3) for at, _ in self.asked]

    @property
    def requests(self):
        return [request for _, request in self.asked]


def run(*answers, timing=None, chance=0.0, kinds=()):
    """Follow until the script is over."""

    async def follow():
        script = Script(*answers, kinds=kinds)
        told: list[object] = []
        stirred = []
        follower = Follower(
            script,  # type: ignore[arg-type] # what it needs of an ApiServer
            Selection(CONFIG_MAPS, "shop"),
            lambda item: item["data"],
            tell=told.extend,
            stirred=lambda: stirred.append((follower.is_settled, str(follower.trouble or ""), follower.is_absent)),
            timing=timing or Timing(),
            chance=lambda: chance,
        )
        task = asyncio.ensure_future(follower.run())
        await script.over.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return Seen(follower, script, told, stirred)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(follow())


def test_what_differs_is_told_and_that_it_is_settled():
    seen = run([*LISTED, event("MODIFIED", A, 2, 6), 10])

    assert [(change.old, change.new) for change in seen.told] == [(None, 1), (1, 2)]
    assert seen.stirred == [(True, "", False)]
    assert seen.requests == [Watch("", initial=True), Watch("6")]


def test_a_watch_that_ends_as_it_should_is_followed_by_the_next_at_once():
    seen = run([*LISTED, 300], [300], [300])

    assert seen.at == [0, 300, 600, 900]
    assert seen.requests[1:] == [Watch("5")] * 3


def test_it_is_asked_to_end_after_five_to_ten_minutes():
    async def seconds(chance):
        script = Script([*LISTED])
        follower = Follower(
            script,  # type: ignore[arg-type]
            Selection(CONFIG_MAPS),
            lambda item: item["data"],
            tell=lambda _: None,
            stirred=lambda: None,
            timing=Timing(),
            chance=lambda: chance,
        )
        task = asyncio.ensure_future(follower.run())
        await script.over.wait()
        task.cancel()
        return script.seconds[0]

    for chance, expected in ((0.0, 300), (1.0, 600)):
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            assert runner.run(seconds(chance)) == expected


def test_a_connection_that_breaks_after_a_while_is_no_trouble():
    seen = run([*LISTED, 60, LOST], [60, LOST], [1])

    assert seen.at[:3] == [0, 60, 120]
    assert seen.stirred == [(True, "", False)]


def test_one_that_brought_something_is_asked_again_at_once_however_short_it_was():
    seen = run([*LISTED, LOST], [event("MODIFIED", A, 2, 6), LOST], [1])

    assert seen.at[:3] == [0, 0, 0]


def test_one_that_was_short_and_brought_nothing_is_waited_for_longer_and_longer():
    seen = run([*LISTED, 300], [0.5], [0.5], [0.5], [1])

    assert seen.at == [0, 300, 301.3, 303.4, 307.1, 308.1]
    assert seen.stirred == [(True, "", False)]


def test_a_server_that_is_away_is_trouble_until_a_watch_goes_on(caplog):
    caplog.set_level(logging.INFO)
    seen = run([*LISTED, 300], LOST, LOST, LOST, [300])

    assert seen.at == [0, 300, 300.8, 302.4, 305.6, 605.6]
    assert seen.stirred == [(True, "", False), (True, str(LOST), False), (True, "", False)]
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"configmaps in the namespace shop: {LOST}"),
        ("INFO", f"configmaps in the namespace shop: no longer: {LOST}"),
    ]
    assert dict(seen.follower.reflector.objects) == {A: 1}


def test_it_is_not_settled_before_the_first_list_is_whole():
    seen = run(LOST, [event("ADDED", A, 1, 4), LOST], [*LISTED, 1])

    assert seen.stirred == [(False, str(LOST), False), (True, "", False)]
    assert [(change.old, change.new) for change in seen.told] == [(None, 1)]


HALF = "the watch ended before the list was whole"


@pytest.mark.parametrize(("end", "said"), [([LOST], str(LOST)), ([], HALF), ([5, LOST], str(LOST)), ([5], HALF)])
def test_a_list_that_ends_half_way_is_trouble_and_waited_for_longer_and_longer(end, said):
    half = [event("ADDED", A, 1, 4), *end]
    seen = run(half, half, half, half, [*LISTED, 1])

    lasted = sum(what for what in end if what is not LOST)
    assert [round(after - before - lasted, 3) for before, after in itertools.pairwise(seen.at)][:4] == [
        0.8,
        1.6,
        3.2,
        6.4,
    ]
    assert list(dict.fromkeys(seen.stirred)) == [(False, said, False), (True, "", False)]


def test_pages_that_break_half_way_are_waited_for_longer_and_longer():
    page = {"metadata": {"resourceVersion": "5", "continue": "next"}, "items": []}
    seen = run(ApiError(422, "sendInitialEvents is forbidden"), [page], LOST, [page], LOST, [page], LOST)

    assert seen.at == [0, 0, 0, 0.8, 0.8, 2.4, 2.4, 5.6]
    assert seen.stirred == [(False, str(LOST), False)]


def test_a_watch_that_is_opened_and_then_refused_is_one_trouble_that_lasts(caplog):
    caplog.set_level(logging.INFO)
    refusal = {"type": "ERROR", "object": {"code": 500, "message": "etcdserver: request timed out"}}
    seen = run([*LISTED, 7], *[[refusal]] * 4, [bookmark(6), 300])

    assert seen.at[:6] == [0, 7, 7.8, 9.4, 12.6, 19]
    assert len(caplog.messages) == 2
    assert {trouble for _, trouble, _ in seen.stirred[1:-1]} == {
        "the API server answers 500: etcdserver: request timed out"
    }
    assert seen.stirred[-1] == (True, "", False)
    assert known(run([*LISTED, 7], *[[refusal]] * 4)) == 7, "a watch that is refused brings nothing to know"


def test_trouble_is_over_with_an_event_or_once_a_watch_went_on_for_a_while():
    def over(*watch):
        return run([*LISTED, 300], LOST, [*watch], LOST).stirred

    told, silent = [(True, "", False), (True, str(LOST), False)], [9, LOST]
    assert over(bookmark(6), LOST)[:3] == [*told, (True, "", False)]
    assert over(*silent)[:3] == [*told, (True, "", False)]
    assert all(trouble for _, trouble, _ in over(0.5)[1:])


def test_an_answer_begins_the_pauses_anew():
    seen = run([*LISTED, 300], LOST, LOST, [bookmark(6), 300], LOST, [1])

    assert seen.at[:3] == [0, 300, 300.8]
    assert seen.at[4] - seen.at[3] == 300
    assert round(seen.at[5] - seen.at[4], 3) == 0.8


def test_pauses_are_cut_at_random():
    seen = run(LOST, LOST, [*LISTED, 1], chance=1.0)

    assert seen.at[:3] == [0, 0.4, 1.2]


@pytest.mark.parametrize("error", [gone(), ExpiredError(410, "too old")])
def test_a_forgotten_version_is_listed_anew_at_once_and_is_no_trouble(error):
    seen = run([*LISTED, 300], [error] if isinstance(error, dict) else error, [bookmark(9, ends_initial=True), 1])

    assert seen.at[:3] == [0, 300, 300]
    assert seen.requests[1:3] == [Watch("5"), Watch("", initial=True)]
    assert [(change.old, change.new) for change in seen.told] == [(None, 1), (1, None)]
    assert seen.stirred == [(True, "", False)]


def test_one_that_forgets_again_and_again_is_not_asked_without_pause():
    expired = ExpiredError(410, "too old")
    seen = run([*LISTED, 300], expired, expired, expired, [*LISTED, 1])

    assert seen.at[:4] == [0, 300, 300, 300.8]


@pytest.mark.parametrize("expired", [[gone()], [event("ADDED", A, 1, 4), gone()], ExpiredError(410, "too old")])
def test_one_that_forgets_without_end_is_trouble_with_pauses_that_grow(expired):
    seen = run([*LISTED, 300], *[expired] * 5, [*LISTED, 1])

    assert seen.at[:7] == [0, 300, 300, 300.8, 302.4, 305.6, 312]
    settled, (is_settled, trouble, _), *_, over = seen.stirred
    assert (is_settled, "410" in trouble) == (True, True)
    assert settled == over == (True, "", False)


def test_one_that_forgets_after_each_whole_list_is_no_trouble_and_not_asked_without_pause():
    page = {"metadata": {"resourceVersion": "5", "continue": ""}, "items": []}
    streamed = run(*[[*LISTED, gone()]] * 4)
    paged = run(ApiError(422, "sendInitialEvents is forbidden"), *[[page], [gone()]] * 4)

    for seen in (streamed, paged):
        assert seen.stirred == [(True, "", False)]
        assert seen.at[-1] > 1.5


def test_a_server_without_streaming_lists_is_asked_for_pages_at_once():
    page = {"metadata": {"resourceVersion": "5", "continue": ""}, "items": [event("ADDED", A, 1, 4)["object"]]}
    seen = run(ApiError(422, "sendInitialEvents is forbidden"), [page], [1])

    assert seen.requests == [Watch("", initial=True), List(""), Watch("5"), Watch("5")]
    assert seen.at[:3] == [0, 0, 0]
    assert seen.stirred == [(True, "", False)]


ABSENT = AbsentError(404, "the server could not find the requested resource")
FORBIDDEN = ForbiddenError("no", verb="watch", resource="configmaps", namespace="shop")
UNAVAILABLE = ApiError(503, "service unavailable")
NO_KIND = "the API server has no such kind"


@pytest.mark.parametrize("refusal", [ABSENT, FORBIDDEN])
def test_a_kind_that_is_not_there_is_settled_and_looked_for_whatever_is_granted(caplog, refusal):
    caplog.set_level(logging.INFO)
    seen = run(refusal, [*LISTED, 1], kinds=[False] * 8)

    assert seen.looked == [0, 0.8, 2.4, 5.6, 12, 24.8, 50.4, 80.4, 110.4], "with pauses that grow to half a minute"
    assert seen.at[:2] == [0, 110.4], "and nothing else is asked meanwhile"
    assert seen.stirred == [(True, "", True)]
    assert not seen.follower.is_absent
    assert caplog.messages == [
        f"configmaps in the namespace shop: {NO_KIND}; it is looked for until it is there",
        f"configmaps in the namespace shop: no longer: {NO_KIND}",
    ]


def known(seen):
    return seen.follower.known and round(seen.follower.known - 1000, 3)


def test_what_there_is_is_known_while_a_watch_goes_on_and_not_while_it_is_listed_anew():
    assert known(run([event("ADDED", A, 1, 4), 5], [])) is None, "no list was whole"
    assert known(run([*LISTED, 7, bookmark(6), 5], LOST, LOST)) == 7
    assert known(run([*LISTED, 7, gone(), 5], LOST, [event("ADDED", A, 1, 4), 60, LOST])) == 7
    assert known(run([*LISTED, 7], [9])) == 7, "a watch that opens goes on from what is known"
    assert known(run(ABSENT, [*LISTED], kinds=[False])) == 0.8, "that there is no such kind is known as well"


def test_looking_for_a_kind_is_hearing_of_the_api_server():
    seen = run(ABSENT, [*LISTED], kinds=[False, False])

    assert seen.follower.heard - 1000 == pytest.approx(2.4)


@pytest.mark.parametrize("answer", [LOST, ApiError(500, "no"), FORBIDDEN, UNAVAILABLE])
@pytest.mark.parametrize("refusal", [ABSENT, FORBIDDEN])
def test_where_discovery_does_not_say_whether_there_is_a_kind_the_answer_counts(refusal, answer):
    seen = run(refusal, refusal, [*LISTED, 1], kinds=[answer, answer])

    assert seen.stirred == [(False, str(refusal), False), (True, "", False)]


def test_a_kind_that_was_not_there_and_cannot_be_served_now_is_trouble():
    seen = run(ABSENT, UNAVAILABLE, [*LISTED, 1], kinds=[False, UNAVAILABLE])

    assert seen.stirred == [(True, "", True), (False, str(UNAVAILABLE), False), (True, "", False)]


def test_a_kind_that_is_there_although_an_object_is_not_found_is_trouble():
    seen = run(ABSENT, [*LISTED, 1], kinds=[True])

    assert seen.stirred == [(False, str(ABSENT), False), (True, "", False)]


def test_a_kind_that_goes_while_nobody_watches_is_trouble_until_it_has_been_away_for_long():
    seen = run([*LISTED, 300], ABSENT, [*LISTED, 1], kinds=[False] * 7)

    assert seen.looked == [300, 300.8, 302.4, 305.6, 312, 324.8, 350.4, 380.4]
    assert list(dict.fromkeys(seen.stirred[1:])) == [(True, NO_KIND, False), (True, "", True)]
    assert [(change.old, change.new) for change in seen.told] == [(None, 1), (1, None), (None, 1)]
    assert not seen.follower.is_absent


def test_a_kind_that_is_back_before_that_has_lost_nothing():
    seen = run([*LISTED, 300], ABSENT, [1], kinds=[False, False])

    assert list(dict.fromkeys(seen.stirred[1:])) == [(True, NO_KIND, False), (True, "", False)]
    assert dict(seen.follower.reflector.objects) == {A: 1}
    assert [(change.old, change.new) for change in seen.told] == [(None, 1)]


def test_how_long_it_is_away_begins_anew_with_any_other_trouble():
    seen = run([*LISTED, 300], ABSENT, LOST, ABSENT, [1], kinds=[*[False] * 6, True, False, True])

    assert seen.looked[-1] - seen.looked[0] > 60
    assert len(seen.told) == 1, "nothing was taken away"


@pytest.mark.parametrize(
    "error",
    [
        ForbiddenError("no", verb="watch", resource="configmaps", namespace="shop"),
        CredentialsError("there are none"),
        MalformedError("what came is not JSON"),
        ApiError(500, "etcd is slow"),
    ],
)
def test_what_somebody_has_to_mend_is_an_error_in_the_log_once(error, caplog):
    seen = run(error, error, [*LISTED, 1])

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", f"configmaps in the namespace shop: {error}")
    ]
    assert seen.stirred[0] == (False, str(error), False)


@pytest.mark.parametrize("code", [429, 503])
def test_a_server_that_is_busy_is_waited_for(code, caplog):
    error = ApiError(code, "storage is (re)initializing")
    seen = run([*LISTED, 300], error, [1])

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"configmaps in the namespace shop: {error}")
    ]
    assert seen.at == [0, 300, 300.8, 301.8]


def test_an_event_that_is_none_keeps_what_came_before_it():
    seen = run([*LISTED, event("MODIFIED", A, 2, 6), {"type": "?"}], [1])

    assert [change.new for change in seen.told] == [1, 2]
    assert seen.requests[1] == Watch("6")


def test_everything_is_listed_anew_now_and_then_where_a_watch_ends():
    seen = run([*LISTED, 300], [300], [300], [*LISTED, 300], timing=Timing(relist=700.0))

    assert seen.requests == [
        Watch("", initial=True),
        Watch("5"),
        Watch("5"),
        Watch("", initial=True),
        Watch("5"),
    ]
    assert len(seen.told) == 1


def test_or_never():
    seen = run([*LISTED, 300], [300_000], timing=Timing(relist=0.0))

    assert seen.requests[2] == Watch("5")


def test_when_the_server_was_heard_last_is_known():
    seen = run([*LISTED, 40, bookmark(6), 20, LOST], LOST)

    assert seen.follower.heard == 1040, "the connection was silent for 20 s, and then lost"

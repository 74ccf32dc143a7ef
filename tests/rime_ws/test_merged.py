"""Several workers are looked at as one: here each is a real conversation, with a Plane of its own."""

from itertools import pairwise

import pytest

from rime_core import CLUSTER, Node, Plane
from tests.rime_ws.talk import Clock, FakeEnvoy, Talk


class OtherWorker:
    """A feed at another worker: what a conversation with that says, or that it is lost."""

    due = None

    def __init__(self, worker, request):
        self._worker = worker
        self._talk = Talk(worker.plane.server(), worker.clock)
        self._talk.say(**request)
        self._lost_told = False
        self.closed = False

    def take(self, now):
        if self._worker.silent:
            return None
        if self._worker.lost:
            told, self._lost_told = self._lost_told, True
            return None if told else {"message": "lost"}
        self._lost_told = False
        return self._talk.next()

    def begin_anew(self, request):
        self._talk = Talk(self._worker.plane.server(), self._worker.clock)
        self._talk.say(**request)

    def close(self):
        self.closed = True


class Worker:
    def __init__(self, clock):
        self.clock = clock
        self.plane = Plane()
        self.lost = self.silent = False
        self.feeds = []

    def envoy(self, name, port):
        return FakeEnvoy(self.plane.server(), Node(id=name), self.clock, peer=f"10.0.0.1:{port}")

    def open(self, request):
        feed = OtherWorker(self, request)
        self.feeds.append((feed, request))
        return feed

    def replaced(self):
        """Another has taken its place, and has no clients."""
        self.lost = False
        self.plane = Plane()
        for feed, request in self.feeds:
            feed.begin_anew(request)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def workers(clock):
    """Three; whoever looks has come to the second."""
    return {number: Worker(clock) for number in (1, 2, 3)}


@pytest.fixture
def talk(workers, clock):
    def others(request):
        return {number: worker.open(request) for number, worker in workers.items() if number != 2}

    return Talk(workers[2].plane.server(), clock, number=2, others=others)


def later(talk):
    """What is heard after the pauses that feeds make."""
    talk.clock.time += 1
    return talk.heard()


def clients(messages):
    return {each["client"].partition("@")[0]: each["worker"] for message in messages for each in message["clients"]}


def test_the_clients_of_all_workers_are_told_and_which_worker_each_is_on(workers, talk):
    for number, worker in workers.items():
        worker.envoy(f"edge-{number}", number).ask(CLUSTER)

    told = talk.ask(feed="clients", id="who")

    assert clients(told) == {"edge-1": 1, "edge-2": 2, "edge-3": 3}
    assert [each["first"] for each in told] == [True] * 3
    assert [each["more"] for each in told] == [True, True, False]
    assert [each["sequence"] for each in told] == [1, 2, 3]
    assert {each["id"] for each in told} == {"who"}


def test_a_client_that_comes_later_is_told_and_so_is_one_that_goes(workers, talk):
    talk.ask(feed="clients", id="who")
    envoy = workers[3].envoy("edge-3", 3).ask(CLUSTER)
    (told,) = later(talk)
    assert (clients([told]), told["first"], told["more"]) == ({"edge-3": 3}, False, False)

    envoy.go()

    (told,) = later(talk)
    assert (told["clients"], told["removed"]) == ([], ["edge-3@10.0.0.1:3"])
    workers[3].lost = True
    (told,) = later(talk)
    assert told["removed"] == []


def test_the_first_state_is_whole_when_the_last_worker_has_told_its_own(workers, talk):
    workers[3].silent = True
    assert [each["more"] for each in talk.ask(feed="clients", id="who")] == [True, True]
    workers[3].silent = False
    assert [(each["first"], each["more"]) for each in talk.heard()] == [(True, False)]


def test_or_when_it_turns_out_that_it_cannot(workers, talk):
    workers[3].lost = True
    assert [each["more"] for each in talk.ask(feed="clients", id="who")] == [True, True, False]


def test_the_clients_of_a_worker_that_has_gone_are_gone(workers, talk):
    for number, worker in workers.items():
        worker.envoy(f"edge-{number}", number).ask(CLUSTER)
    talk.ask(feed="clients", id="who")
    workers[1].lost = True
    (told,) = later(talk)
    assert (told["clients"], told["removed"]) == ([], ["edge-1@10.0.0.1:1"])

    workers[1].replaced()
    workers[1].envoy("edge-1", 11).ask(CLUSTER)

    (told,) = later(talk)
    assert (clients([told]), told["first"], told["removed"]) == ({"edge-1": 1}, False, [])


@pytest.mark.parametrize("number", [1, 2, 3])
def test_one_client_is_followed_on_whichever_worker_it_is(workers, talk, number):
    workers[number].plane.apply(CLUSTER, "a", b"")
    envoy = workers[number].envoy("edge", 1).ask(CLUSTER)
    envoy.catch_up()

    (told,) = talk.ask(feed="client", id="one", client="edge@10.0.0.1:1")
    assert (told["connected"], told["first"], told["more"]) == (True, True, False)
    assert [(each["name"], each["state"]) for each in told["resources"]] == [("a", "synced")]
    workers[number].plane.apply(CLUSTER, "b", b"")
    envoy.catch_up()
    told = later(talk)[-1]
    assert (told["first"], [each["name"] for each in told["resources"]]) == (False, ["b"])


def test_a_client_that_no_worker_has_is_said_once_by_all(workers, talk):
    workers[3].silent = True
    assert talk.ask(feed="client", id="one", client="nobody@10.0.0.1:1") == []
    workers[3].silent = False
    (told,) = talk.heard()
    assert (told["connected"], told["first"], told["resources"]) == (False, True, [])
    assert later(talk) == []


def test_a_client_whose_worker_has_gone_has_nothing_any_more(workers, talk):
    workers[1].plane.apply(CLUSTER, "a", b"")
    workers[1].plane.apply(CLUSTER, "b", b"")
    envoy = workers[1].envoy("edge", 1).ask(CLUSTER).catch_up()
    talk.ask(feed="client", id="one", client="edge@10.0.0.1:1")
    workers[1].plane.remove(CLUSTER, "b")
    envoy.catch_up()
    assert later(talk)[-1]["removed"] == [["clusters", "b"]]
    workers[1].lost = True

    (told,) = later(talk)

    assert (told["connected"], told["removed"]) == (False, [["clusters", "a"]])
    assert later(talk) == []


def source(worker, *, ready=True, incomplete=()):
    writer = worker.plane.writer("file:conf")
    writer.apply(CLUSTER, "a", b"")
    if ready:
        writer.ready()
    writer.incomplete(incomplete)
    return writer


def test_the_status_is_that_of_all_workers_and_resources_are_not_summed(workers, talk):
    for worker in workers.values():
        source(worker)

    (told,) = talk.ask(feed="status", id="s")

    assert told["groups"]["default"]["resources"] == {"clusters": 1}
    assert told["groups"]["default"]["ready"]
    assert told["groups"]["default"]["complete"]
    assert told["workers"] == [{"worker": number, "running": True, "ready": True} for number in (1, 2, 3)]
    workers[1].plane.apply(CLUSTER, "a", b"changed")  # the others will have it in a moment
    assert later(talk) == []


def test_what_one_worker_waits_for_all_wait_for(workers, talk):
    source(workers[1])
    source(workers[2])
    late = source(workers[3], ready=False, incomplete=["a.yaml: not YAML"])
    (told,) = talk.ask(feed="status", id="s")

    group = told["groups"]["default"]
    (of_file,) = group["sources"]
    assert (group["ready"], group["complete"]) == (False, False)
    assert (of_file["name"], of_file["ready"]) == ("file:conf", False)
    assert "a.yaml: not YAML" in of_file["incomplete"]
    assert [each["ready"] for each in told["workers"]] == [True, True, False]

    late.ready()
    late.incomplete([])
    told = later(talk)[-1]
    assert (told["first"], told["groups"]["default"]["complete"]) == (False, True)


def test_a_line_that_all_workers_say_is_there_once(workers, talk):
    for worker in workers.values():
        source(worker, incomplete=["a.yaml: not YAML"])

    (told,) = talk.ask(feed="status", id="s")

    assert told["groups"]["default"]["sources"][0]["incomplete"] == ["a.yaml: not YAML"]


def test_a_worker_that_does_not_run_is_said_so(workers, talk):
    for worker in workers.values():
        source(worker)
    talk.ask(feed="status", id="s")
    workers[3].lost = True
    (told,) = later(talk)

    assert told["workers"][2] == {"worker": 3, "running": False, "ready": False}
    assert told["groups"]["default"]["ready"]


def test_resources_are_asked_of_one_worker_alone(workers, talk):
    workers[2].plane.apply(CLUSTER, "a", b"")

    (told,) = talk.ask(id="c", type="clusters")

    assert [each["name"] for each in told["resources"]] == ["a"]
    assert workers[1].feeds == workers[3].feeds == []


def test_what_is_unsubscribed_is_given_up_everywhere(workers, talk):
    talk.ask(feed="clients", id="who")
    talk.say(message="unsubscribe", id="who")

    assert all(feed.closed for worker in workers.values() for feed, _ in worker.feeds)


def test_what_another_worker_does_not_understand_is_told(workers, talk):
    workers[1].open = lambda _request: OtherWorker(workers[1], {"message": "unsubscribe", "id": "nothing"})

    errors = [each for each in talk.ask(feed="clients", id="who") if each["message"] == "error"]

    assert [(each["id"], each["error"]) for each in errors] == [("who", 'there is no subscription "nothing"')]


def test_workers_have_their_turn_one_after_the_other(workers, talk):
    talk.ask(feed="clients", id="who")
    seen = []
    for _ in range(6):
        for number, worker in workers.items():
            worker.envoy(f"edge-{number}", 1).ask(CLUSTER)
        talk.clock.time += 1
        seen.append(talk.next()["clients"][0]["worker"])

    assert all(one != other for one, other in pairwise(seen))
    assert set(seen) == {1, 2, 3}

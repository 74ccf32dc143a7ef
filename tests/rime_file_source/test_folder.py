"""What is written of a folder, and when: each case is a little story on a virtual clock, in seconds."""

from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rime_core import CLUSTER, ROUTE
from rime_envoy_api import Document, Fault, ParsedResource
from rime_file_source.errors import UnreadableError
from rime_file_source.folder import PATIENCE, Delivery, Folder, Reading

QUIET = 0.010
SETTLE = 0.300


def held(*faults: Fault, type_url: str = CLUSTER, **contents: str) -> Document:
    """A file that holds clusters: held(a="1") is one named a, whose body is 1."""
    resources = tuple(
        ParsedResource(type_url, name, body.encode(), line=line)
        for line, (name, body) in enumerate(contents.items(), 1)
    )
    return Document("f", resources, faults)


def fault(name: str | None = None, type_url: str | None = None) -> Fault:
    return Fault("f", 1, f"{name} is wrong", type_url=type_url, name=name)


class Story:
    """A Folder, a clock, and what has been delivered so far."""

    def __init__(self, **first: Reading) -> None:
        self.now = 100.0
        self.folder = Folder(quiet=QUIET, settle=SETTLE)
        self.service: dict[str, str] = {}
        self.removed: list[tuple[str, float]] = []
        self.deliveries: list[Delivery] = []
        self.faults: tuple[str, ...] = ()
        self.contested: tuple[str, ...] = ()
        self.save(**first)
        self.deliver(self.folder.take(inf))

    def save(self, **files: Reading) -> None:
        self.folder.observe(files, self.now)

    def deliver(self, delivery: Delivery | None) -> None:
        if delivery is None:
            return
        self.deliveries.append(delivery)
        for resource in delivery.apply:
            self.service[resource.name] = resource.body.decode()
        for _, name in delivery.remove:
            del self.service[name]
            self.removed.append((name, self.now))
        if delivery.report is not None:
            self.faults, self.contested = delivery.report.faults, delivery.report.contested

    def wait(self, seconds: float) -> None:
        """Let time pass, taking what is due at each moment that it becomes due."""
        end = self.now + seconds
        while (due := self.folder.due()) is not None and due <= end:
            self.now = max(self.now, due)
            self.deliver(self.folder.take(self.now))
        self.now = end


class TestFirstRead:
    def test_everything_is_delivered_at_once(self) -> None:
        story = Story(a=held(x="1"), b=held(y="2"))
        assert story.service == {"x": "1", "y": "2"}
        assert len(story.deliveries) == 1
        assert story.folder.due() is None

    def test_an_empty_folder_is_reported_too(self) -> None:
        delivery = Folder(quiet=QUIET, settle=SETTLE).take(inf)
        assert delivery is not None
        assert delivery.report is not None
        assert delivery.report.faults == ()

    def test_faults_do_not_keep_the_others_waiting(self) -> None:
        story = Story(a=held(x="1"), b=UnreadableError("b", "is a folder, not a file"))
        assert story.service == {"x": "1"}
        assert story.faults == ("b: is a folder, not a file",)

    def test_a_name_claimed_twice_goes_to_the_first_in_path_order(self) -> None:
        story = Story(b=held(x="b"), a=held(x="a"))
        assert story.service == {"x": "a"}
        assert story.contested == ("a:1 and b:1 hold the same clusters 'x'; a is served, the first in order",)

    def test_what_an_earlier_run_left_goes_unless_a_file_claims_it(self) -> None:
        folder = Folder(quiet=QUIET, settle=SETTLE, served=[(CLUSTER, "x"), (CLUSTER, "old")])
        folder.observe({"a": held(x="1")}, 0)
        delivery = folder.take(inf)
        assert delivery is not None
        assert [resource.name for resource in delivery.apply] == ["x"]
        assert delivery.remove == ((CLUSTER, "old"),)

    def test_the_same_name_of_two_types_is_two_resources(self) -> None:
        folder = Folder(quiet=QUIET, settle=SETTLE)
        folder.observe({"a": held(x="1"), "b": held(x="2", type_url=ROUTE)}, 0)
        folder.take(inf)
        assert folder.serving == {(CLUSTER, "x"): "a", (ROUTE, "x"): "b"}


class TestChanges:
    def test_a_change_goes_when_the_folder_was_quiet(self) -> None:
        story = Story(a=held(x="1"))
        story.save(a=held(x="2"))
        assert story.folder.due() == story.now + QUIET
        assert story.folder.take(story.now + QUIET - 0.001) is None
        story.wait(QUIET)
        assert story.service == {"x": "2"}
        assert story.folder.due() is None

    def test_of_a_changed_file_only_what_differs_is_written(self) -> None:
        story = Story(a=held(x="1", y="1", z="1"))
        story.save(a=held(x="1", y="2", z="1"))
        story.wait(1)
        assert [resource.name for resource in story.deliveries[-1].apply] == ["y"]

    def test_a_resource_that_only_moved_within_its_file_is_not_written(self) -> None:
        story = Story(a=held(x="1", y="1"))
        story.save(a=held(y="1", x="1"))
        assert story.folder.due() is None

    @pytest.mark.parametrize(
        "other",
        [
            ParsedResource(CLUSTER, "x", b"1", line=1, aliases=("also",)),
            ParsedResource(CLUSTER, "x", b"1", line=1, ttl=5.0),
            ParsedResource(CLUSTER, "x", b"1", line=1, on_demand=True),
        ],
    )
    def test_what_is_said_of_a_resource_beside_its_content_is_a_change(self, other: ParsedResource) -> None:
        story = Story(a=held(x="1"))
        story.save(a=Document("a", (other,), ()))
        story.wait(1)
        assert story.deliveries[-1].apply == (other,)

    def test_one_burst_of_saves_is_one_transaction(self) -> None:
        story = Story(a=held(x="1"), b=held(y="1"))
        story.save(a=held(x="2"))
        story.wait(QUIET / 2)
        story.save(b=held(y="2"))
        story.wait(QUIET / 2)
        story.save(c=held(z="2"))
        story.wait(1)
        assert len(story.deliveries) == 2
        assert story.service == {"x": "2", "y": "2", "z": "2"}

    def test_content_that_comes_and_goes_within_a_burst_is_never_written(self) -> None:
        story = Story(a=held(x="1"))
        story.save(a=held(x="half"))
        story.wait(QUIET / 2)
        story.save(a=held(x="whole"))
        story.wait(1)
        assert [resource.body for resource in story.deliveries[-1].apply] == [b"whole"]
        assert len(story.deliveries) == 2

    def test_a_folder_that_is_never_quiet_is_not_waited_for_without_end(self) -> None:
        story = Story(a=held(x="0"))
        for step in range(1, 2 * PATIENCE + 2):
            story.save(a=held(x=str(step)))
            story.wait(QUIET * 0.6)
        assert len(story.deliveries) == 2
        assert story.now - 100 == pytest.approx(QUIET * 0.6 * (2 * PATIENCE + 1))

    def test_reading_the_same_again_is_no_news(self) -> None:
        story = Story(a=held(x="1"))
        story.save(a=held(x="2"))
        story.wait(QUIET * 0.6)
        story.save(a=held(x="2"))
        story.wait(QUIET * 0.4)
        assert story.service == {"x": "2"}


class TestRemovals:
    def test_a_resource_taken_out_of_a_file_goes_when_the_folder_settled(self) -> None:
        story = Story(a=held(x="1", y="1"))
        story.save(a=held(x="1"))
        story.wait(SETTLE - 0.001)
        assert story.service == {"x": "1", "y": "1"}
        story.wait(0.001)
        assert story.service == {"x": "1"}
        assert story.folder.due() is None

    def test_a_deleted_file_takes_its_resources_along(self) -> None:
        story = Story(a=held(x="1"), b=held(y="1"))
        story.save(b=None)
        story.wait(SETTLE)
        assert story.service == {"x": "1"}

    def test_any_activity_puts_a_removal_off(self) -> None:
        story = Story(a=held(x="1"), b=held(y="1"))
        story.save(a=None)
        story.wait(SETTLE * 0.9)
        story.save(b=held(y="2"))
        story.wait(SETTLE * 0.9)
        assert story.service == {"x": "1", "y": "2"}
        story.wait(SETTLE * 0.1)
        assert story.service == {"y": "2"}

    def test_but_not_without_end(self) -> None:
        story = Story(a=held(x="1"), b=held(y="0"))
        story.save(a=None)
        for step in range(1, 3 * PATIENCE):
            story.wait(SETTLE / 2)
            story.save(b=held(y=str(step)))
        assert [name for name, _ in story.removed] == ["x"]
        assert story.removed[0][1] == pytest.approx(100 + PATIENCE * SETTLE)

    def test_even_then_the_name_was_missing_for_the_longer_quiet(self) -> None:
        story = Story(a=held(x="1"), b=held(y="0"))
        story.save(a=None)
        for step in range(2 * PATIENCE):
            story.save(b=held(y=str(step)))
            story.wait(SETTLE / 2)
            if step == 2 * PATIENCE - 2:
                story.save(a=held(x="1"))
                story.save(a=None)
        story.save(b=held(y="last"))
        story.wait(SETTLE * 0.9)
        assert story.removed == []
        story.wait(SETTLE * 0.1)
        assert [name for name, _ in story.removed] == ["x"]

    def test_the_changes_of_a_burst_do_not_wait_for_its_removals(self) -> None:
        story = Story(a=held(x="1", y="1"))
        story.save(a=held(x="2"))
        story.wait(QUIET)
        assert story.service == {"x": "2", "y": "1"}

    def test_a_file_that_is_replaced_by_deleting_and_writing_loses_nothing(self) -> None:
        story = Story(a=held(x="1"))
        story.save(a=None)
        story.wait(SETTLE / 2)
        story.save(a=held(x="2"))
        story.wait(10)
        assert story.service == {"x": "2"}
        assert story.removed == []

    def test_a_resource_that_came_and_went_before_it_was_written_is_not_removed(self) -> None:
        story = Story(a=held(x="1"))
        story.save(b=held(y="1"))
        story.wait(QUIET / 2)
        story.save(b=None)
        story.wait(10)
        assert len(story.deliveries) == 1


class TestMoves:
    @pytest.mark.parametrize(("source", "target"), [("a", "b"), ("b", "a")])
    def test_in_one_save(self, source: str, target: str) -> None:
        story = Story(**{source: held(x="1", y="1"), target: held(z="1")})
        story.save(**{source: held(y="1"), target: held(z="1", x="1")})
        story.wait(10)
        assert story.removed == []
        assert story.contested == ()
        assert story.service == {"x": "1", "y": "1", "z": "1"}

    @pytest.mark.parametrize(("source", "target"), [("a", "b"), ("b", "a")])
    @pytest.mark.parametrize("first", ["source", "target"])
    def test_in_two_saves_one_after_the_other(self, source: str, target: str, first: str) -> None:
        story = Story(**{source: held(x="1")})
        saves = [{source: held()}, {target: held(x="2")}]
        for save in saves if first == "source" else saves[::-1]:
            story.save(**save)
            story.wait(SETTLE * 0.9)
        story.wait(10)
        assert story.removed == []
        assert story.service == {"x": "2"}
        assert all(each.report is None or not each.report.contested for each in story.deliveries)

    def test_a_renamed_file_writes_nothing_that_differs(self) -> None:
        story = Story(a=held(x="1"))
        story.save(a=None, b=held(x="1"))
        story.wait(QUIET)
        assert story.folder.due() is None
        assert [resource.body for resource in story.deliveries[-1].apply] == [b"1"]
        assert story.removed == []
        assert story.folder.serving == {(CLUSTER, "x"): "b"}

    def test_a_moved_and_edited_resource_goes_with_the_other_changes_of_its_burst(self) -> None:
        story = Story(a=held(x="1", y="1"))
        story.save(a=held(y="2"), b=held(x="2"))
        story.wait(QUIET)
        assert story.service == {"x": "2", "y": "2"}


class TestDoubleClaims:
    def test_what_is_in_service_stays_until_the_folder_settled(self) -> None:
        story = Story(b=held(x="b"))
        story.save(a=held(x="a"))
        story.wait(SETTLE - 0.001)
        assert (story.service, story.contested) == ({"x": "b"}, ())
        story.wait(0.001)
        assert story.service == {"x": "a"}
        assert story.contested == ("a:1 and b:1 hold the same clusters 'x'; a is served, the first in order",)

    def test_meanwhile_the_file_in_service_may_change(self) -> None:
        story = Story(b=held(x="b"))
        story.save(a=held(x="a"))
        story.wait(QUIET)
        story.save(b=held(x="b2"))
        story.wait(QUIET)
        assert story.service == {"x": "b2"}

    def test_a_new_name_in_two_new_files_waits_for_the_decision(self) -> None:
        story = Story()
        story.save(a=held(x="a"), b=held(x="b"))
        story.wait(SETTLE - 0.001)
        assert story.service == {}
        story.wait(0.001)
        assert story.service == {"x": "a"}

    def test_the_loser_may_change_unseen(self) -> None:
        story = Story(a=held(x="a"), b=held(x="b"))
        story.save(b=held(x="b2"))
        story.wait(10)
        assert story.service == {"x": "a"}

    def test_the_loser_takes_over_when_the_winner_gives_the_name_up(self) -> None:
        story = Story(a=held(x="a"), b=held(x="b"))
        story.save(a=None)
        story.wait(SETTLE)
        assert story.service == {"x": "b"}
        assert story.removed == []
        assert story.contested == ()

    def test_of_two_losers_the_first_takes_over_when_the_folder_settled(self) -> None:
        story = Story(a=held(x="a"), b=held(x="b"), c=held(x="c"))
        assert story.contested[0].startswith("a:1 and b:1 and c:1 hold")
        story.save(a=None)
        story.wait(SETTLE - 0.001)
        assert story.service == {"x": "a"}
        story.wait(0.001)
        assert story.service == {"x": "b"}
        assert story.contested[0].startswith("b:1 and c:1 hold")

    def test_a_settled_one_is_reported_once(self) -> None:
        story = Story(a=held(x="a"), b=held(x="b"))
        story.save(a=held(x="a2"))
        story.wait(10)
        assert [each.report is not None for each in story.deliveries] == [True, False]

    def test_it_is_no_fault(self) -> None:
        assert Story(a=held(x="a"), b=held(x="b")).faults == ()

    def test_a_path_that_does_not_print_stays_one_line(self) -> None:
        story = Story(**{"a\n": held(x="a"), "b": held(x="b")})
        assert story.contested[0].startswith("a\\n:1 and b:1")


class TestLastGood:
    def test_an_unreadable_file_keeps_everything(self) -> None:
        story = Story(a=held(x="1", y="1"))
        story.save(a=UnreadableError("a", "cannot be read: Permission denied"))
        story.wait(10)
        assert story.service == {"x": "1", "y": "1"}
        assert story.faults == ("a: cannot be read: Permission denied",)

    def test_a_fault_without_a_name_keeps_what_is_not_there(self) -> None:
        story = Story(a=held(x="1", y="1"))
        story.save(a=held(fault(), x="2"))
        story.wait(10)
        assert story.service == {"x": "2", "y": "1"}

    def test_a_resource_with_a_fault_keeps_its_last_good_version_and_the_others_go_on(self) -> None:
        story = Story(a=held(x="1", y="1", z="1"))
        story.save(a=held(fault("x", CLUSTER), y="2"))
        story.wait(10)
        assert story.service == {"x": "1", "y": "2"}, "z was taken out of the file, x is only wrong"

    def test_a_fault_of_another_type_hides_nothing_of_this_one(self) -> None:
        story = Story(a=held(x="1"))
        story.save(a=held(fault("x", ROUTE)))
        story.wait(10)
        assert story.service == {}

    def test_a_fault_of_a_type_without_a_name_keeps_that_type(self) -> None:
        story = Story(a=held(x="1"))
        story.save(a=held(fault(None, CLUSTER)))
        story.wait(10)
        assert story.service == {"x": "1"}

    def test_it_outlives_one_fault_after_the_other(self) -> None:
        story = Story(a=held(x="1"))
        story.save(a=held(fault("x", CLUSTER)))
        story.wait(10)
        story.save(a=held(fault()))
        story.wait(10)
        story.save(a=held(fault("x", CLUSTER)))
        story.wait(10)
        assert story.service == {"x": "1"}

    def test_a_resource_given_good_and_bad_is_served_good(self) -> None:
        story = Story(a=held(x="1"))
        story.save(a=held(fault("x", CLUSTER), x="2"))
        story.wait(10)
        assert story.service == {"x": "2"}

    def test_repaired_it_goes_on(self) -> None:
        story = Story(a=held(x="1"))
        story.save(a=held(fault()))
        story.wait(10)
        story.save(a=held(x="2"))
        story.wait(10)
        assert story.service == {"x": "2"}
        assert story.faults == ()

    def test_a_broken_file_that_is_deleted_is_gone(self) -> None:
        story = Story(a=held(x="1"), b=held(y="1"))
        story.save(a=held(fault()))
        story.wait(10)
        story.save(a=None)
        story.wait(10)
        assert story.service == {"y": "1"}
        assert story.faults == ()


class TestReports:
    def test_a_fault_that_lasts_no_longer_than_a_save_is_not_reported(self) -> None:
        story = Story(a=held(x="1"))
        story.save(a=held(fault()))
        story.wait(SETTLE * 0.9)
        story.save(a=held(x="1"))
        story.wait(10)
        assert not any(each.report.faults for each in story.deliveries if each.report)

    def test_a_fault_that_stays_is_reported_once(self) -> None:
        story = Story(a=held(x="1"))
        story.save(a=held(fault()))
        story.wait(10)
        story.save(a=held(fault()))
        story.wait(10)
        assert len(story.deliveries) == 2

    def test_the_file_in_service_that_was_away_for_a_moment_may_come_back_different(self) -> None:
        story = Story(a=held(x="1"), b=held(x="2"), c=held(x="3"))
        story.wait(SETTLE)
        story.save(a=None)
        story.save(a=held(x="4"))
        story.wait(SETTLE)
        assert story.service == {"x": "4"}

    def test_all_faults_are_given_each_time_in_path_order(self) -> None:
        story = Story(b=held(fault("b")), a=held(fault("a1"), fault("a2")))
        story.save(c=held(fault("c")))
        story.wait(10)
        assert story.faults == ("f:1: a1 is wrong", "f:1: a2 is wrong", "f:1: b is wrong", "f:1: c is wrong")

    def test_a_removal_never_goes_ahead_of_a_fault(self) -> None:
        """x went from a to b, where it is broken; the folder is never quiet, so the removal goes by its bound."""
        story = Story(a=held(x="1"), c=held(z="0"))
        story.save(a=held())
        story.wait(SETTLE / 2)
        story.save(b=held(fault("x", CLUSTER)))
        for step in range(3 * PATIENCE):
            story.save(c=held(z=str(step)))
            story.wait(SETTLE / 2)
        [with_removal] = [each for each in story.deliveries if each.remove]
        assert with_removal.report is not None
        assert with_removal.report.faults == ("f:1: clusters 'x': x is wrong",)


FILES = ("a", "b", "c")
NAMES = ("x", "y", "z")
contents = st.dictionaries(st.sampled_from(NAMES), st.sampled_from("123"))
files = st.sampled_from(FILES)
waits = st.sampled_from((0.0, QUIET / 2, QUIET, SETTLE / 2, SETTLE, 10 * SETTLE))
edits = st.one_of(
    st.tuples(files, contents.map(lambda each: held(**each))),
    st.tuples(files, st.tuples(contents, st.sampled_from((*NAMES, None))).map(
        lambda each: held(fault(each[1], CLUSTER if each[1] else None), **each[0]))),
    st.tuples(files, st.none()),
    st.tuples(files, st.just(UnreadableError("f", "is a folder, not a file"))),
)  # fmt: skip


@given(st.lists(st.tuples(edits, waits), max_size=30), st.fixed_dictionaries(dict.fromkeys(FILES, contents)))
@settings(deadline=None, max_examples=300)
def test_whatever_happened_a_folder_that_can_be_read_ends_as_a_fresh_read_of_it(
    steps: list[tuple[tuple[str, Reading], float]], last: dict[str, dict[str, str]]
) -> None:
    story = Story()
    seen: dict[str, float] = {}
    present: dict[str, Reading] = {}

    def look() -> None:
        for reading in present.values():
            if isinstance(reading, Document):
                seen.update((resource.name, story.now) for resource in reading.resources)

    for (path, reading), wait in steps:
        look()
        story.save(**{path: reading})
        present[path] = reading
        look()
        story.wait(wait)
        for name, when in story.removed:
            assert when - seen[name] >= SETTLE - 1e-9, f"{name} was removed, and was there {when - seen[name]} s before"
        story.removed.clear()
    for path, each in last.items():
        story.save(**{path: held(**each)})
    story.wait(SETTLE)
    assert story.service == Story(**{path: held(**each) for path, each in last.items()}).service
    assert story.faults == ()
    assert story.folder.due() is None


@given(
    st.lists(
        st.tuples(st.sampled_from(NAMES), files, st.booleans(), st.sampled_from((0.0, QUIET, SETTLE * 0.99)), waits),
        max_size=20,
    )
)
@settings(deadline=None, max_examples=300)
def test_a_move_never_removes_and_never_contests(moves: list[tuple[str, str, bool, float, float]]) -> None:
    at = dict.fromkeys(NAMES, "a")
    story = Story(a=held(**dict.fromkeys(NAMES, "0")))
    for step, (name, target, target_first, gap, wait) in enumerate(moves):
        source = at[name]
        if source == target:
            continue

        at[name] = target
        saves = [
            {path: held(**{each: str(step) for each, where in at.items() if where == path})}
            for path in (source, target)
        ]
        for save in reversed(saves) if target_first else saves:
            story.save(**save)
            story.wait(gap)
        story.wait(wait)
        assert story.service.keys() == set(NAMES)
    assert story.removed == []
    assert all(each.report is None or each.report.contested == () for each in story.deliveries)

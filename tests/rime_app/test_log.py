"""The log: a line a record."""

import io
import json
import logging
import time

import pytest

from rime_app.log import JsonFormatter, TextFormatter, configure_log
from rime_core.errors import SourceError


def record(message="conf read", *arguments, level=logging.INFO, error=None, **extra):
    made = logging.getLogger("rime_app.test").makeRecord(
        "rime_app.test",
        level,
        "x.py",
        1,
        message,
        arguments,
        (type(error), error, None) if error else None,
        extra=extra,
    )
    made.created, made.msecs = 86_400 + 12 * 3600 + 3 * 60 + 1.25, 250.0
    return made


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_people_read_time_level_and_message():
    assert TextFormatter().format(record("%d files", 3)) == "12:03:01 info    3 files"


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_times_are_utc_wherever_it_runs(monkeypatch, formatter):
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    try:
        assert "12:03:01" in formatter.format(record())
    finally:
        monkeypatch.undo()
        time.tzset()


def test_an_error_is_one_line():
    line = TextFormatter().format(record("file:conf failed", level=logging.ERROR, error=SourceError("no such\nfolder")))

    assert line == "12:03:01 error   file:conf failed: no such folder"


def test_a_traceback_is_shown_when_it_is_wanted():
    lines = TextFormatter(traceback=True).format(record(error=SourceError("gone"))).splitlines()

    assert lines[0] == "12:03:01 info    conf read: gone"
    assert lines[-1] == "rime_core.errors.SourceError: gone"


def test_what_a_client_sent_cannot_forge_a_line_or_steer_a_terminal():
    line = TextFormatter().format(record("node %s", "a\n12:00:00 info all is well\x1b[2J\x7f\x9b"))

    assert line == "12:03:01 info    node a\\x0a12:00:00 info all is well\\x1b[2J\\x7f\\x9b"


def test_colour_marks_what_is_wrong():
    assert TextFormatter(colour=True).format(record(level=logging.ERROR)) == "\x1b[31m12:03:01 error   conf read\x1b[0m"
    assert "\x1b" not in TextFormatter(colour=True).format(record())


def test_machines_read_json_with_the_fields_of_extra():
    line = JsonFormatter().format(record("%d files", 3, source="file:conf", place=3))

    assert json.loads(line) == {
        "time": "1970-01-02T12:03:01.250Z",
        "level": "info",
        "logger": "rime_app.test",
        "message": "3 files",
        "source": "file:conf",
        "place": 3,
    }
    assert "\n" not in line


def test_json_has_the_error_and_the_traceback_when_it_is_wanted():
    failed = record(error=SourceError("gone"))

    assert json.loads(JsonFormatter().format(failed))["error"] == "gone"
    assert "traceback" not in json.loads(JsonFormatter().format(failed))
    assert "SourceError: gone" in json.loads(JsonFormatter(traceback=True).format(failed))["traceback"]


def test_of_several_processes_each_record_says_which():
    assert TextFormatter(worker=2).format(record("conf read")) == "12:03:01 info    worker 2: conf read"
    assert json.loads(JsonFormatter(worker=2).format(record()))["worker"] == 2
    assert "worker" not in json.loads(JsonFormatter().format(record()))


@pytest.mark.parametrize("form", ["text", "json"])
def test_which_process_it_is_is_configured_with_the_form(form):
    stream = io.StringIO()
    configure_log(stream, form=form, level="info", worker=3)
    logging.getLogger("rime_app.test").info("conf read")

    assert ("worker 3: " if form == "text" else '"worker": 3') in stream.getvalue()


def test_json_writes_what_it_cannot_as_text():
    assert json.loads(JsonFormatter().format(record(error=None, at={1})))["at"] == "{1}"


def test_the_level_says_what_is_written():
    stream = io.StringIO()
    configure_log(stream, form="text", level="warning")

    logging.getLogger("rime_app").info("quiet")
    logging.getLogger("shop.source").warning("loud")

    assert stream.getvalue().endswith("warning loud\n")
    assert "quiet" not in stream.getvalue()


def test_the_form_says_how():
    stream = io.StringIO()
    configure_log(stream, form="json", level="info")

    logging.getLogger("rime_app").info("x")

    assert json.loads(stream.getvalue())["message"] == "x"


@pytest.mark.parametrize(
    ("stream", "no_color", "coloured"), [(Terminal, None, True), (Terminal, "1", False), (io.StringIO, None, False)]
)
def test_colour_is_for_a_terminal_whose_user_did_not_refuse_it(monkeypatch, stream, no_color, coloured):
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    out = stream()
    configure_log(out, form="text", level="info")

    logging.getLogger("rime_app").error("x")

    assert ("\x1b[31m" in out.getvalue()) is coloured


@pytest.mark.parametrize("form", ["text", "json"])
def test_tracebacks_come_with_debug_only(form):
    for level, shown in (("debug", True), ("info", False)):
        stream = io.StringIO()
        configure_log(stream, form=form, level=level)
        error = SourceError("gone")
        logging.getLogger("rime_app").error("failed", exc_info=error)
        assert ("rime_core.errors.SourceError: gone" in stream.getvalue()) is shown

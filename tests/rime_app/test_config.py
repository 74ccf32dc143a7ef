"""What rime serve is told, by a file and by flags."""

import os
from pathlib import Path

import pytest

from rime_app.authorization import read_access_rule
from rime_app.config import LARGEST, Config, Settings, read_config
from rime_app.grouping import read_rule
from rime_app.spec import SourceSpec, Spec
from rime_core import ROUTE, Debounce, Policy
from rime_core.errors import UsageError

FILE = """
[[sources]]
kind = "file"
place = "Conf"
recursive = true
quiet = "100ms"

[[sources]]
kind = "kubernetes"
group = "edge"
allow_empty = true

[[transports]]
kind = "grpc"
place = "127.0.0.1:18001"
max_message = 1048576
share = 0.5

[[groups]]
name = "edge"
cluster = "edge-*"

[[authorize]]
types = "secrets"
certificate = "spiffe://prod/*"

[policies.routes]
missing = "unanswered"

[serve]
ready_timeout = "5s"
base = "shared"
unmatched = "refuse"
workers = 4
max_removal = "20%"
log = "json"
log_level = "debug"
debounce = "100ms"
debounce_max = "2s"
"""


@pytest.fixture
def rime_toml(tmp_path):
    def write(text):
        path = tmp_path / "rime.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def complaint(path, **flags):
    with pytest.raises(UsageError) as raised:
        read_config(path, **flags)
    text = str(raised.value)
    assert "\n" not in text
    return text.replace(str(path), "rime.toml")


def test_a_file_says_it_all(rime_toml):
    assert read_config(rime_toml(FILE)) == Config(
        sources=(
            SourceSpec("file", "Conf", {"recursive": "true", "quiet": "100ms"}),
            SourceSpec("kubernetes", "", group="edge", allow_empty=True),
        ),
        transports=(Spec("grpc", "127.0.0.1:18001", {"max_message": "1048576", "share": "0.5"}),),
        groups=(read_rule("", {"name": "edge", "cluster": "edge-*"}),),
        authorize=(read_access_rule("", {"types": "secrets", "certificate": "spiffe://prod/*"}),),
        policies={ROUTE: Policy(missing="unanswered")},
        settings=Settings(
            *(5.0, 0.2),
            log="json",
            log_level="debug",
            base="shared",
            unmatched="refuse",
            debounce=Debounce(0.1, 2.0),
            workers=4,
        ),
    )


@pytest.mark.parametrize(("text", "count"), [("1", 1), ("64", 64), ("256", 256), ("auto", None)])
def test_workers_are_a_number_or_as_many_as_there_are_cpus(rime_toml, text, count):
    assert read_config(settings={"workers": text}).settings.workers == count
    assert read_config(rime_toml(f'[serve]\nworkers = "{text}"')).settings.workers == count


@pytest.mark.parametrize("text", ["0", "-1", "257", "1.5", "two", "", "٣"])
def test_workers_that_make_no_sense(text):
    with pytest.raises(UsageError) as raised:
        read_config(settings={"workers": text})
    assert str(raised.value) == f"rime serve: workers={text!r} should be auto, or a number from 1 to 256"


def test_flags_say_it_all():
    config = read_config(
        sources=["file:a", "file:b?group=edge"],
        transports=["grpc:127.0.0.1:0"],
        settings={"ready_timeout": "1m", "max_removal": "1", "log": "json", "log_level": "error", "debounce": "1s"},
    )

    assert config == Config(
        sources=(SourceSpec("file", "a"), SourceSpec("file", "b", group="edge")),
        transports=(Spec("grpc", "127.0.0.1:0"),),
        settings=Settings(
            ready_timeout=60.0, max_removal=1.0, log="json", log_level="error", debounce=Debounce(1.0, 10.0)
        ),
    )


def test_without_anything_it_is_loopback_and_careful():
    assert read_config() == Config(
        sources=(),
        transports=(Spec("grpc", "127.0.0.1:18000"),),
        settings=Settings(ready_timeout=30.0, max_removal=0.5, log="text", log_level="info", workers=1),
    )


def test_an_empty_file_changes_nothing(rime_toml):
    assert read_config(rime_toml("")) == read_config()


def test_a_source_flag_replaces_the_files_sources_and_nothing_else(rime_toml):
    config = read_config(rime_toml(FILE), sources=["file:other"])

    assert config.sources == (SourceSpec("file", "other"),)
    assert config.transports == read_config(rime_toml(FILE)).transports


def test_a_transport_flag_replaces_the_files_transports_and_nothing_else(rime_toml):
    config = read_config(rime_toml(FILE), transports=["grpc:[::1]:1"])

    assert config.transports == (Spec("grpc", "[::1]:1"),)
    assert config.sources == read_config(rime_toml(FILE)).sources


def test_a_setting_by_flag_wins_over_the_file_and_leaves_the_others(rime_toml):
    settings = read_config(rime_toml(FILE), settings={"ready_timeout": "1s"}).settings

    assert settings == Settings(
        *(1.0, 0.2),
        log="json",
        log_level="debug",
        base="shared",
        unmatched="refuse",
        debounce=Debounce(0.1, 2.0),
        workers=4,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('source = "file"', "rime.toml: there is no key 'source'; did you mean 'sources'?"),
        ("colour = 1", "rime.toml: there is no key 'colour'; there are serve, sources, transports, groups, aut"),
        ("[serve]\nready_timout = '1s'", "rime.toml [serve]: there is no option 'ready_timout'; did you mean "),
        ("[serve]\ndebounce = 5", "rime.toml [serve]: debounce='5' should be a duration such as 100ms, 1.5s or 2m"),
        ("[serve]\ndebounce_max = '5s'", "rime.toml [serve]: debounce_max says how long debounce may go on, and"),
        ("[serve]\nready_timeout = 5", "rime.toml [serve]: ready_timeout='5' should be a duration such as 100ms, "),
        ("[serve]\nmax_removal = '150%'", "rime.toml [serve]: max_removal='150%' should be a share such as 50%"),
        ("[serve]\nlog = 'xml'", "rime.toml [serve]: log='xml' should be text or json"),
        ("[serve]\nlog_level = 'loud'", "rime.toml [serve]: log_level='loud' should be debug, info, warning or error"),
        ("serve = 1", "rime.toml: serve should be a table, [serve]"),
        ("[sources]\nkind = 'file'", "rime.toml: sources should be a list of tables, each written under [[sources]]"),
        ("transports = ['grpc:x']", "rime.toml: transports should be a list of tables, each written under [[trans"),
        ("[[sources]]\nplace = 'conf'", 'rime.toml [[sources]] no. 1: kind should be a name such as "file"'),
        ("[[sources]]\nkind = ''", "rime.toml [[sources]] no. 1: kind should be a name"),
        ("[[sources]]\nkind = 'file'\n[[sources]]\nkind = 'a b'", "rime.toml [[sources]] no. 2: kind should be"),
        ("[[sources]]\nkind = 'file'\nnames = ['a']", "no. 1: names should be text, a number, true or false"),
        ("[[sources]]\nkind = 'file'\nsince = 2026-01-01", "no. 1: since should be text, a number, true or false"),
        ("[[sources]]\nkind = 'file'\nallow_empty = 'so'", "no. 1: file: allow_empty='so' should be true or false"),
        ("groups = 1", "rime.toml: groups should be a list of tables, each written under [[groups]]"),
        ("[[authorize]]\nid = 'a'", "rime.toml [[authorize]] no. 1: types should be one"),
        ("policies = 1", "rime.toml: policies should be tables, one for each type, such as [policies.routes]"),
        ("[policies.routes]\nmising = 'x'", "rime.toml [policies.routes]: there is no key 'mising'; did you mean 'mi"),
        ("[[groups]]\nid = 'a'", "rime.toml [[groups]] no. 1: name should be the name of a group"),
        ("[serve\nlog = 'json'", "rime.toml: is not TOML: Expected ']' at the end of a table declaration (at line 1,"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_key(rime_toml, text, expected):
    assert expected in complaint(rime_toml(text))


def test_a_file_that_is_not_there(tmp_path):
    assert complaint(tmp_path / "rime.toml") == "rime.toml: cannot be read: No such file or directory"


def test_a_folder_is_no_file(tmp_path):
    assert complaint(tmp_path) == "rime.toml: cannot be read: Is a directory"


def test_a_device_is_not_read():
    assert complaint(Path("/dev/zero")) == "rime.toml: is not a regular file"


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path):
    path = tmp_path / "rime.toml"
    os.mkfifo(path)

    assert complaint(path) == "rime.toml: is not a regular file"


def test_what_is_much_too_large_is_not_a_rime_toml(rime_toml):
    assert read_config(rime_toml("#" * LARGEST)) == read_config()
    assert complaint(rime_toml("#" * (LARGEST + 1))) == "rime.toml: is larger than 1 MiB, which is not a rime.toml"


def test_tables_within_tables_without_end(rime_toml):
    assert complaint(rime_toml("a = " + 5000 * "[")) == "rime.toml: is nested too deeply"


def test_a_file_in_another_encoding(tmp_path):
    path = tmp_path / "rime.toml"
    path.write_bytes("# für".encode("latin-1"))

    assert complaint(path) == "rime.toml: is not UTF-8, which TOML has to be"


def test_a_wrong_flag_is_said_as_it_was_given():
    assert complaint(None, settings={"ready_timeout": "soon"}).startswith("rime serve: ready_timeout='soon' should be")
    assert complaint(None, sources=["conf"]).startswith("--source conf: should be kind:place")
    assert complaint(None, transports=["x"]).startswith("--transport x: should be kind:place")


def test_what_a_file_says_is_known_to_come_from_it(rime_toml):
    path = rime_toml(FILE)
    config = read_config(path)

    assert config.sources[1].origin == f"{path} [[sources]] no. 2"
    assert config.transports[0].origin == f"{path} [[transports]] no. 1"


def test_an_unknown_setting_is_told_with_all_that_there_are(rime_toml):
    with pytest.raises(UsageError, match="its options: base, debounce, debounce_max, log, "):
        read_config(rime_toml("[serve]\nbogus = 2"))

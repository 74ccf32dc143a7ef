"""docs/debug-stream.md and the README: what they show is what is said."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from rime_ws.config import read
from tests.rime_ws.talk import SCHEMA

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/debug-stream.md").read_text(encoding="utf-8")
README = (ROOT / "packages/rime-ws/README.md").read_text(encoding="utf-8")
EXAMPLES = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["message"])
def test_every_example_is_a_message_by_the_schema(example):
    Draft202012Validator(SCHEMA).validate(example)


def test_every_kind_of_message_has_an_example():
    shown = {each["message"] for each in EXAMPLES}
    assert shown == {"hello", "resources", "clients", "client", "status", "error", "subscribe", "unsubscribe"}


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


def test_the_readme_has_every_option_and_no_other():
    [table] = re.findall(r"^\| option .*?\n\n", README, re.MULTILINE | re.DOTALL)
    named = {name for line in table.strip().splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    values = {"insecure": "false", "traces": "false", "max_message_bytes": "4MiB"}
    for name in named:
        read(
            {name: values.get(name, "1")} | ({"cert": "c", "key": "k"} if name in ("cert", "key", "client_ca") else {})
        )
    assert len(named) == 13

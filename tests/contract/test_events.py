"""Hold the schemas of events to their own rules."""

import json

import pytest
from jsonschema import Draft202012Validator

from tests.contract.event_schemas import SCHEMAS, TYPES
from tests.docs.pages import rows, text_of

every_schema = pytest.mark.parametrize("name", sorted(SCHEMAS))


@every_schema
def test_schema_is_valid_and_knows_its_name(name):
    Draft202012Validator.check_schema(SCHEMAS[name])

    assert SCHEMAS[name]["$id"] == name


@every_schema
def test_consumers_are_never_told_to_refuse_what_was_added(name):
    assert "additionalProperties" not in json.dumps(SCHEMAS[name])


def test_page_lists_each_type():
    table = rows(text_of("contracts/events/README.md"), "type", "version", "published by", "when")

    assert {cell[1 : cell.index("]")] for cell, *_ in table} == TYPES

"""docs/asyncapi.yaml: valid AsyncAPI 3.0, complete, and not stale."""

import json
from importlib.metadata import version
from pathlib import Path

import jsonschema
import yaml

from protocol import asyncapi, topics

ROOT = Path(__file__).parents[2]
DOCUMENT = yaml.load((ROOT / "docs/asyncapi.yaml").read_text(), yaml.CSafeLoader)


def test_document_is_valid_asyncapi_3() -> None:
    schema = json.loads((Path(__file__).parent / "data/asyncapi-3.0.0.json").read_text())
    jsonschema.Draft7Validator(schema).validate(DOCUMENT)


def test_document_is_not_stale() -> None:
    assert asyncapi.document(version("keng")) == DOCUMENT, "run: python -m protocol.asyncapi > docs/asyncapi.yaml"


def test_every_topic_of_the_wire_is_in_it() -> None:
    assert set(DOCUMENT["channels"]) == set(topics.LIMITS)


def test_each_reference_leads_somewhere() -> None:
    text = json.dumps(DOCUMENT)
    names = {part.split('"')[0] for part in text.split('"$ref": "#/')[1:]}
    assert names
    for name in names:
        place = DOCUMENT
        for key in name.split("/"):
            place = place[key]

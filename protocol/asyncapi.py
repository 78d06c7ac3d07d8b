"""The AsyncAPI 3.0 document of the wire, made from the models. `python -m protocol.asyncapi > docs/asyncapi.yaml` writes it anew."""

import sys
from typing import Any, NamedTuple

from pydantic.json_schema import models_json_schema

from protocol import boards as b
from protocol import messages as m
from protocol.desk import Command, CommandAnswer, DeskAlive
from protocol.fields import Message
from protocol.incident import Incident
from protocol.topics import LIMITS, PREFIX

_ID = {"device": "a board", "group": "a fire group", "incident": "an incident", "user": "a person at a desk or a bench"}


class Channel(NamedTuple):
    """One topic: `action` is what the board (or the desk) does there, the engine does the other half."""

    name: str
    address: str
    qos: int
    retained: bool
    sender: str
    models: tuple[type[Message], ...]
    summary: str


CHANNELS = (
    Channel("state", "dev/{device}/state", 1, True, "board", (m.Birth, m.Will), "birth and last will of a board"),
    Channel("event", "dev/{device}/event", 1, False, "board", (m.Event,), "one fact about one point"),
    Channel("report", "dev/{device}/report", 0, False, "board", (m.Report,), "what is measured, every 30 s: the heartbeat"),
    Channel("answer", "dev/{device}/answer", 1, False, "board", (m.Answer,), "what became of an order"),
    Channel("hello", "dev/{device}/hello", 1, False, "engine", (m.Hello,), "the answer to a birth"),
    Channel("receipt", "dev/{device}/receipt", 1, False, "engine", (m.Receipt,), "this event is on the engine's disk"),
    Channel("order", "dev/{device}/order", 1, False, "engine", (m.Order,), "do something once"),
    Channel("fetch", "dev/{device}/fetch", 1, False, "board", (m.Fetch,), "a piece of an update is wanted"),
    Channel("chunk", "dev/{device}/chunk", 1, False, "engine", (m.Chunk,), "a piece of an update"),
    Channel("call", "group/{group}/call/{device}", 1, False, "board", (m.Call,), "alarm here: bells that hear it ring at once"),
    Channel("ring", "group/{group}/ring", 1, False, "engine", (m.Ring,), "what the group's bells shall do now"),
    Channel("tick", "tick", 0, False, "engine", (m.Tick,), "every 10 s: the engine lives, its time"),
    Channel("gateway", "gateway", 1, True, "engine", (m.Gateway,), "the engine is online, or (last will) not"),
    Channel("incident", "incident/{incident}", 1, True, "engine", (Incident,), "the incident, whole; retained while it is open"),
    Channel("desk_command", "desk/{user}/command", 1, False, "desk", (Command,), "acknowledge, silence, resolve, start a drill"),
    Channel("desk_answer", "desk/{user}/answer", 1, False, "engine", (CommandAnswer,), "what became of a command"),
    Channel("desk_alive", "desk/{user}/alive", 0, False, "desk", (DeskAlive,), "every 10 s: pages that are open and can be heard"),
    Channel("bench_command", "bench/{user}/command", 1, False, "bench", (b.BoardCommand,), "register, revoke or try a board, list all"),
    Channel("bench_answer", "bench/{user}/answer", 1, False, "engine", (b.BoardAnswer,), "what became of a command"),
)


def document(version: str) -> dict[str, Any]:
    """The whole document, as plain data. `version` is the product's."""
    models = {model for channel in CHANNELS for model in channel.models}
    _, schemas = models_json_schema(
        [(model, "validation") for model in sorted(models, key=lambda model: model.__name__)],
        by_alias=True,
        ref_template="#/components/schemas/{model}",
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Kẻng",
            "version": version,
            "description": "The village alarm gong on MQTT 3.1.1, wire version 1. JSON in UTF-8, unknown fields ignored: docs/wire.md.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {channel.name: _operation(channel) for channel in CHANNELS},
        "components": {
            "messages": {model.__name__: _message(model) for model in sorted(models, key=lambda model: model.__name__)},
            "schemas": schemas["$defs"],
        },
    }


def _channel(channel: Channel) -> dict[str, Any]:
    parameters = {name: {"description": f"id of {what}"} for name, what in _ID.items() if f"{{{name}}}" in channel.address}
    return {
        "address": f"{PREFIX}{{site}}/{channel.address}",
        "summary": channel.summary,
        "parameters": {"site": {"description": "id of the commune"}, **parameters},
        "messages": {model.__name__: {"$ref": f"#/components/messages/{model.__name__}"} for model in channel.models},
        "x-longest-payload-bytes": LIMITS[channel.name],
        "x-sender": channel.sender,
    }


def _operation(channel: Channel) -> dict[str, Any]:
    return {
        "action": "send" if channel.sender == "engine" else "receive",
        "summary": f"{channel.sender}: {channel.summary}",
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "bindings": {"mqtt": {"qos": channel.qos, "retain": channel.retained, "bindingVersion": "0.2.0"}},
    }


def _message(model: type[Message]) -> dict[str, Any]:
    return {
        "name": model.__name__,
        "summary": (model.__doc__ or "").partition("\n")[0],
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
    }


def main() -> None:
    """Write the document as YAML to standard output."""
    from importlib.metadata import version  # noqa: PLC0415 - the library part needs no installed package

    import yaml  # noqa: PLC0415 - a development dependency

    yaml.safe_dump(document(version("keng")), sys.stdout, sort_keys=False, allow_unicode=True, width=140)


if __name__ == "__main__":
    main()

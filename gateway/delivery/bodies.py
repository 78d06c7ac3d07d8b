"""What each channel sends of an incident, or to prove itself: the body of a delivery, as its loop expects it. Pure."""

import json

from gateway.delivery.sia import codes
from gateway.delivery.sia.codes import Event
from gateway.domain import wording
from gateway.domain.canaries import CANARY
from gateway.domain.rows import DeliveryRow
from protocol.incident import Delivery, Incident


def of_canary(row: DeliveryRow, site: str) -> str:
    """The body of a canary: what proves that the channel works, and reads like no alarm."""
    channel, at_ms = row.delivery.channel, row.delivery.decided_ms
    words = wording.canary(at_ms)
    if channel.startswith("sia:"):
        return json.dumps(Event("RP", 0, 0, "", at_ms)._asdict())
    if channel.startswith("webhook:"):
        return json.dumps({"v": 1, "event": CANARY, "site": site, "at_ms": at_ms})
    if channel == "voice":
        return json.dumps({"to": row.address})
    found = {"to": row.address, "text": words} if channel == "sms" else {"title": "Kẻng", "body": words}
    return json.dumps(found, ensure_ascii=False)


def of_incident(delivery: Delivery, snapshot: bytes) -> str:
    """The body of a delivery about the incident in `snapshot`, as it is then."""
    if delivery.channel.startswith("sia:"):
        event = codes.of_incident(Incident.model_validate_json(snapshot), delivery.what)
        return json.dumps(event._asdict() if event else {})
    return f'{{"v":1,"event":"{delivery.what}","incident":{snapshot.decode()}}}'

"""What each channel sends of an incident: the body of a delivery, as its loop expects it. Pure."""

import json

from gateway.delivery.sia import codes
from protocol.messages import Delivery, Incident


def of_incident(delivery: Delivery, snapshot: bytes) -> str:
    """The body of a delivery about the incident in `snapshot`, as it is then."""
    if delivery.channel.startswith("sia:"):
        event = codes.of_incident(Incident.model_validate_json(snapshot), delivery.what)
        return json.dumps(event._asdict() if event else {})
    return f'{{"v":1,"event":"{delivery.what}","incident":{snapshot.decode()}}}'

"""Configurations of test boards."""

from protocol.config import Address, BoardConfig, Point
from protocol.site import Kind


def board_config(device: str, kind: Kind = "household", group: str = "TLG-03", fitted: tuple[str, ...] = ()) -> BoardConfig:
    points: dict[str, Point | None] = {name: Point() for name in fitted}
    brokers = [Address(host="127.0.0.1", port=1)]
    return BoardConfig(site="xa-mau", device=device, kind=kind, group=group, brokers=brokers, points=points)

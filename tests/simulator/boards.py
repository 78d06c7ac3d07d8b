"""Configurations of test boards."""

from protocol.config import Address, BoardConfig
from protocol.site import Kind


def board_config(device: str, kind: Kind = "household", group: str = "TLG-03") -> BoardConfig:
    return BoardConfig(site="xa-mau", device=device, kind=kind, group=group, brokers=[Address(host="127.0.0.1", port=1)])

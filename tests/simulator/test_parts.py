"""Ports for parts: each is given once on this machine, however many ask at the same time."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from simulator import parts
from simulator.parts import PartFailed, free_ports

ASK = "import json; from simulator.parts import free_ports; print(json.dumps(free_ports(80))); input()"


def test_no_port_is_given_to_two_processes_at_once():
    # A range so small that without a word between them the three would meet.
    narrow = "from simulator import parts; parts.PORTS = range(31_000, 31_300); " + ASK
    askers = [subprocess.Popen([sys.executable, "-c", narrow], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    given = [json.loads(asker.stdout.readline()) for asker in askers if asker.stdout]
    for asker in askers:
        asker.communicate("\n", timeout=30)
    assert [len(ports) for ports in given] == [80] * 3
    assert len({port for ports in given for port in ports}) == 240


def test_ports_lie_below_those_of_outgoing_connections():
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(free_ports(20)) < first


def test_a_port_in_use_is_not_given(monkeypatch):
    with socket.create_server(("127.0.0.1", free_ports(1)[0])) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(parts, "PORTS", range(port, port + 1))
        while parts._kept:
            os.close(parts._kept.pop())  # the word on the port: what remains is the port itself
        with pytest.raises(PartFailed, match=rf"expected 1 free ports from {port} to {port}, got 0"):
            free_ports(1)

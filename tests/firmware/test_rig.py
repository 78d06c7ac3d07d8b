"""The rig leaves nothing behind: what a test of a board opened, and a later garbage collection found open, would fail a test of others."""

import gc
import select
import socket
import time
import weakref

from rig import Broker, Engine, Freezer, free_port


def test_engine_that_is_closed_is_gone_without_a_garbage_collection(broker: Broker) -> None:
    engine = Engine(broker.port)
    client = weakref.ref(engine._client)
    engine.close()
    del engine
    assert client() is None, "paho closes its pair of sockets then"


def test_freezer_before_a_broker_that_is_dead_closes_what_it_accepted() -> None:
    """Nothing is unclosed, and no thread ends with an error: pytest fails this test for either."""
    freezer = Freezer(free_port())
    with socket.create_connection(("127.0.0.1", freezer.port)) as client:
        client.settimeout(5)
        assert client.recv(1) == b""
    freezer.close()
    del freezer
    gc.collect()


def test_freezer_passes_on_the_reset_of_a_broker_that_closes_with_something_unread() -> None:
    with socket.create_server(("127.0.0.1", 0)) as broker:
        freezer = Freezer(broker.getsockname()[1])
        with socket.create_connection(("127.0.0.1", freezer.port)) as client:
            taken, _ = broker.accept()
            client.sendall(b"unread")
            assert select.select([taken], [], [], 10.0)[0]
            taken.close()
            client.settimeout(10.0)
            assert client.recv(1) == b""
        freezer.close()


def test_freezer_that_is_closed_while_somebody_connects_leaves_no_socket_open(broker: Broker) -> None:
    for pause_s in (0.0, 0.001, 0.003, 0.01):
        freezer = Freezer(broker.port)
        with socket.create_connection(("127.0.0.1", freezer.port)):
            time.sleep(pause_s)  # none is the right one: each meets another line
            freezer.close()
        assert not [thread for thread in freezer._threads if thread.is_alive()]
        del freezer
        gc.collect()

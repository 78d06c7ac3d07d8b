"""A console that ends lets go of every browser, whatever it is about."""

import contextlib
import gc
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from stage import Broker, Database, EnginePeer, running

ANSWERS = 100  # of some 150 kB: more than any buffer between two sockets holds


@contextmanager
def nothing_left_open(broker: Broker, database: Database) -> Iterator[tuple[str, int]]:
    """The address of a console, which is told to end with the `with`; then every socket of it is closed."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with running(broker.port, database.path) as console:
            place = urlsplit(console.url)
            yield str(place.hostname), int(place.port or 0)
        del console
        gc.collect()
    assert [str(one.message) for one in said if issubclass(one.category, ResourceWarning)] == []


def test_a_browser_that_does_not_take_its_answer_is_let_go(broker: Broker, engine: EnginePeer, database: Database) -> None:
    with nothing_left_open(broker, database) as address:
        browser = socket.create_connection(address)
        browser.sendall(b"GET /static/vendor/leaflet-1.9.4.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * ANSWERS)
        assert browser.recv(1)
    with browser, contextlib.suppress(ConnectionResetError):
        browser.settimeout(10)
        while browser.recv(1 << 20):
            pass


def test_browsers_that_come_while_it_ends_are_let_go(broker: Broker, engine: EnginePeer, database: Database) -> None:
    came: list[socket.socket] = []
    over = threading.Event()

    def come() -> None:
        with contextlib.suppress(OSError):
            while not over.is_set() and len(came) < 200:
                came.append(socket.create_connection(address, 5))

    with nothing_left_open(broker, database) as address:
        thread = threading.Thread(target=come)
        thread.start()
    over.set()
    thread.join()
    for browser in came:
        browser.close()

"""Who may ask the console for something."""

import pytest
from starlette.datastructures import Headers

from gateway.console.app import listen
from gateway.console.guard import refusal

OWN = {"host": "127.0.0.1:8480", "origin": "http://127.0.0.1:8480", "sec-fetch-site": "same-origin", "content-length": "9"}


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8480", "127.0.0.1", "localhost:9000", "localhost", "[::1]:8480", "[::1]", "127.8.8.8:1", "localhost:"]
)
def test_this_machine_may_read(host: str) -> None:
    assert refusal("GET", Headers({"host": host})) is None


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example:8480",
        "192.168.1.5:8480",
        "localhost.evil.example",
        "127.0.0.1.evil.example:80",
        "127.0.0.1:80@evil.example",
        "[::ffff:192.168.1.5]:8480",
        "::1",
        "[127.0.0.1]:80",
        "localhost:x",
        "[localhost]",
        "0.0.0.0:8480",
        "2130706433",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_another_host_is_refused(host: str, method: str) -> None:
    assert str(refusal(method, Headers(OWN | {"host": host, "origin": f"http://{host}"}))).startswith("Host:")


def test_our_own_page_may_order() -> None:
    assert refusal("POST", Headers(OWN)) is None


def test_a_browser_without_fetch_metadata_may_order() -> None:
    assert refusal("POST", Headers({name: value for name, value in OWN.items() if name != "sec-fetch-site"})) is None


@pytest.mark.parametrize(
    "other",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "https://127.0.0.1:8480"},
        {"origin": "http://127.0.0.1:8481"},
        {"origin": "http://localhost:8480"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_another_page_may_order_nothing(other: dict[str, str], method: str) -> None:
    assert refusal(method, Headers(OWN | other)) is not None


def test_an_order_without_an_origin_is_refused() -> None:
    assert str(refusal("POST", Headers({"host": "127.0.0.1:8480", "content-length": "9"}))).startswith("Origin:")


@pytest.mark.parametrize("length", ["65537", "1000000000", "", "-1", "9e9", "²"])
def test_a_body_that_is_no_form_of_ours_is_refused(length: str) -> None:
    headers = {name: value for name, value in OWN.items() if name != "content-length"} | ({"content-length": length} if length else {})
    assert str(refusal("POST", Headers(headers))).startswith("Content-Length:")


def test_with_tls_the_origin_is_of_https_and_the_name_one_of_the_certificate() -> None:
    own = OWN | {"host": "Keng.example", "origin": "https://Keng.example"}
    assert refusal("POST", Headers(own), scheme="https", names=("keng.example",)) is None
    assert refusal("POST", Headers(own | {"origin": "http://Keng.example"}), scheme="https", names=("keng.example",)) is not None
    assert refusal("POST", Headers(own), scheme="https", names=("other.example",)) is not None
    assert refusal("GET", Headers({"host": "192.0.2.7:443"}), names=("192.0.2.7",)) is None
    assert refusal("GET", Headers({"host": "[2001:db8::7]"}), names=("2001:db8::7",)) is None
    assert refusal("GET", Headers({"host": "2001:db8::7"}), names=("2001:db8::7",)) is not None


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
def test_the_console_listens_on_this_machine_only(host: str) -> None:
    with pytest.raises(ValueError, match="expected an address of this machine alone"):
        listen(host, 0)

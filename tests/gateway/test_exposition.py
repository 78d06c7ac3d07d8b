"""Numbers for Prometheus, read by the parser of Prometheus' own client."""

import asyncio
import contextlib
import math

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from gateway.exposition import Histogram, labelled, serve, single, text
from simulator.parts import free_ports

some_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('\n\\"'), max_size=30)


@given(some_text, st.dictionaries(some_text, st.floats(allow_nan=False, allow_infinity=False), max_size=4))
def test_whatever_a_label_says_is_read_back(words, values):
    (family,) = text_string_to_metric_families(text([labelled("keng_x", "gauge", words.replace("\n", " "), "who", values)]))
    assert {sample.labels["who"]: sample.value for sample in family.samples} == values


def test_several_labels_stand_beside_each_other():
    (family,) = text_string_to_metric_families(
        text([labelled("keng_x", "gauge", "what", ("channel", "state"), {("sms", "waiting"): 2, ("sia:police", "failed"): 1})])
    )
    assert [(sample.labels, sample.value) for sample in family.samples] == [
        ({"channel": "sms", "state": "waiting"}, 2),
        ({"channel": "sia:police", "state": "failed"}, 1),
    ]


@given(st.lists(st.floats(0, 100), max_size=20))
def test_a_histogram_counts_up_to_each_limit(durations):
    histogram = Histogram((0.1, 1.0, 10.0))
    for seconds in durations:
        histogram.add(seconds)
    (family,) = text_string_to_metric_families(text([histogram.metric("keng_s", "how long")]))
    found = {sample.labels.get("le", sample.name): sample.value for sample in family.samples}
    for limit in ("0.1", "1.0", "10.0"):
        assert found[limit] == sum(seconds <= float(limit) for seconds in durations)
    assert found["+Inf"] == found["keng_s_count"] == len(durations)
    assert math.isclose(found["keng_s_sum"], sum(durations), abs_tol=1e-9)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/metrics", 200), ("GET", "/", 404), ("POST", "/metrics", 404), ("GET", "/metrics?x", 404)]
)
def test_the_server_gives_metrics_and_nothing_else(method, path, status):
    async def run() -> httpx.Response:
        (port,) = free_ports(1)
        server = asyncio.create_task(serve("127.0.0.1", port, lambda: [single("keng_x", "counter", "what", 3)]))
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=5)) as client:
            answer = await client.request(method, f"http://127.0.0.1:{port}{path}")
        server.cancel()
        return answer

    answer = asyncio.run(run())
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert ("keng_x 3" in answer.text) == (status == 200)


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01", b"GET", b"GET /metrics HTTP/9.9\r\n\r\n", b"x" * 100_000])
def test_what_is_no_request_ends_nothing(said):
    async def run() -> str:
        (port,) = free_ports(1)
        server = asyncio.create_task(serve("127.0.0.1", port, lambda: [single("keng_x", "counter", "what", 3)]))
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=5)) as client:
            await client.get(f"http://127.0.0.1:{port}/metrics")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            writer.write_eof()
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()
            answer = await client.get(f"http://127.0.0.1:{port}/metrics")
        server.cancel()
        return answer.text

    assert "keng_x 3" in asyncio.run(run())

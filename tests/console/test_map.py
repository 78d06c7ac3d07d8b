"""The map: drawn from the site's description, without the Internet; a base map lies under it if there is one."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import maps
import pytest
from playwright.sync_api import Page, expect
from pmtiles.tile import TileType
from stage import COOKIES, Broker, Database, EnginePeer, RunningConsole, get, incident, log_in, peopled, running, until

from gateway.console.basemap import base_map
from gateway.settings import Map, Settings
from protocol.incident import RollCall

IDENT = "2026-000123"
SHOWN = ".map[data-state=shown]"


@contextmanager
def based(broker: Broker, database: Database, base: Map) -> Iterator[RunningConsole]:
    """A console with another base map."""
    with running(broker.port, database.path, Settings(map=base)) as console:
        until(lambda: console.health()["engine"] == "online", "the engine is heard")
        yield console


def pins(page: Page, sign: str) -> list[str]:
    """What stands in the pins of a kind."""
    return [text.strip() for text in page.locator(f".pin.{sign}").all_inner_texts()]


def test_the_map_of_an_incident_shows_place_bells_points_and_water(
    page: Page, console: RunningConsole, engine: EnginePeer, database: Database
) -> None:
    database.board("DCC-018", kind="fire_point")
    engine.publish(incident(groups=["TLG-03"]))
    page.goto(console.url)
    page.wait_for_selector(SHOWN)
    expect(page.locator(".pin.place")).to_have_text("▲ Hộ mẫu 03-07 (Đặng Văn Lượng)")
    expect(page.locator(".pin.home")).to_have_count(11)
    expect(page.locator(".pin.point.all")).to_have_count(1)
    assert sorted(pins(page, "home")) == sorted(["✓"] * 6 + ["!", "!", "▷", "✕", "!"])  # two need help, one bell is faulty
    assert sorted(pins(page, "point")) == ["?", "?", "✓ 4/4"]
    expect(page.locator(".pin.water")).to_have_count(2)
    expect(page.get_by_role("button", name="Phóng to bản đồ")).to_be_visible()
    expect(page.get_by_role("button", name="Thu nhỏ bản đồ")).to_be_visible()
    expect(page.locator(".leaflet-lane-names-pane .lane-name")).to_have_count(3)
    layer = "name => Number(getComputedStyle(document.querySelector(`.leaflet-${name}-pane`)).zIndex)"
    assert page.evaluate(layer, "lane-names") < page.evaluate(layer, "marker"), "no lane's name lies on the name of what burns"


def test_the_map_follows_what_comes_in_and_stays_where_somebody_moved_it(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    engine.publish(incident(groups=["TLG-03"]))
    page.goto(console.url)
    page.wait_for_selector(SHOWN)
    page.locator(".map").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("+")
    page.evaluate("window.inner = document.querySelector('.map')")
    before = page.locator(".leaflet-map-pane").get_attribute("style")
    roll = [RollCall(home="H03-11", name="Hộ mẫu 03-11", says="need_help", at_ms=1)]
    engine.publish(incident(revision=22, groups=["TLG-03"], roll_call=roll))
    page.wait_for_function("() => document.querySelectorAll('.pin.needs').length === 3")
    engine.publish(incident("2026-000124"))
    expect(page.locator("#row-2026-000124")).to_be_visible()
    expect(page.locator(SHOWN)).to_be_visible()
    assert page.evaluate("window.inner === document.querySelector('.map')"), "the same map, in its new place"
    assert page.locator(".leaflet-map-pane").get_attribute("style") == before


def test_without_an_alarm_the_map_shows_the_commune_and_its_fire_points(
    page: Page, console: RunningConsole, engine: EnginePeer, database: Database
) -> None:
    database.board("DCC-017", kind="fire_point")
    page.goto(console.url)
    page.wait_for_selector(SHOWN)
    expect(page.locator("#scene-all")).to_contain_text("Điểm chữa cháy đầu ngõ: ✓ đủ 4/4 bình")
    expect(page.locator(".pin.point.all")).to_have_count(1)
    assert sorted(pins(page, "point")) == ["?", "?", "✓ 4/4"]
    engine.die()
    expect(page.locator("#scene-all")).not_to_contain_text("✓")
    page.wait_for_function("() => [...document.querySelectorAll('.pin.point')].every((pin) => pin.textContent.trim() === '?')")


def test_a_map_that_does_not_load_is_said_and_everything_stands_in_words(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    page.route("**/map.geojson", lambda route: route.abort())
    engine.publish(incident())
    page.goto(console.url)
    expect(page.locator(".map")).to_contain_text("Không mở được bản đồ")
    expect(page.locator(f"#scene-{IDENT}")).to_contain_text("Điểm chữa cháy nhà văn hóa")
    expect(page.locator(f"#acknowledge-{IDENT}")).to_be_enabled()


def test_names_on_the_map_are_only_names(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    wicked = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>'
    engine.publish(incident())
    page.route("**/map.geojson", lambda route: route.fulfill(json=renamed(route.fetch().json(), wicked)))
    page.goto(console.url)
    page.wait_for_selector(SHOWN)
    expect(page.locator(".pin.place")).to_contain_text("<img src=x")
    page.locator(".pin.home").first.hover(force=True)
    assert page.evaluate("window.owned") is None


def renamed(found: dict[str, list[dict[str, dict[str, str]]]], name: str) -> dict[str, list[dict[str, dict[str, str]]]]:
    for feature in found["features"]:
        feature["properties"]["name"] = name
    return found


@pytest.mark.parametrize(("kind", "tile"), [("raster", maps.picture()), ("vector", maps.water())])
def test_a_base_map_from_one_file_lies_under_it(
    page: Page, broker: Broker, engine: EnginePeer, database: Database, tmp_path: Path, kind: str, tile: bytes
) -> None:
    path = maps.archive(tmp_path / "commune.pmtiles", tile, TileType.PNG if kind == "raster" else TileType.MVT)
    with based(broker, database, Map(pmtiles=path, attribution="© kiểm tra")) as console:
        engine.publish(incident())
        page.goto(console.url)
        page.wait_for_selector(SHOWN)
        page.wait_for_function("() => document.querySelector('.leaflet-tile-loaded')")
        expect(page.locator(".leaflet-control-attribution")).to_contain_text("© kiểm tra")
        page.evaluate("document.querySelectorAll('.pinbox, .leaflet-tooltip, path').forEach((one) => one.remove())")
        page.wait_for_timeout(300)
        with maps.colours(page.locator(".map").screenshot(caret="initial")) as seen:
            colour, count = max(seen.items(), key=lambda item: item[1])
    ground = (0xE9, 0xE6, 0xDF)
    assert colour != ground
    assert count > 20_000
    assert kind == "vector" or colour == (0x33, 0x66, 0x99)


@contextmanager
def tile_server() -> Iterator[tuple[str, list[str]]]:
    """A server of tiles elsewhere; gives its address and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.send_header("Cross-Origin-Resource-Policy", "cross-origin")
            self.end_headers()
            self.wfile.write(maps.picture())

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_tiles_of_a_server_come_only_if_the_settings_say_so(page: Page, broker: Broker, engine: EnginePeer, database: Database) -> None:
    with tile_server() as (address, asked):
        with based(broker, database, Map(tiles=address + "/{z}/{x}/{y}.png")) as console:
            page.goto(console.url)
            page.wait_for_selector(SHOWN)
            page.wait_for_function("() => document.querySelector('.leaflet-tile-loaded')")
            assert asked
            assert f"img-src 'self' {address};" in get(console.url).headers["content-security-policy"]
            page.wait_for_function("() => !document.querySelector('.leaflet-tile:not(.leaflet-tile-loaded)')")
            page.goto("about:blank")  # whose map asks for nothing more
            before = len(asked)
        with based(broker, database, Map()) as console:
            page.goto(console.url)
            page.wait_for_selector(SHOWN)
            assert "img-src 'self';" in get(console.url).headers["content-security-policy"]
            page.wait_for_timeout(500)
            assert len(asked) == before


def test_without_the_internet_the_communes_own_map_is_there(page: Page, broker: Broker, engine: EnginePeer, database: Database) -> None:
    with based(broker, database, Map(tiles="http://127.0.0.1:9/{z}/{x}/{y}.png")) as console:
        page.goto(console.url)
        page.wait_for_selector(SHOWN)
        expect(page.locator(".pin.home")).to_have_count(12)


def test_the_base_map_is_given_in_ranges(broker: Broker, engine: EnginePeer, database: Database, tmp_path: Path) -> None:
    path = maps.archive(tmp_path / "commune.pmtiles", maps.picture(), TileType.PNG)
    with based(broker, database, Map(pmtiles=path)) as console:
        answer = get(f"{console.url}/map.pmtiles", headers={"Range": "bytes=0-6"})
        assert (answer.status_code, answer.content) == (206, b"PMTiles")
        assert get(f"{console.url}/map.pmtiles", headers={"Range": "bytes=999999999-"}).status_code == 416
    with based(broker, database, Map()) as console:
        assert get(f"{console.url}/map.pmtiles").status_code == 404


def test_who_can_mend_an_unusable_base_map_is_told_on_the_page(
    broker: Broker, engine: EnginePeer, database: Database, tmp_path: Path
) -> None:
    (tmp_path / "text.pmtiles").write_text("no map")
    token = secrets.token_urlsafe(32)
    with running(broker.port, database.path, Settings(map=Map(pmtiles=tmp_path / "text.pmtiles")), site=peopled()) as console:
        log_in(console.own, "administrator-1", token)
        for cookies, path in ((COOKIES, "/log"), ({"session": token}, "/people")):
            text = httpx.get(console.url + path, cookies=cookies).text
            assert "Bản đồ nền không dùng được" in text
            assert "expected a PMTiles file of version 3" in text
    with based(broker, database, Map()) as console:
        assert "Bản đồ nền" not in get(f"{console.url}/log").text


def test_a_file_that_is_no_base_map_is_named_and_leaves_the_map_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "text.pmtiles").write_text("no map")
    assert "expected a PMTiles file of version 3" in base_map(tmp_path / "text.pmtiles", "", "").problem
    assert "expected a PMTiles file that can be read" in base_map(tmp_path / "gone.pmtiles", "", "").problem
    whole = maps.archive(tmp_path / "whole.pmtiles", maps.picture(), TileType.PNG)
    assert base_map(whole, "", "").kind == "raster"
    (tmp_path / "half.pmtiles").write_bytes(whole.read_bytes()[:-200])
    assert "it was not copied whole" in base_map(tmp_path / "half.pmtiles", "", "").problem
    assert base_map(None, "", "").kind == ""


@pytest.mark.parametrize(
    "tiles",
    ["javascript:alert(1)/{z}/{x}/{y}", "https://x.example/{z}/{x}.png", "https://x.example; script-src */{z}/{x}/{y}", "//x/{z}/{x}/{y}"],
)
def test_an_address_that_is_none_of_tiles_is_refused(tiles: str) -> None:
    with pytest.raises(ValueError, match="expected an address such as"):
        Map(tiles=tiles)

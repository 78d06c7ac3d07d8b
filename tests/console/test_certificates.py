"""The console with TLS: what a certificate must be, and that nothing goes in clear any more."""

import asyncio
import re
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import segno
from stage import PASSWORD, ROOT, free_port

from gateway import together
from gateway.console import certificates
from gateway.console.certificates import Certificate
from gateway.settings import Console as ConsoleSettings
from protocol.tomlfile import FileMistakes


def certified(folder: Path, *names: str) -> tuple[Path, Path]:
    """A certificate for these names, and its key."""
    certificate, key = folder / "console.pem", folder / "console.key"
    alternatives = ",".join(names)
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=keng", "-keyout", str(key), "-out", str(certificate), "-addext", f"subjectAltName={alternatives}"]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def test_a_certificate_says_under_which_names_we_are_known(tmp_path: Path) -> None:
    files = certified(tmp_path, "DNS:Keng.example", "DNS:*.example", "IP:127.0.0.1", "IP:::1")
    found = Certificate.of(ConsoleSettings(certificate=files[0], key=files[1]))
    assert found
    assert found.names == ("keng.example", "127.0.0.1", "::1")
    assert (found.address(443), found.address(8443)) == ("https://keng.example", "https://keng.example:8443")
    assert Certificate.of(ConsoleSettings()) is None


def test_a_certificate_that_cannot_be_used_is_wrong_input(tmp_path: Path) -> None:
    certificate, key = certified(tmp_path, "DNS:keng.example")
    other = tmp_path / "other"
    other.mkdir()
    wrong = certified(other, "DNS:other.example")[1]
    for file, with_key, why in (
        (tmp_path / "none.pem", key, "certificate: expected a certificate in PEM, got: No such file"),
        (key, key, "certificate: expected a certificate in PEM"),
        (certificate, wrong, "key: expected the key of"),
        (certificate, tmp_path / "none.key", "key: expected the key of"),
    ):
        with pytest.raises(FileMistakes, match=why):
            Certificate.of(ConsoleSettings(certificate=file, key=with_key))


def modules(page: str) -> set[tuple[int, int]]:
    """The dark modules of the QR code on a page, without its quiet zone of four: what the strokes of its path draw."""
    drawn = re.search(r'<svg[^>]* class="qr">.*?<path stroke="#000" d="([^"]+)"', page)
    assert drawn
    dark, x, y = set(), 0.0, 0.0
    for move, first, second, along in re.findall(r"([Mm])(-?[\d.]+) (-?[\d.]+)h(\d+)", drawn[1]):
        x, y = (float(first), float(second)) if move == "M" else (x + float(first), y + float(second))
        dark |= {(int(x) + step - 4, int(y) - 4) for step in range(int(along))}
        x += int(along)
    return dark


def test_with_tls_others_may_ask_and_cookies_never_go_in_clear(tmp_path: Path) -> None:
    """keng console as a process, on every address, with a certificate; and the code for the first administrator on its terminal."""
    certificate, key = certified(tmp_path, "DNS:keng.example", "IP:127.0.0.1")
    port = free_port()
    settings = tmp_path / "keng.toml"
    settings.write_text(f'[console]\nhost = "0.0.0.0"\nport = {port}\ncertificate = "{certificate}"\nkey = "{key}"\n')
    site = ROOT / "simulator/communes/ngo-thu-5.toml"
    command = [sys.executable, "-m", "keng", "console", "--site", str(site), "--settings", str(settings), "--data", str(tmp_path / "data")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            line = next(line for line in process.stdout if "/invitation/" in line)
            code = line.split("/invitation/")[1].strip()
            assert f"https://keng.example:{port}/invitation/" in line
            trusting = ssl.create_default_context(cafile=str(certificate))
            with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=trusting, timeout=20) as client:
                client.headers["Origin"] = f"https://127.0.0.1:{port}"
                answer = client.post(f"/invitation/{code}", data={"password": PASSWORD, "again": PASSWORD})
                assert answer.status_code == 303
                for cookie in answer.headers.get_list("set-cookie"):
                    assert cookie.startswith("__Host-")
                    assert "Secure" in cookie
                assert "quan-tri" in client.get("/people").text
                invited = client.post("/people/truc-ban-1/invite").text
                link = re.search(rf'id="link">(https://keng\.example:{port}/invitation/[A-Z0-9-]+)<', invited)
                assert link
                assert modules(invited) == {
                    (x, y) for y, row in enumerate(segno.make(link[1], error="m").matrix) for x, on in enumerate(row) if on
                }
                assert client.post("/logout", headers={"Origin": f"http://127.0.0.1:{port}"}).status_code == 403
                for name, status in (("keng.example", 200), ("evil.example", 403)):
                    assert client.get("/healthz", headers={"Host": f"{name}:{port}"}).status_code == status
            with pytest.raises(httpx.HTTPError):
                httpx.get(f"http://127.0.0.1:{port}/login")
            assert asyncio.run(together.engine_online(f"https://127.0.0.1:{port}")) == "the console does not see the engine yet"
        finally:
            process.terminate()
            assert process.wait(20) == 0


def test_a_new_certificate_is_taken_while_it_runs_and_a_bad_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(certificates, "LOOK_S", 0.02)
    file, key = certified(tmp_path, "DNS:keng.example")
    found = Certificate.of(ConsoleSettings(certificate=file, key=key))
    assert found

    async def shown(port: int) -> bytes:
        anybody = ssl.create_default_context()
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=anybody)
        certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return certificate

    async def serve() -> None:
        context = found.context()
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        renewing = asyncio.create_task(found.renew(context))
        first = await shown(port)
        file.write_text("no certificate")
        async with asyncio.timeout(20):
            while "cannot be used" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert await shown(port) == first
        certified(tmp_path, "DNS:keng.example")
        async with asyncio.timeout(20):
            while await shown(port) == first:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        server.close()

    asyncio.run(serve())

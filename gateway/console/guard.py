"""What stands before every route: only our own names, only our own pages, only our own files."""

import ipaddress
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# No Strict-Transport-Security: a browser that was told it lets nobody pass a certificate that has run out, not even at three in the
# morning in a fire.
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # no-referrer would make browsers send "Origin: null" with our own forms (Fetch, 3.2).
    "Referrer-Policy": "same-origin",
}
# What one person was shown shall not lie in the browser for the next; our own files may, and are asked for anew.
CACHES = {True: "no-cache", False: "no-store"}
SAFE = ("GET", "HEAD")
BODY_MAX = 65536  # of a form of ours some hundred bytes; who is not logged in yet shall not fill the memory


def refusal(method: str, headers: Headers, *, scheme: str = "http", names: Collection[str] = ()) -> str | None:
    """Why a request is not for us, or None. `names`: under which we are known beside this machine's own, in lower case.

    A page of another site whose name was made to lead to 127.0.0.1 (DNS rebinding) says its own name as Host. A form on another page,
    or on another port of this machine, says its own Origin; browsers send one with every POST.
    """
    host = headers.get("host", "")
    if not _is_ours(host, names):
        return f"Host: expected {', '.join((*names, 'localhost'))}, 127.0.0.1 or [::1], got {host!r}"
    if method in SAFE:
        return None
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdigit() and int(length) <= BODY_MAX):
        return f"Content-Length: expected a number up to {BODY_MAX}, got {length!r}"
    origin = headers.get("origin", "")
    if origin != f"{scheme}://{host}":
        return f"Origin: expected '{scheme}://{host}', got {origin!r}"
    site = headers.get("sec-fetch-site", "same-origin")
    if site != "same-origin":
        return f"Sec-Fetch-Site: expected 'same-origin', got {site!r}"
    return None


def _is_ours(host: str, names: Collection[str]) -> bool:
    """For a Host header: a name or an address, and perhaps a port (a tunnel may change it, so any)."""
    name, _, port = host.rpartition(":") if ":" in host and not host.endswith("]") else (host, "", "")
    if port and not (port.isascii() and port.isdigit()):
        return False
    if name == "localhost" or name.lower() in names:
        return True
    bracketed = name.startswith("[") and name.endswith("]")
    try:
        address = ipaddress.ip_address(name[1:-1] if bracketed else name)
    except ValueError:
        return False
    return bracketed == (address.version == 6) and (address.is_loopback or str(address) in names)


class Guard:
    """ASGI middleware: refuses with 403, and adds HEADERS to every answer. `pictures`: an origin from which pages may take map tiles."""

    def __init__(self, app: ASGIApp, names: Collection[str] = (), pictures: str = "") -> None:
        self._app = app
        self._names = names
        policy = POLICY.replace("img-src 'self'", f"img-src 'self' {pictures}") if pictures else POLICY
        self._headers = HEADERS | {"Content-Security-Policy": policy}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        why = refusal(scope["method"], Headers(scope=scope), scheme=scope["scheme"], names=self._names)
        cache = CACHES[scope["path"].startswith("/static/")]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers | {"Cache-Control": cache})
            await send(message)

        app = self._app if why is None else PlainTextResponse(f"403: {why}\n", 403)
        await app(scope, receive, send_with_headers)

"""A small Hugging Face Hub on 127.0.0.1, which is a plain file server too, with the faults that real ones have.

It answers what `huggingface_hub` requests for a file: HEAD and GET of /spaces/USER/REPO/resolve/COMMIT/PATH, as the Hub
does for a large file: with a redirect to a storage host (here /blobs/SHA256 on the same server).
"""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """The server's file, its fault, and the requests it got."""

    content: bytes
    repo: str = "spaces/someone/film"
    path: str = "saves/weights.pth"
    fault: str = ""  # cut, short, corrupt, corrupt-once, 404, gated, gone, moved, error, slow or other; see _Handler
    pause: float = 0.0  # seconds between chunks of the body
    requests: list[str] = field(default_factory=list)
    bodies: int = 0
    tokens: list[str] = field(default_factory=list)  # "/path token" of every request with one

    def __post_init__(self) -> None:
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def body(self) -> bytes:
        """The next body to send: with the fault "corrupt-once" only the first is wrong."""
        self.bodies += 1
        if self.fault == "corrupt" or (self.fault == "corrupt-once" and self.bodies == 1):
            return bytes([self.content[0] ^ 1]) + self.content[1:]
        return self.content

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None:
        return None

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub, path = self.hub, unquote(self.path)
        hub.requests.append(f"{self.command} {path}")
        if auth := self.headers.get("Authorization"):
            hub.tokens.append(f"{path} {auth.removeprefix('Bearer ')}")
        if path in (f"/blobs/{hub.sha256}", "/file"):
            self._plain() if path == "/file" else self._body()
        elif path.startswith(f"/{hub.repo}/resolve/{COMMIT}/"):
            self._resolve(path)
        elif path.startswith(f"/renamed/{hub.repo}/resolve/"):
            self._pointer()
        else:
            self._status(404, {"X-Error-Code": "RepoNotFound"})

    def _resolve(self, path: str) -> None:
        match self.hub.fault:
            case "404":
                self._status(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
            case "gone":
                self._status(404, {"X-Error-Code": "RevisionNotFound"})
            case "gated" if not self.headers.get("Authorization"):
                self._status(403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to this repo is restricted"})
            case "error":
                self._status(503)
            case "moved":  # a repository that was renamed: a redirect within the Hub, which clients follow
                self._status(307, {"Location": f"/renamed{path}"})
            case _:
                self._pointer()

    def _pointer(self) -> None:
        size = len(self.hub.content) + (1 if self.hub.fault == "other" else 0)
        self._status(
            302,
            {
                "Location": f"{self.hub.url.replace('127.0.0.1', 'localhost')}/blobs/{self.hub.sha256}",
                "X-Repo-Commit": COMMIT,
                "X-Linked-Etag": f'"{self.hub.sha256}"',
                "X-Linked-Size": str(size),
            },
        )

    def _plain(self) -> None:
        """A plain URL, like a file on a release page."""
        match self.hub.fault:
            case "404" | "gone":
                self._status(404)
            case "gated":
                self._status(401)
            case "error":
                self._status(503)
            case "moved":
                self._status(302, {"Location": f"/blobs/{self.hub.sha256}"})
            case "mute" | "hangs up" | "not HTTP":
                if self.hub.fault == "mute":
                    time.sleep(3)
                if self.hub.fault == "not HTTP":
                    self.wfile.write(b"220 ready\r\n")
                self.close_connection = True
            case _:
                self._body()

    def _body(self) -> None:
        body, fault = self.hub.body(), self.hub.fault
        if fault in ("short", "other"):
            body = body[:-10] if fault == "short" else body + b"x"
        start = 0
        if (wanted := self.headers.get("Range")) and fault != "short":
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            body = body[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        # "cut" sends the first half of the file and, however often it is retried, not a byte more
        sent = body[: max(0, len(self.hub.content) // 2 - start)] if fault == "cut" else body
        try:
            for at in range(0, len(sent), 8192):
                self.wfile.write(sent[at : at + 8192])
                time.sleep(self.hub.pause)
            if fault == "slow":
                time.sleep(3)
        except OSError:  # the client closed the connection
            self.close_connection = True
        if fault == "cut":
            self.close_connection = True

    def _status(self, code: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": "0", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()

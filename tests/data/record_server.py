"""A server on loopback that has records of files, as Zenodo has them, and can fail in the ways in which servers do."""

import contextlib
import hashlib
import http.server
import json
import socket
import struct
import threading
from pathlib import Path

import numpy as np
from archive_support import FAN

CONTENT = np.random.default_rng(0).bytes(300_000)


class Server(http.server.ThreadingHTTPServer):
    """Serves a record and its files; the answers to the next requests for files can be chosen.

    ``answers`` has one for each of the next requests: ``("cut", n)`` closes the connection after n bytes,
    ``("call", n, function)`` calls a function after n bytes, ``("status", code, headers)`` is an error,
    ``("hang up",)`` is no answer at all, ``("from", n)`` is the part from byte n on, ``("page", body)`` another file
    than the one that was asked for, ``("chunks", n)`` sends n bytes in chunks that announce no length of the whole.
    After them, files are served as they are.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/record"
        self.files = {FAN.name: CONTENT}
        self.record = None
        self.parts = {}  # the names of the files that /record/<part> lists, where there are several records
        self.ranges = True
        self.lengths = True
        self.answers = []
        self.record_answers = []
        self.requested = []  # first bytes of the files that were asked for
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def entries(self, link="self", names=None):
        """Of the files, as Zenodo has them."""
        return [
            {
                "key": name,
                "size": len(content),
                "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
                "links": {link: f"http://127.0.0.1:{self.server_port}/files/{name}"},
            }
            for name, content in self.files.items()
            if names is None or name in names
        ]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.close_connection = True
        with contextlib.suppress(ConnectionError):
            if self.path.startswith("/record"):
                self.send_record(self.path.removeprefix("/record").strip("/"))
            else:
                self.send_file(Path(self.path).name)

    def send_record(self, part):
        record = self.server.record
        if record is None:
            record = {"files": self.server.entries(names=self.server.parts.get(part))}
        if self.server.record_answers:
            self.send_answer(self.server.record_answers.pop(0), b"")
        else:
            self.send_whole(200, record if isinstance(record, bytes) else json.dumps(record).encode())

    def send_file(self, name):
        content, status, headers = self.server.files[name], 200, {}
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.server.requested.append(start)
        if start and self.server.ranges:
            status, headers = 206, {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            content = content[start:]
        if self.server.answers:
            self.send_answer(self.server.answers.pop(0), content, status, headers)
        else:
            self.send_whole(status, content, headers)

    def send_answer(self, answer, content, status=200, headers=None):
        match answer:
            case ("status", code, headers):
                self.send_whole(code, b"", headers)
            case ("from", start):
                content = self.server.files[Path(self.path).name]
                headers = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
                self.send_whole(206, content[start:], headers)
            case ("page", body):
                self.send_whole(200, body)
            case ("hang up",):
                self.connection.shutdown(socket.SHUT_RDWR)
            case ("chunks", length):
                self.send_response(status)
                for header in ({} if headers is None else headers).items():
                    self.send_header(*header)
                self.send_header("Transfer-Encoding", "chunked")
                self.send_header("Connection", "close")
                self.end_headers()
                for start in range(0, length, 40_000):
                    chunk = content[start : min(start + 40_000, length)]
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                if length == len(content):
                    self.wfile.write(b"0\r\n\r\n")
            case ("cut", length):
                self.send_whole(status, content, headers, send=length)
                # an RST, as a lost connection gives it, and not the FIN of an orderly end
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            case ("end", length):
                self.send_whole(status, content, headers, send=length)
            case ("call", length, function):
                self.send_whole(status, content, headers, send=length)
                function()
                self.wfile.write(content[length:])

    def send_whole(self, status, content, headers=None, send=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.server.lengths:
            self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content[:send])
        self.wfile.flush()


@contextlib.contextmanager
def serving(monkeypatch):
    """A server that the programs reach without a proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    yield server
    server.shutdown()
    server.server_close()

"""A proxy on loopback in front of a real S3 server: counts what is sent, and lets a test step in before a request is passed on.

    counting = CountingS3(services.Moto(workspace))      # or Swift, ConditionalS3: anything with endpoint, key, secret, region
    self.addCleanup(counting.close)
    ... cooper with counting.endpoint, .key, .secret, .region ...
    counting.count("UploadPartCopy"); counting.body_bytes("UploadPart"); counting.clear()
    counting.before = lambda request: Answer(501, "NotImplemented") if request.operation == "UploadPartCopy" else None

Path, query, Host and body are passed on byte for byte, so the server still verifies signatures. Bodies are streamed.
"""

import collections
import http
import socket
import threading
import time
import urllib.parse

CHUNK = 1 << 20
MAX_HEAD = 64 * 1024

# How a hook can end a request itself.
Answer = collections.namedtuple("Answer", "status code message", defaults=("", ""))  # the server never sees the request
Drop = collections.namedtuple("Drop", "after_bytes", defaults=(0,))  # so much of the body is passed on, then all connections break


class Seen:
    """One request. `operation` is S3's own name of it, `body` how many bytes of it were passed on, `status` None until the answer."""

    def __init__(self, method, target, headers):
        self.method, self.headers = method, headers
        self.target = target
        path, _, self.query = target.partition("?")
        self.path = urllib.parse.unquote(path)
        self.bucket, _, self.key = self.path.removeprefix("/").partition("/")
        self.fields = dict(urllib.parse.parse_qsl(self.query, keep_blank_values=True))
        self.operation = self.name_operation()
        self.length = int(headers.get("content-length", "0"))
        self.body = 0
        self.status = None

    def name_operation(self):
        method, fields = self.method, self.fields
        if not self.key:
            if method == "GET":
                return "ListMultipartUploads" if "uploads" in fields else "ListObjects"
            return {"HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}.get(method, method)
        if method == "PUT":
            copied = "x-amz-copy-source" in self.headers
            if "partNumber" in fields:
                return "UploadPartCopy" if copied else "UploadPart"
            return "CopyObject" if copied else "PutObject"
        if method == "POST":
            return "CreateMultipartUpload" if "uploads" in fields else "CompleteMultipartUpload"
        if "uploadId" in fields:
            return {"GET": "ListParts", "DELETE": "AbortMultipartUpload"}.get(method, method)
        return {"GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}.get(method, method)

    def __repr__(self):
        return "%s %s %d bytes -> %s" % (self.operation, self.target, self.body, self.status)


class Broken(Exception):
    """One end of an exchange is gone."""


class CountingS3:
    def __init__(self, server, before=None):
        self.key, self.secret, self.region = server.key, server.secret, server.region
        # Called as before(request) from the thread of the request, before anything is passed on; may wait. None lets it pass.
        self.before = before or (lambda request: None)
        self.upstream = (urllib.parse.urlsplit(server.endpoint).hostname, urllib.parse.urlsplit(server.endpoint).port)
        self.lock = threading.Lock()
        self.seen = []
        self.clients = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.endpoint = "http://127.0.0.1:%d" % self.port
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            clients = list(self.clients)
        for client in clients:
            hang_up(client)

    def requests(self, operation=None):
        """What came so far, in the order in which it began."""
        with self.lock:
            return [seen for seen in self.seen if operation in (None, seen.operation)]

    def count(self, operation=None):
        return len(self.requests(operation))

    def body_bytes(self, operation=None):
        return sum(seen.body for seen in self.requests(operation))

    def clear(self):
        with self.lock:
            self.seen = []

    def wait_for(self, operation, times=1, seconds=60):
        """Until that many of them have been answered; False when they have not been in time."""
        deadline = time.monotonic() + seconds
        while sum(1 for seen in self.requests(operation) if seen.status is not None) < times:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self.clients.add(client)
        try:
            connection = Connection(client)
            while self.exchange(connection):
                pass
        except (Broken, OSError):
            pass
        finally:
            with self.lock:
                self.clients.discard(client)
            hang_up(client)
            client.close()

    def exchange(self, client):
        """One request and its answer; False when the connection ends with it."""
        head = client.read_head()
        if head is None:
            return False
        (method, target, _), fields = head
        seen = Seen(method, target, {name.lower(): value for name, value in fields})
        with self.lock:
            self.seen.append(seen)
        verdict = self.before(seen)
        if isinstance(verdict, Answer):
            return refuse(client, seen, verdict)
        if seen.headers.get("expect", "").lower() == "100-continue":
            client.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        with socket.create_connection(self.upstream) as upstream:
            upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = Connection(upstream)
            server.send_head("%s %s HTTP/1.1" % (method, target), without(fields, "connection", "expect") + [("Connection", "close")])
            passed = verdict.after_bytes if isinstance(verdict, Drop) else seen.length
            for count in client.pass_on(server, min(passed, seen.length)):
                seen.body += count
            if isinstance(verdict, Drop):
                return False
            return relay_answer(server, client, seen)


class Connection:
    """A socket and what was read from it too early."""

    def __init__(self, connected):
        self.socket = connected
        self.rest = b""
        self.buffer = None

    def read_head(self):
        """The words of the first line and the fields; None at the end of the connection."""
        while b"\r\n\r\n" not in self.rest:
            data = self.socket.recv(CHUNK if self.rest else MAX_HEAD)
            if not data and not self.rest:
                return None
            if not data or len(self.rest) > MAX_HEAD:
                raise Broken()
            self.rest += data
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        return first.split(" ", 2), [tuple(part.strip() for part in line.split(":", 1)) for line in lines]

    def send_head(self, first, fields):
        self.socket.sendall(("\r\n".join([first] + ["%s: %s" % field for field in fields]) + "\r\n\r\n").encode("latin-1"))

    def pass_on(self, to, length=None):
        """Sends so many bytes (None: all until the end) to the other connection; yields the size of each step."""
        if self.rest:
            data, self.rest = self.rest[:length], b"" if length is None else self.rest[length:]
            to.socket.sendall(data)
            yield len(data)
            length = None if length is None else length - len(data)
        if self.buffer is None:
            self.buffer = memoryview(bytearray(CHUNK))
        while length is None or length > 0:
            count = self.socket.recv_into(self.buffer if length is None else self.buffer[:length])
            if count == 0:
                if length is None:
                    return
                raise Broken()
            to.socket.sendall(self.buffer[:count])
            yield count
            length = None if length is None else length - count


def relay_answer(server, client, seen):
    head = server.read_head()
    while head is not None and head[0][1] == "100":
        head = server.read_head()
    if head is None:
        raise Broken()
    (_, status, *reason), fields = head
    seen.status = int(status)
    names = {name.lower(): value for name, value in fields}
    bodiless = seen.method == "HEAD" or status in ("204", "304")
    framed = bodiless or "content-length" in names or "transfer-encoding" in names
    client.send_head("HTTP/1.1 %s %s" % (status, " ".join(reason)),
                     without(fields, "connection", "keep-alive") + ([] if framed else [("Connection", "close")]))
    if not bodiless:
        # A chunked body is passed on as it is framed; the server closes after it.
        length = None if "transfer-encoding" in names or not framed else int(names["content-length"])
        collections.deque(server.pass_on(client, length), maxlen=0)
    return framed


def refuse(client, seen, verdict):
    """Answers without having taken the body, so the connection has to end."""
    body = b""
    if seen.method != "HEAD" and verdict.code:
        body = ('<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%s</Code><Message>%s</Message></Error>'
                % (verdict.code, verdict.message)).encode()
    seen.status = verdict.status
    client.send_head("HTTP/1.1 %d %s" % (verdict.status, http.HTTPStatus(verdict.status).phrase),
                     [("Content-Length", len(body)), ("Content-Type", "application/xml"), ("Connection", "close")])
    client.socket.sendall(body)
    # Closing with unread bytes would reset the connection before the answer is read.
    client.socket.shutdown(socket.SHUT_WR)
    if "expect" not in seen.headers:
        remaining = max(0, seen.length - len(client.rest))
        while remaining > 0 and (data := client.socket.recv(min(CHUNK, remaining))):
            remaining -= len(data)
    return False


def without(fields, *names):
    return [field for field in fields if field[0].lower() not in names]


def hang_up(connected):
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass

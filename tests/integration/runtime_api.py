"""A Runtime API: takes build contexts in both forms, is asked for their status, and goes wrong on request. With `engine` it really builds.

    with RuntimeApi(directory) as api:
        api.goes_wrong("/build", Fault(status=429, headers={"Retry-After": "1"}), times=2)
        api.words = ["PENDING", "RUNNING"]          # one for each question, then the end
        api.end, api.error = "FAILURE", "no space"  # default: SUCCESS
        ... RUNTIME_API_URL=api.url RUNTIME_API_KEY=api.key ...
        api.builds[0].names, api.builds[0].path

A context is decoded while it arrives: memory does not grow with it.
"""

import base64
import collections
import dataclasses
import hmac
import http.server
import json
import os
import re
import socket
import struct
import sys
import tarfile
import threading
import time
import urllib.parse

import services

STEP = 1 << 20
MAX_SMALL = 1 << 16
JSON_WORDS = {"PENDING": "pending", "QUEUED": "pending", "RUNNING": "running", "SUCCESS": "completed"}


@dataclasses.dataclass
class Fault:
    """What happens instead of the right answer. `cut`: "before" a byte is read, in the middle of the "upload", in the middle of the "answer"."""

    status: int = 200
    body: object = b""
    headers: dict = dataclasses.field(default_factory=dict)
    cut: str = ""
    cut_after: int = STEP


@dataclasses.dataclass
class Build:
    id: str
    form: str = ""  # "multipart" or "json"
    names: list = dataclasses.field(default_factory=list)
    path: str = ""  # of the context, gzip-compressed; empty: it was counted and dropped
    size: int = 0
    asked: int = 0
    ended: str = ""  # set by a real build
    error: str = ""


class Refusal(Exception):
    def __init__(self, status, detail):
        super().__init__(detail)
        self.status, self.detail = status, detail


class Cut(Exception):
    """The connection breaks now."""


class Body:
    """A request's body, read in pieces up to marks."""

    def __init__(self, stream, length, cut_after=None):
        self.stream, self.left, self.cut_after, self.buffer = stream, length, cut_after, b""

    def more(self):
        if self.cut_after is not None and self.cut_after <= 0:
            raise Cut()
        piece = self.stream.read1(min(STEP, self.left)) if self.left else b""
        self.left -= len(piece)
        if self.cut_after is not None:
            self.cut_after -= len(piece)
        self.buffer += piece
        return len(piece)

    def until(self, mark):
        """Pieces up to `mark`, which is dropped."""
        while True:
            found = self.buffer.find(mark)
            if found >= 0:
                piece, self.buffer = self.buffer[:found], self.buffer[found + len(mark):]
                yield piece
                return
            keep = len(mark) - 1
            if len(self.buffer) > keep:
                piece, self.buffer = self.buffer[:len(self.buffer) - keep], self.buffer[len(self.buffer) - keep:]
                yield piece
            if not self.more():
                raise Refusal(400, "the body ends before " + repr(mark))

    def small(self, mark):
        text = b""
        for piece in self.until(mark):
            text += piece
            if len(text) > MAX_SMALL:
                raise Refusal(413, "a field is too large")
        return text

    def rest(self):
        while self.more():
            if len(self.buffer) > MAX_SMALL:
                raise Refusal(413, "too much behind the context")
        return self.buffer


class CountedContext:
    """base64 that is looked at and dropped: decoding gigabytes takes Python half a minute."""

    ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    def __init__(self):
        self.head, self.characters, self.padding = b"", 0, b""

    def write(self, text):
        self.head += text[:4 - len(self.head)]
        self.characters += len(text)
        self.padding += text.translate(None, self.ALPHABET)

    def close(self):
        pass

    def finish(self):
        if self.characters % 4 or self.padding not in (b"", b"=", b"=="):
            raise Refusal(400, "the context is no base64")
        if base64.b64decode(self.head)[:2] != b"\x1f\x8b":
            raise Refusal(400, "the context is not compressed with gzip")

    @property
    def size(self):
        return self.characters // 4 * 3 - len(self.padding)


class Context:
    """base64 in, the decoded bytes in a file."""

    def __init__(self, path):
        self.path, self.size, self.pending, self.head = path, 0, b"", b""
        self.file = open(path, "wb")

    def write(self, text):
        text = self.pending + text
        whole = len(text) // 4 * 4
        self.pending = text[whole:]
        try:
            # validate=True costs ten times as much, and drops nothing that the size would not tell.
            data = base64.b64decode(text[:whole])
        except ValueError as error:
            raise Refusal(400, "the context is no base64: %s" % error) from error
        if len(data) < whole // 4 * 3 - 2:
            raise Refusal(400, "the context holds what is no base64")
        self.size += len(data)
        if len(self.head) < 2:
            self.head += data[:2]
        self.file.write(data)

    def close(self):
        self.file.close()

    def finish(self):
        self.close()
        if self.pending:
            raise Refusal(400, "the context is cut: no base64 has %d characters at its end" % len(self.pending))
        if self.head[:2] != b"\x1f\x8b":
            raise Refusal(400, "the context is not compressed with gzip")
        self.check_tar()

    def check_tar(self):
        try:
            with tarfile.open(self.path, "r|gz") as tar:
                names = [member.name for member in tar]
        except (tarfile.TarError, OSError, EOFError) as error:
            raise Refusal(400, "the context is no tar: %s" % error) from error
        if "Dockerfile" not in names and "./Dockerfile" not in names:
            raise Refusal(400, "the context has no Dockerfile")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """Clients that go away are what the tests are about."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class RuntimeApi:
    """On loopback, until close(). `directory` takes the contexts; None: they are counted and dropped. `engine`: socket of one that builds."""

    key = "runtime-key-0123456789"
    prefix = "registry.example.com/project"

    def __init__(self, directory=None, engine=None):
        self.directory, self.engine = directory, engine
        self.lock, self.faults = threading.Lock(), collections.defaultdict(collections.deque)
        self.builds, self.seen, self.images = [], [], set()
        self.words, self.end, self.error, self.names_image = [], "SUCCESS", None, True
        self.uploading = threading.Event()  # a context has begun to come
        self.reads_slowly = 0  # seconds of rest after each piece of a context
        self.server = Server(("127.0.0.1", 0), type("Handler", (Handler,), {"api": self}))
        self.url = "http://127.0.0.1:%d/api" % self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def environment(self):
        return {"RUNTIME_API_URL": self.url, "RUNTIME_API_KEY": self.key}

    def goes_wrong(self, path, fault, times=1):
        """`path`: "/build", "/build_status", "/image_exists", "/registry_prefix"."""
        with self.lock:
            self.faults[path].extend([fault] * times)

    def next_fault(self, path):
        with self.lock:
            return self.faults[path].popleft() if self.faults[path] else None

    def count(self, path):
        return sum(1 for seen in self.seen if seen.split("?")[0].split(" ")[1] == "/api" + path)

    def new_build(self, form):
        with self.lock:
            build = Build("build-%d" % (len(self.builds) + 1), form)
            if self.directory:
                build.path = os.path.join(self.directory, build.id + ".tar.gz")
            self.builds.append(build)
            return build

    def begin(self, build):
        if self.engine:
            threading.Thread(target=self.really_build, args=(build,), daemon=True).start()

    def really_build(self, build):
        try:
            query = urllib.parse.urlencode([("t", name) for name in build.names] + [("dockerfile", "Dockerfile"), ("rm", "1"), ("forcerm", "1")])
            with open(build.path, "rb") as context:
                status, said = self.ask_engine("POST", "/build?" + query, context,
                                               {"Content-Type": "application/x-tar", "Content-Length": str(os.path.getsize(build.path))})
            errors = [json.loads(line).get("errorDetail") for line in said.splitlines() if line.startswith(b"{")]
            build.error = " ".join(error["message"] for error in errors if error)
            build.ended = "FAILURE" if status != 200 or build.error else "SUCCESS"
        except Exception as error:  # whatever it is, the client is to hear of it
            build.error, build.ended = repr(error), "INTERNAL_ERROR"

    def ask_engine(self, method, path, body=None, headers=None):
        connection = services.UnixConnection(self.engine)
        try:
            connection.request(method, "/v1.41" + path, body, headers or {})
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def exists(self, image):
        if self.engine:
            return self.ask_engine("GET", "/images/%s/json" % image)[0] == 200
        return image in self.images

    def status(self, build):
        if self.engine:
            word, error = build.ended or "RUNNING", build.error
        else:
            word, error = (self.words[build.asked] if build.asked < len(self.words) else self.end), self.error
        build.asked += 1
        answer = {"status": JSON_WORDS.get(word, "failed" if word == "FAILURE" else word) if build.form == "json" else word}
        if word == "SUCCESS":
            self.images.update(build.names)
            if self.names_image:
                answer["image"] = build.names[0]
        elif error is not None:
            answer["error"] = error
        return answer


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    api = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer()

    def answer(self):
        self.api.seen.append("%s %s" % (self.command, self.path))
        path, _, query = self.path.partition("?")
        path = path[len("/api"):] if path.startswith("/api/") else path
        kind = "/build_status" if path.startswith("/build_status/") else path
        fault = self.api.next_fault(kind)
        try:
            if fault and fault.cut == "before":
                raise Cut()
            if not hmac.compare_digest(self.headers.get("X-API-Key", ""), self.api.key):
                raise Refusal(401, "Invalid API key")
            if fault and not fault.cut:
                self.drop_body()
                self.reply(fault.status, fault.body if isinstance(fault.body, bytes) else json.dumps(fault.body).encode(), fault.headers)
                return
            answer = self.operation(kind, path, dict(urllib.parse.parse_qsl(query)), fault)
            self.reply(200, json.dumps(answer).encode(), {}, cut=bool(fault and fault.cut == "answer"))
        except Refusal as refusal:
            self.close_connection = True
            self.reply(refusal.status, json.dumps({"detail": refusal.detail}).encode(), {})
        except (Cut, ConnectionError):
            self.cut_connection()

    def operation(self, kind, path, query, fault):
        if self.command == "POST" and kind == "/build":
            return self.take_build(fault)
        if kind == "/registry_prefix":
            return {"registry_prefix": self.api.prefix}
        if kind == "/build_status":
            wanted = query.get("build_id", path.rpartition("/")[2])
            for build in self.api.builds:
                if build.id == wanted:
                    return self.api.status(build)
            raise Refusal(404, "No such build")
        if kind == "/image_exists":
            found = self.api.exists(query.get("image", ""))
            return {"exists": found, **({"image": {"upload_time": "2024-01-16T09:15:42Z", "image_size_bytes": 1}} if found else {})}
        raise Refusal(404, "Not Found")

    def take_build(self, fault):
        length = int(self.headers.get("Content-Length", "-1"))
        if length < 0:
            raise Refusal(411, "Length Required")
        body = Body(self.rfile, length, fault.cut_after if fault and fault.cut == "upload" else None)
        content_type = self.headers.get("Content-Type", "")
        build = self.api.new_build("json" if content_type == "application/json" else "multipart")
        if build.form == "json":
            self.take_json(body, build)
        else:
            boundary = re.fullmatch(r'multipart/form-data; boundary="?([^"]+)"?', content_type)
            if not boundary:
                raise Refusal(415, "neither a form nor JSON")
            self.take_form(body, boundary[1].encode(), build)
        if not build.names or not build.size:
            raise Refusal(422, "context and target_image are required")
        self.api.begin(build)
        return {"build_id": build.id}

    def take_context(self, pieces, build):
        context = Context(build.path) if build.path else CountedContext()
        try:
            for piece in pieces:
                context.write(piece)
                self.api.uploading.set()
                time.sleep(self.api.reads_slowly)
            context.finish()
            build.size = context.size
        finally:
            context.close()

    def take_form(self, body, boundary, build):
        body.small(b"--" + boundary)
        while True:
            while len(body.buffer) < 2 and body.more():
                pass
            if body.buffer.startswith(b"--"):
                body.rest()
                return
            head = body.small(b"\r\n\r\n").decode()
            name = re.search(r'; name="([^"]+)"', head)[1]
            end = b"\r\n--" + boundary
            if name == "context":
                if 'filename="context.tar.gz"' not in head or "application/x-tar" not in head:
                    raise Refusal(422, "the context is no file: " + head)
                self.take_context(body.until(end), build)
            elif name in ("target_image", "tags"):
                build.names.insert(0 if name == "target_image" else len(build.names), body.small(end).decode())
            else:
                raise Refusal(422, "unknown field " + name)

    def take_json(self, body, build):
        """{"context": "BASE64", "target_image": "NAME"}: the context must be first."""
        head = body.small(b'"context"') + body.small(b'"')
        self.take_context(body.until(b'"'), build)
        document = json.loads(head.replace(b":", b'"context":') + b'""' + body.rest())
        build.names = [document["target_image"]]

    def drop_body(self):
        body = Body(self.rfile, int(self.headers.get("Content-Length", "0")))
        while body.more():
            body.buffer = b""

    def reply(self, status, body, headers, cut=False):
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body[:len(body) // 2] if cut else body)
        if cut:
            raise Cut()

    def cut_connection(self):
        """By a reset, so that nobody takes it for an end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

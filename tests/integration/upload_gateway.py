"""A gateway before docker-registry that cuts uploads, counts their bytes, and keeps what arrived.

docker-registry 2.8 forgets an upload whose request breaks in the middle; its successors tell how far they got (GET of the session).
The gateway does as these do: what came before a cut goes to the registry as a request of its own, so that the registry itself puts the
blob together and checks its digest.
"""

import http.client
import http.server
import re
import threading
import time
import urllib.parse

CHUNK = 16 * 1024


class Upload:
    def __init__(self, location):
        self.location, self.size, self.lock = location, 0, threading.Lock()


class UploadGateway:
    def __init__(self, port, bytes_per_second=None):
        self.target, self.rate = port, bytes_per_second
        self.cut_every = None     # bytes of uploads, then the connection is closed
        self.received = 0         # bytes of uploads that arrived, and so are at the registry
        self.uploads, self.lock = {}, threading.Lock()
        self.until_cut = 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def ask(self, method, path, body=b"", headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return reply.status, dict(reply.getheaders()), reply.read()
        finally:
            connection.close()

    def take(self, stream, wanted):
        """Up to `wanted` bytes, and whether they are all."""
        parts, count = [], 0
        while count < wanted:
            part = stream.read1(min(CHUNK, wanted - count))
            if not part:
                break
            parts.append(part)
            count += len(part)
            with self.lock:
                self.received += len(part)
                self.until_cut -= len(part)
                if self.cut_every and self.until_cut <= 0:
                    self.until_cut = self.cut_every
                    break
            if self.rate:
                time.sleep(len(part) / self.rate)
        return b"".join(parts), count == wanted

    def handler(gateway):  # noqa: N805: `self` is the request there
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except OSError:  # the client was killed: that is what some tests are about
                    self.close_connection = True

            def send(self, status, headers, body=b""):
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in ("content-length", "connection", "transfer-encoding", "date"):
                        self.send_header(name, value)
                self.send_header("Content-Length", headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def pass_on(self, body=b""):
                kept = {name: self.headers[name] for name in ("Accept", "Content-Type", "Range") if name in self.headers}
                self.send(*gateway.ask(self.command, self.path, body, kept))

            def do_GET(self):
                upload = gateway.upload(self.path)
                if upload is None:
                    return self.pass_on()
                with upload.lock:
                    self.tell(204, upload)

            def do_POST(self):
                status, headers, body = gateway.ask("POST", self.path)
                if status != 202:
                    return self.send(status, headers, body)
                upload = Upload(headers["Location"])
                name = re.search(r"/uploads/([^/?]+)", upload.location).group(1)
                gateway.uploads[name] = upload
                self.tell(202, upload)

            def do_PATCH(self):
                self.upload()

            def do_PUT(self):
                if "/manifests/" in self.path:
                    return self.pass_on(self.rfile.read(int(self.headers["Content-Length"])))
                self.upload()

            def do_DELETE(self):
                self.pass_on()

            do_HEAD = do_GET

            def upload(self):
                upload = gateway.upload(self.path)
                if upload is None:
                    return self.send(404, {})
                with upload.lock:
                    data, whole = gateway.take(self.rfile, int(self.headers["Content-Length"]))
                    if data:
                        status, headers, body = gateway.ask("PATCH", gateway.path(upload), data, {"Content-Type": "application/octet-stream"})
                        if status != 202:
                            return self.send(status, headers, body)
                        upload.location, upload.size = headers["Location"], upload.size + len(data)
                    if not whole:
                        self.close_connection = True
                    elif self.command == "PATCH":
                        self.tell(202, upload)
                    else:
                        digest = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)["digest"][0]
                        self.send(*gateway.ask("PUT", gateway.path(upload) + "&digest=" + digest, b"",
                                               {"Content-Type": "application/octet-stream"}))

            def tell(self, status, upload):
                path = urllib.parse.urlparse(upload.location).path
                self.send(status, {"Location": path, "Range": "0-%d" % max(upload.size - 1, 0)})

            def log_message(self, *_):
                pass

        return Handler

    def upload(self, path):
        found = re.search(r"/uploads/([^/?]+)", path)
        return self.uploads.get(found.group(1)) if found else None

    @staticmethod
    def path(upload):
        parts = urllib.parse.urlparse(upload.location)
        return parts.path + "?" + parts.query

"""What the command's tests share: the command in a clean environment, a site to make images from, a tiny registry."""

import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import harness  # noqa: E402
import services  # noqa: E402

VERBS = ["publish", "release", "gate", "kit export", "reproduce", "verify", "append", "pull", "push", "copy", "save", "load", "unpack", "config", "annotate", "flatten", "rebase", "index make", "index add",
         "index remove", "inspect", "diff", "explain", "list-tags", "referrers", "delete",
         "delta", "apply", "split", "join", "init", "render", "plan", "matrix", "build", "context", "tags", "authorize", "presign", "changelog", "withdraw", "links refresh", "whose", "s3 abort-orphans", "store ls", "store du", "store gc",
         "store verify", "store rm", "keys generate", "keys public", "keys fingerprint", "version"]
GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a",
       "GIT_COMMITTER_EMAIL": "a@b", "GIT_AUTHOR_DATE": "2024-01-16T09:15:42Z", "GIT_COMMITTER_DATE": "2024-01-16T09:15:42Z"}


class TestCase(unittest.TestCase):
    """A workspace of its own for each test; `self.cooper(...)` runs the command there and checks the exit code."""

    maxDiff = 4000

    def setUp(self):
        self.workspace = services.Workspace()
        self.addCleanup(self.workspace.close)
        self.cooper = harness.Cooper(self.workspace)
        self.root = self.workspace.path

    def path(self, name):
        return os.path.join(self.root, name)

    def site(self, name="site", text="<p>hello\n"):
        self.workspace.file(name + "/index.html", text, 0o644)
        self.workspace.file(name + "/css/a.css", "p {}\n", 0o644)
        return self.path(name)

    def image(self, name="site.tar", *flags, tag="acme/site:1", text="<p>hello\n"):
        """A docker-archive made by `cooper append`."""
        self.cooper("append", "scratch", "--layer", self.site(text=text) + ":/srv", "--tag", tag, "-o", self.path(name), "--no-store", *flags)
        return self.path(name)

    def publish(self, *arguments, **options):
        return self.cooper("publish", *arguments, "--to", "dir:" + self.path("out"), "--branch", "main", "--commit", "abc1234def",
                           "--subject", "Fix login", **options)

    def repository(self):
        root = self.workspace.directory("repository")
        self.git("init", "-q", "-b", "main")
        self.workspace.file("repository/a", "a", 0o644)
        self.git("add", "a")
        self.git("commit", "-q", "-m", "first")
        return root

    def git(self, *arguments):
        done = subprocess.run(["git", *arguments], cwd=self.path("repository"), env={**os.environ, **GIT}, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def fails(self, code, *arguments, says, **options):
        """Runs, expects this exit code, one block on standard error with these words, and nothing on standard output."""
        failed = self.cooper(*arguments, expect=code, **options)
        self.assertEqual(failed.out, "")
        self.assertRegex(failed.err, r"(?m)^cooper: error: ")
        for words in [says] if isinstance(says, str) else says:
            self.assertIn(words, failed.err)
        return failed


class FakeRegistry:
    """Serves the one image of a docker-archive as any repository and tag. `seconds_per_chunk` makes its layers slow."""

    def __init__(self, archive, status=200, seconds_per_chunk=0.0):
        self.status, self.seconds_per_chunk = status, seconds_per_chunk
        self.blobs, self.requests, self.body_bytes = {}, [], 0
        if archive:
            with tarfile.open(archive) as tar:
                for member in tar:
                    if member.name.startswith("blobs/"):
                        self.blobs["sha256:" + member.name.split("/")[-1]] = tar.extractfile(member).read()
                index = json.load(tar.extractfile("index.json"))
            self.manifest = index["manifests"][0]
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.address = "127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def handler(registry):  # noqa: N805: `self` is the request there
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                registry.requests.append((self.path, self.headers.get("Authorization")))
                body, kind = registry.answer(self.path)
                status = registry.status if body is not None else 404
                body = body if status == 200 else b'{"errors":[{"code":"DENIED","message":"no"}]}'
                self.send_response(status)
                if status == 401:
                    self.send_header("WWW-Authenticate", 'Basic realm="here"')
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "HEAD":
                    return
                for start in range(0, len(body), 16384):
                    if registry.seconds_per_chunk and "/blobs/" in self.path and len(body) > 100_000:
                        time.sleep(registry.seconds_per_chunk)
                    self.wfile.write(body[start:start + 16384])
                    registry.body_bytes += len(body[start:start + 16384])

            do_HEAD = do_GET

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except OSError:  # the client went away: that is what some tests are about
                    self.close_connection = True

            def log_message(self, *_):
                pass

        return Handler

    def answer(self, path):
        if path == "/v2/":
            return b"{}", "application/json"
        digest = path.split("/")[-1]
        if "/manifests/" in path:
            digest = digest if digest.startswith("sha256:") else self.manifest["digest"]
            return self.blobs.get(digest), self.manifest["mediaType"]
        return self.blobs.get(digest), "application/octet-stream"


def write_archive(path, members):
    """A tar of (name, bytes or link target) in this order."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return path


def read_archive(path):
    """Its members as a dictionary, in order."""
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


main = unittest.main

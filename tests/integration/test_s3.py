"""The bucket's own tests in C++ against real S3 servers, and the proxy that counts requests."""

import http.client
import os
import subprocess
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import harness
import services
from counting_s3 import Answer, CountingS3, Drop

MEBIBYTE = 1 << 20


class RealServers(harness.TestCase):
    def run_bucket_tests(self, server, checks_signatures):
        """Through the proxy, so that signatures prove that it passes requests on as they are."""
        program = os.environ.get("COOPER_TEST_S3") or harness.start(services.program, "test_s3_server")
        counting = CountingS3(server)
        self.addCleanup(counting.close)
        done = subprocess.run([program, "[.integration]"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240, check=False,
                              env={"PATH": os.environ["PATH"], "COOPER_TEST_S3_ENDPOINT": counting.endpoint, "COOPER_TEST_S3_KEY": server.key,
                                   "COOPER_TEST_S3_SECRET": server.secret, "COOPER_TEST_S3_CHECKS_SIGNATURES": "1" if checks_signatures else "0"})
        self.assertEqual(done.returncode, 0, done.stdout[-4000:])
        self.assertGreater(counting.body_bytes("UploadPart"), 30 * MEBIBYTE)
        self.assertEqual(counting.body_bytes("UploadPartCopy"), 0)
        self.assertGreater(counting.count("ListParts"), 0)

    def test_swift(self):
        self.run_bucket_tests(harness.start(services.Swift, self.workspace), True)

    def test_moto(self):
        self.run_bucket_tests(harness.start(services.Moto, self.workspace), False)


class Echo(BaseHTTPRequestHandler):
    """Answers with what it got."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        size = int(self.headers["Content-Length"])
        while size > 0:
            size -= len(self.rfile.read(min(size, MEBIBYTE)))
        said = ("%s %s %s" % (self.path, self.headers["Host"], self.headers["X-Amz-Date"])).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


class EchoStore:
    key, secret, region = "key", "secret", "us-east-1"

    def __init__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        self.endpoint = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Proxy(unittest.TestCase):
    def setUp(self):
        self.store = EchoStore()
        self.addCleanup(self.store.close)
        self.counting = CountingS3(self.store)
        self.addCleanup(self.counting.close)
        self.client = http.client.HTTPConnection("127.0.0.1", self.counting.port, timeout=30)
        self.addCleanup(self.client.close)

    def put(self, target, body=b"", **headers):
        self.client.request("PUT", target, body, {"x-amz-date": "today", **headers})
        reply = self.client.getresponse()
        return reply.status, reply.read().decode()

    def test_a_request_is_passed_on_as_it_is_and_counted(self):
        target = "/b/a%3Ab%20c?partNumber=1&uploadId=x%2B%3D"
        for number in range(3):  # on one connection
            self.assertEqual(self.put(target, b"x" * 1000 * number), (200, "%s 127.0.0.1:%d today" % (target, self.counting.port)))
        self.put("/b/k", **{"x-amz-copy-source": "/b/old"})
        seen = self.counting.requests("UploadPart")
        self.assertEqual([(one.bucket, one.key, one.fields["uploadId"], one.body, one.status) for one in seen],
                         [("b", "a:b c", "x+=", 1000 * number, 200) for number in range(3)])
        self.assertEqual((self.counting.count(), self.counting.count("CopyObject"), self.counting.body_bytes("UploadPart")), (4, 1, 3000))
        self.assertTrue(self.counting.wait_for("UploadPart", 3, seconds=0))
        self.assertFalse(self.counting.wait_for("UploadPart", 4, seconds=0))
        self.counting.clear()
        self.assertEqual(self.counting.count(), 0)

    def test_a_hook_answers_instead(self):
        self.counting.before = lambda request: Answer(501, "NotImplemented", "no") if request.fields else None
        status, text = self.put("/b/k?partNumber=1&uploadId=u", b"x" * 3 * MEBIBYTE)
        self.assertEqual(status, 501)
        self.assertIn("<Code>NotImplemented</Code>", text)
        self.assertEqual(self.put("/b/k", b"x")[0], 200)
        self.assertEqual([(one.operation, one.body, one.status) for one in self.counting.requests()], [("UploadPart", 0, 501), ("PutObject", 1, 200)])

    def test_a_hook_breaks_the_connection_after_some_bytes(self):
        self.counting.before = lambda request: Drop(MEBIBYTE + 1)
        with self.assertRaises((http.client.HTTPException, OSError)):
            self.put("/b/k", b"x" * 8 * MEBIBYTE)
        self.assertEqual([(one.body, one.status) for one in self.counting.requests()], [(MEBIBYTE + 1, None)])

    def test_a_hook_waits_while_others_pass(self):
        gate = threading.Event()
        waits = threading.Event()

        def before(request):
            if request.key == "slow":
                waits.set()
                gate.wait(30)

        self.counting.before = before
        slow = http.client.HTTPConnection("127.0.0.1", self.counting.port, timeout=30)
        self.addCleanup(slow.close)
        slow.request("PUT", "/b/slow", b"x")
        self.assertTrue(waits.wait(30))
        self.assertEqual(self.put("/b/fast", b"x")[0], 200)
        self.assertIsNone(self.counting.requests()[0].status)
        gate.set()
        self.assertEqual(slow.getresponse().status, 200)


if __name__ == "__main__":
    harness.main()

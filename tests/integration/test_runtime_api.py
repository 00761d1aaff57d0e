"""The Runtime API as a builder: both forms, what servers do on a bad day, the limits of waiting and of memory, and a key that nobody sees."""

import base64
import gzip
import hashlib
import io
import json
import os
import signal
import subprocess
import tarfile
import time

import harness
import services
from runtime_api import Fault, RuntimeApi

GIBIBYTE = 1 << 30
MEMORY_KIB = 64 << 10
WAIT_SECONDS = 30


def tar_of(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


class Said:
    """What the client printed: its answer or error, notices, how long it would have waited."""

    def __init__(self, done):
        self.text, self.code = done.stdout + done.stderr, done.returncode
        lines = done.stdout.splitlines()
        self.notices = [line[len("notice "):] for line in lines if line.startswith("notice ")]
        self.answer = next(line for line in lines if not line.startswith("notice "))
        self.waited = int(next(line.split()[1] for line in lines if line.startswith("waited ")))
        self.peak_kib = int(next(line.split()[1] for line in lines if line.startswith("peak ")))


class RuntimeApiTest(harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.tar = tar_of({"./Dockerfile": b"FROM scratch\nCOPY a /\n", "a": os.urandom(3 << 20)})
        cls.plain = cls.workspace.file("context.tar", cls.tar)
        cls.compressed = cls.workspace.file("context.tar.gz", gzip.compress(cls.tar, 1))

    def setUp(self):
        self.api = self.serve(RuntimeApi(self.path()))

    def serve(self, api):
        self.addCleanup(api.close)
        return api

    def client(self, *arguments, flags=(), api=None, key=RuntimeApi.key, expect=0):
        program = os.environ.get("COOPER_TEST_RUNTIME_API") or harness.start(services.program, "runtime_api_client")
        done = subprocess.run([program, *flags, (api or self.api).url, *arguments], env={**self.cooper.environment, "RUNTIME_API_KEY": key},
                              capture_output=True, text=True, timeout=120, check=False)
        said = Said(done)
        self.assertEqual(said.code, expect, said.text)
        self.assertNotIn(key, said.text)
        self.assertNotIn(base64.b64encode(key.encode()).decode(), said.text)
        return said

    def build(self, *flags, **options):
        return self.client("build", self.compressed, "r/a:src", flags=flags, **options)

    # --- the context

    def test_a_form_with_all_names(self):
        said = self.client("build", self.compressed, "r/a:src", "r/a:lock", "r/a:ver")
        self.assertEqual(said.answer, "r/a:src")
        build = self.api.builds[0]
        self.assertEqual((build.form, build.names), ("multipart", ["r/a:src", "r/a:lock", "r/a:ver"]))
        self.assertEqual(harness.sha256_of(build.path), harness.sha256_of(self.compressed))
        self.assertEqual(self.client("exists", "r/a:lock").answer, "yes")
        self.assertEqual(self.client("exists", "r/a:other").answer, "no")
        self.assertEqual(self.client("prefix").answer, RuntimeApi.prefix)

    def test_json_and_its_words(self):
        self.api.words = ["PENDING", "RUNNING"]
        said = self.build("--json")
        self.assertEqual((self.api.builds[0].form, self.api.builds[0].names), ("json", ["r/a:src"]))
        self.assertEqual(harness.sha256_of(self.api.builds[0].path), harness.sha256_of(self.compressed))
        self.assertEqual([notice.split(": ")[1] for notice in said.notices if notice.startswith("build ")], ["pending", "running"])
        self.assertIn("GET /api/build_status/build-1", self.api.seen)

    def test_a_plain_context_is_compressed_on_the_way(self):
        self.client("build", self.plain, "r/a:src")
        with gzip.open(self.api.builds[0].path) as sent:
            self.assertEqual(hashlib.sha256(sent.read()).digest(), hashlib.sha256(self.tar).digest())
        self.assertEqual(os.listdir(self.cooper.temporary), [])

    def test_two_gigabytes_take_little_memory(self):
        sink = self.serve(RuntimeApi())
        for size, flags in ((2 * GIBIBYTE, []), (GIBIBYTE // 4 + 1, ["--json"])):
            with self.subTest(flags):
                said = self.client("build", str(size), "r/a:src", flags=flags, api=sink)
                self.assertLess(said.peak_kib, MEMORY_KIB if not harness.SANITIZED else 8 * MEMORY_KIB)
        self.assertEqual([build.size for build in sink.builds], [2 * GIBIBYTE, GIBIBYTE // 4 + 1])

    # --- answers

    def test_each_word_for_an_end(self):
        self.api.error = "step 3 failed: \x1b[31mno space\x1b[0m"
        for word in ("FAILURE", "INTERNAL_ERROR", "TIMEOUT", "CANCELLED", "EXPIRED"):
            with self.subTest(word):
                self.api.end = word
                said = self.build(expect=1)
                self.assertIn("command-failed: ", said.answer)
                self.assertIn("ended with %s: step 3 failed" % word, said.answer)
                self.assertNotIn("\x1b", said.text)

    def test_a_failure_without_words(self):
        self.api.end = "FAILURE"
        self.assertIn("Build failed with status: FAILURE. Build ID: build-1", self.build(expect=1).answer)

    def test_slow_builds_are_asked_for_until_the_limit(self):
        self.api.words = ["PENDING", "QUEUED", "RUNNING", "SOMETHING_NEW", "RUNNING"]
        said = self.build()
        self.assertEqual((said.answer, said.waited, self.api.count("/build_status")), ("r/a:src", 5 * 30, 6))
        self.api.end = "RUNNING"
        said = self.build(expect=1)
        self.assertIn("Build timed out after 30 minutes", said.answer)
        self.assertLessEqual(said.waited, 31 * 60)

    def test_success_must_name_the_image(self):
        self.api.names_image = False
        self.assertIn("its image is not named", self.build(expect=1).answer)
        self.assertEqual(self.build("--v1").answer, "r/a:src")

    # --- too many requests

    def test_too_many_requests_are_waited_out(self):
        busy = Fault(status=429, body={"detail": "slow down"})
        later = Fault(status=429, body={"detail": "slow down"}, headers={"Retry-After": "20"})
        self.api.goes_wrong("/build", busy, times=3)
        self.api.goes_wrong("/build_status", later)
        said = self.build()
        self.assertEqual((said.answer, said.waited), ("r/a:src", 4 + 4 + 30 + 20))
        self.api.goes_wrong("/image_exists", busy, times=2)
        self.api.goes_wrong("/registry_prefix", later)
        self.assertEqual(self.client("exists", "r/a:src").waited, 8)
        self.assertEqual(self.client("prefix").waited, 20)

    def test_nobody_waits_beyond_the_limit(self):
        self.api.goes_wrong("/build", Fault(status=429, headers={"Retry-After": "300"}), times=100)
        said = self.build("--limit", "60", expect=1)
        self.assertIn("429", said.answer)
        self.assertEqual(said.waited, 0)

    # --- bad days

    def test_refusals_are_told_without_the_key(self):
        answers = [(401, {"detail": "Invalid API key " + RuntimeApi.key}, "access-denied", "Invalid API key ***"),
                   (500, {"detail": {"why": "key %s was lost" % RuntimeApi.key}}, "unavailable", "key *** was lost"),
                   (502, b"<html>" + RuntimeApi.key.encode() + b"</html>", "unavailable", "502"),
                   (503, RuntimeApi.key.encode() * 200_000, "unavailable", "***"),
                   (413, b"", "invalid-input", "413"),
                   (307, {"detail": "elsewhere"}, "unsupported", "307")]
        for status, body, code, words in answers:
            with self.subTest(status):
                for operation in ("/build", "/build_status", "/image_exists"):
                    self.api.goes_wrong(operation, Fault(status=status, body=body, headers={"Location": "http://127.0.0.1:1/" + RuntimeApi.key}))
                for said in (self.build(expect=1), self.build(expect=1), self.client("exists", "r/a:src", expect=1)):
                    self.assertTrue(said.answer.startswith(code + ": "), said.answer)
                    self.assertIn(words, said.answer)
                    self.assertLess(len(said.text), 8000)

    def test_a_wrong_key(self):
        said = self.build(key="another-key-9876543210", expect=1)
        self.assertIn("Invalid API key", said.answer)
        self.assertIn("try: check the API key", said.text)

    def test_the_key_is_no_name_either(self):
        self.api.prefix = "registry.example.com/" + RuntimeApi.key
        self.client("prefix", expect=1)
        self.api.goes_wrong("/build", Fault(body={"build_id": RuntimeApi.key}))
        self.build(expect=1)

    def test_answers_that_are_none(self):
        bodies = [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"status": 1, "status": 2}', b"[" * 100_000, b'{"build_id": ""}', b"x" * (3 << 20)]
        for body in bodies:
            with self.subTest(body[:20]):
                self.api.goes_wrong("/build", Fault(body=body))
                self.assertIn("unavailable: ", self.build(expect=1).answer)
                self.api.goes_wrong("/image_exists", Fault(body=body))
                self.assertIn("unavailable: ", self.client("exists", "r/a:src", expect=1).answer)

    def test_connections_that_break(self):
        for operation, cut in (("/build", "before"), ("/build", "upload"), ("/build", "answer"), ("/build_status", "before"), ("/build_status", "answer")):
            with self.subTest(operation + " " + cut):
                self.api.goes_wrong(operation, Fault(cut=cut), times=5)
                self.assertIn("unavailable: ", self.build(expect=1).answer)
                self.api.faults.clear()

    def test_the_script_asks_again_when_a_question_fails(self):
        self.api.goes_wrong("/build_status", Fault(cut="answer"))
        self.api.goes_wrong("/build_status", Fault(status=503, body={"detail": "gateway " + RuntimeApi.key}))
        self.api.words = ["RUNNING"]
        said = self.build("--v1")
        self.assertEqual(said.answer, "r/a:src")
        self.assertEqual(sum("asking again" in notice for notice in said.notices), 2)

    # --- the command

    def project(self):
        for name, text in (("Dockerfile", "FROM scratch\nCOPY data /data\n"), ("VERSION", "1.0.0\n")):
            self.workspace.file("project/" + name, text, 0o644)
        data = os.path.join(self.workspace.path, "project/data")
        if not os.path.exists(data):
            with open(data, "wb") as out:
                for _ in range(64):
                    out.write(os.urandom(1 << 20))
        return os.path.dirname(data)

    def upload(self, *flags):
        return ["context", "--root", self.project(), "--output-dir", self.path("out"), "--upload", "--runtime-api-url", self.api.url, "-v",
                "--name", "r/a:1", *flags]

    def test_the_command_uploads_and_follows(self):
        self.api.words = ["RUNNING"]
        result = self.cooper(*self.upload("--poll-interval", "1s"), RUNTIME_API_KEY=RuntimeApi.key)
        self.assertIn("r/a:1", result.out)
        self.assertNotIn(RuntimeApi.key, result.out + result.err)
        self.assertEqual(self.api.builds[0].names[0], "r/a:1")

    def stop_when(self, reached, *flags):
        process = self.cooper.start(*self.upload(*flags), RUNTIME_API_KEY=RuntimeApi.key)
        deadline = time.monotonic() + WAIT_SECONDS
        while not reached() and process.poll() is None:
            self.assertLess(time.monotonic(), deadline, "it never got so far")
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        stopped = time.monotonic()
        out, err = process.communicate(timeout=WAIT_SECONDS)
        self.assertEqual(process.returncode, harness.INTERRUPTED, err)
        self.assertLess(time.monotonic() - stopped, 5)
        self.assertEqual(out, "")
        self.assertNotIn(RuntimeApi.key, err)
        self.assert_no_temporary_files()

    def test_stopped_while_it_waits(self):
        self.api.end = "RUNNING"
        self.stop_when(lambda: self.api.count("/build_status") > 0)

    def test_stopped_while_it_uploads(self):
        self.api.reads_slowly = 0.2
        self.stop_when(self.api.uploading.is_set)
        self.assertEqual(self.api.builds[0].names, [])


if __name__ == "__main__":
    harness.main()

"""Publishing what changed only: the bytes that the store receives, copies that it refuses, uploads that were cut."""

import json
import os
import shutil
import signal
import threading

import harness
import images
from counting_s3 import Answer, CountingS3
from services import Moto, Swift

MIB = 1 << 20
# COOPER_TEST_MIB=1000 makes it the size of real images.
SIZE = int(os.environ.get("COOPER_TEST_MIB", "60")) * MIB
LEAST_PART = 5 * MIB


def commit_of(number):
    """A full name; all differ in their first seven digits."""
    return "%07x" % number + "0" * 33


def random_layer(layout, name, size):
    return layout.layer(images.layer_tar([images.file(name, os.urandom(size))]), images.PLAIN)


class RepublishCase(harness.TestCase):
    @classmethod
    def prepare(cls):
        server = cls.start_server()
        cls.client = harness.s3_client(server)
        cls.client.create_bucket(Bucket="bucket")
        cls.store = CountingS3(server)
        cls.addClassCleanup(cls.store.close)
        cls.cooper = harness.Cooper(cls.workspace).with_store(cls.store)
        cls.layout = images.Layout(cls.workspace.directory("layout"))
        below = [random_layer(cls.layout, "below%d" % number, SIZE // 3) for number in range(2)]
        above = random_layer(cls.layout, "above", SIZE // 3)
        content = bytearray(os.urandom(2 * MIB))
        for tag in ("one", "two", "three"):
            small = cls.layout.layer(images.layer_tar([images.file("small", bytes(content))]), images.PLAIN)
            cls.layout.image(below + [small, above], tag=tag)
            content[1000:1000 + len(content) // 100] = os.urandom(len(content) // 100)
        cls.commits = 0

    def setUp(self):
        self.store.before = lambda request: None
        self.store.clear()

    @classmethod
    def arguments(cls, tag, *more, commit=None, branch="main"):
        if commit is None:
            cls.commits += 1
            commit = commit_of(0xABC0000 + cls.commits)
        return ["publish", "oci:%s:%s=app:latest" % (cls.layout.path, tag), "--to", "s3://bucket", "--branch", branch, "--commit", commit,
                "--subject", "s", "--repository", "https://github.com/acme/app", "--json", *more]

    def publish(self, tag, *more, **options):
        self.store.clear()
        result = self.cooper(*self.arguments(tag, *more, **options))
        image = result.json["images"][0]
        image["said"] = result.err
        return image

    def check_object(self, image):
        """What lies there is the tarball that a full upload makes, and it is what its lock says."""
        path = self.path("object.tar")
        with open(path, "wb") as tarball:
            shutil.copyfileobj(self.client.get_object(Bucket="bucket", Key=image["key"])["Body"], tarball, MIB)
        self.assertEqual(harness.sha256_of(path), image["sha256"])
        lock = json.loads(harness.read_object(self.client, "bucket", image["lock"]))
        self.assertEqual((lock["output"]["sha256"], lock["output"]["size"]), (image["sha256"], image["size"]))
        return path

    def full_sha256(self, tag):
        """Of a tarball that was never near a store."""
        out = self.path("full.tar")
        self.cooper("pull", "oci:%s:%s=app:latest" % (self.layout.path, tag), out)
        return harness.sha256_of(out)

    def test_1_only_what_changed_is_sent(self):
        first = self.publish("one")
        self.assertEqual((first["sent"], first["copied"]), (first["size"], 0))
        self.assertEqual(self.store.body_bytes("UploadPart"), first["size"])
        self.check_object(first)

        second = self.publish("two")
        # Documents and the small layer: each stretch is as long as a part has to be.
        self.assertLessEqual(self.store.body_bytes("UploadPart"), 2 * LEAST_PART + 4 * MIB)
        self.assertEqual(self.store.body_bytes("UploadPart"), second["sent"])
        self.assertEqual(second["sent"] + second["copied"], second["size"])
        self.assertGreater(self.store.count("UploadPartCopy"), 0)
        self.check_object(second)
        self.assertEqual(second["sha256"], self.full_sha256("two"))

    def test_2_the_plan_says_so_beforehand_and_writes_nothing(self):
        self.publish("one")
        before = harness.keys(self.client, "bucket")
        self.store.clear()
        commit = commit_of(0xFED0001)
        planned = self.cooper(*self.arguments("two", "--plan", commit=commit)).json["images"][0]
        self.assertEqual({request.method for request in self.store.requests()}, {"GET", "HEAD"})
        self.assertEqual(harness.keys(self.client, "bucket"), before)
        done = self.publish("two", commit=commit)
        self.assertEqual((planned["key"], planned["size"], planned["send"], planned["copy"], planned["fetch"]),
                         (done["key"], done["size"], done["sent"], done["copied"], 0))
        # Swift 2.30 refuses each copy once: it does not compare the ETags of multipart objects.
        transfer = ("UploadPart", "UploadPartCopy", "CreateMultipartUpload", "CompleteMultipartUpload")
        made = [request for request in self.store.requests() if request.operation in transfer and request.status != 412]
        self.assertEqual(planned["requests"], len(made), made)

    def test_3_the_first_build_of_a_branch_copies_from_another_branch(self):
        self.publish("one", branch="main")
        image = self.publish("two", branch="feature/x")
        self.assertGreater(image["copied"], SIZE // 2)
        self.check_object(image)

    def test_4_a_tarball_that_was_replaced_meanwhile_is_not_copied_from(self):
        old = self.publish("one")["key"]
        replaced = threading.Event()
        gate = threading.Lock()

        def replace(request):
            if request.operation == "UploadPartCopy":
                with gate:  # no copy goes on before it is done
                    if not replaced.is_set():
                        self.client.put_object(Bucket="bucket", Key=old, Body=b"\0" * (SIZE + 8 * MIB))
                        replaced.set()

        self.store.before = replace
        image = self.publish("two")
        self.assertTrue(replaced.is_set())
        self.assertEqual(image["said"].count("not copied from any more"), 1)
        self.assertEqual((image["sent"], image["copied"]), (image["size"], 0))
        self.check_object(image)

    def test_5_a_store_that_refuses_copies_gets_all_bytes(self):
        self.publish("one")
        for status, code in ((501, "NotImplemented"), (400, "InvalidArgument")):
            self.store.before = lambda request, answer=Answer(status, code): answer if request.operation == "UploadPartCopy" else None
            image = self.publish("two")
            self.assertEqual(image["said"].count("not copied from any more"), 1, code)
            self.assertEqual((image["sent"], image["copied"]), (image["size"], 0), code)
            self.check_object(image)

    def test_5_a_copy_that_is_late_does_not_replace_what_was_sent(self):
        old = self.publish("one")["key"]
        copies, late = [], threading.Event()

        def refuse_the_first_and_delay_the_rest(request):
            if request.operation == "UploadPartCopy":
                copies.append(request)
                if request is copies[0]:
                    self.client.put_object(Bucket="bucket", Key=old, Body=b"\0" * (SIZE + 8 * MIB))
                    return Answer(501, "NotImplemented")
                late.wait(1.5)
            if request.operation == "CompleteMultipartUpload" and not late.is_set():
                late.set()  # who completes by now did not wait for the copies: they come first
                self.store.wait_for("UploadPartCopy", len(copies), seconds=5)
            return None

        self.store.before = refuse_the_first_and_delay_the_rest
        image = self.publish("two")
        self.assertGreater(len(copies), 1)
        self.assertNotIn("does not join", image["said"])
        self.check_object(image)

    def test_6_a_lying_lock_in_the_bucket_costs_bytes_and_nothing_else(self):
        old = self.publish("one")
        # The same size and metadata, other bytes in the middle: copies are taken, looked at, and thrown away.
        path = self.check_object(old)
        with open(path, "r+b") as tarball:
            tarball.seek(SIZE // 2)
            tarball.write(b"forged")
        metadata = self.client.head_object(Bucket="bucket", Key=old["key"])["Metadata"]
        with open(path, "rb") as tarball:
            self.client.put_object(Bucket="bucket", Key=old["key"], Body=tarball, Metadata=metadata)
        image = self.publish("two")
        self.check_object(image)
        self.assertEqual(image["sha256"], self.full_sha256("two"))
        self.assertGreater(image["sent"], LEAST_PART)

    def test_7_nothing_is_copied_when_all_is_to_be_sent(self):
        self.publish("one")
        image = self.publish("two", "--send-all")
        self.assertEqual((image["sent"], self.store.count("UploadPartCopy")), (image["size"], 0))

    def test_8_killed_in_the_middle_the_next_run_sends_the_rest(self):
        for resend in ((), ("--send-all",)):
            self.check_killed(resend)
        self.assertEqual(self.client.list_multipart_uploads(Bucket="bucket").get("Uploads", []), [])
        self.assertEqual([key for key in harness.keys(self.client, "bucket") if ".uploads/" in key], [])

    def test_9_a_store_that_wants_parts_of_one_length_gets_all_bytes(self):
        self.publish("one")
        refused = []

        def refuse_once(request):
            if request.operation == "CompleteMultipartUpload" and not refused:
                refused.append(request)
                return Answer(400, "InvalidPart", "All non-trailing parts must have the same length.")
            return None

        self.store.before = refuse_once
        image = self.publish("two")
        self.assertEqual(image["said"].count("does not join"), 1)
        self.assertEqual((image["sent"], image["copied"]), (image["size"], 0))
        self.check_object(image)

    def check_killed(self, flags):
        commit = commit_of(0xDEAD000 + len(flags))
        enough, go_on = threading.Event(), threading.Event()
        gate = threading.Lock()
        done = []

        def hold_after_some(request):
            if request.operation in ("UploadPart", "CompleteMultipartUpload"):
                with gate:
                    done.append(request)
                    held = len(done) > 5
                if held:
                    enough.set()
                    go_on.wait(60)
                    return Answer(503, "SlowDown")
            return None

        self.store.before = hold_after_some
        self.store.clear()
        # A branch of its own, whose image has nothing in common with what is there: all of it is sent.
        process = self.cooper.start(*self.arguments("three", "--send-all", commit=commit, branch="cut%d" % len(flags)))
        self.assertTrue(enough.wait(60))
        self.assertTrue(self.store.wait_for("UploadPart", 5))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        go_on.set()
        arrived = sum(request.body for request in self.store.requests("UploadPart") if request.status == 200)
        self.assertGreaterEqual(arrived, 5 * LEAST_PART)

        self.store.before = lambda request: None
        image = self.publish("three", *flags, commit=commit, branch="cut%d" % len(flags))
        self.assertEqual(image["resumed"], arrived)
        self.assertEqual(image["sent"] + image["copied"] + image["resumed"], image["size"])
        self.assertEqual(self.store.body_bytes("UploadPart"), image["sent"])
        self.assertIn("going on with an upload", image["said"])
        self.check_object(image)
        self.assertEqual(image["sha256"], self.full_sha256("three"))


class OnSwift(RepublishCase):
    @classmethod
    def start_server(cls):
        return harness.start(Swift, cls.workspace)


class OnMoto(RepublishCase):
    """Copies whatever is there by now, conditions or not: what was copied is looked at."""

    @classmethod
    def start_server(cls):
        return harness.start_optional(Moto, cls.workspace)


del RepublishCase

if __name__ == "__main__":
    harness.main()

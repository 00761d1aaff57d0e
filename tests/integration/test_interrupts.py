"""Stopped in the middle: nothing half-visible, nothing pending, nothing left behind."""

import os
import signal
import time

import harness
import images
from conditional_s3 import ConditionalS3
from services import Registry
from slow_proxy import SlowProxy

SIZE = 40 << 20  # some parts of 8 MiB
WAIT_SECONDS = 30


class Interrupted(harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.registry = harness.start(Registry, cls.workspace)
        layout = images.Layout(cls.workspace.directory("layout"))
        layers = [layout.layer(images.layer_tar([images.file("data-%d" % n, os.urandom(SIZE // 4))])) for n in range(4)]
        layout.image(layers, tag="big")
        images.push(layout, "big", cls.registry.address + "/acme/big:1")
        images.traits_image(layout, "small")
        images.push(layout, "small", cls.registry.address + "/acme/small:1")

    def setUp(self):
        self.proxy = SlowProxy(self.registry.port, 4 << 20)
        self.addCleanup(self.proxy.close)
        self.source = "127.0.0.1:%d/acme/big:1" % self.proxy.port

    def stop_when(self, reached, process, number=signal.SIGINT):
        deadline = time.monotonic() + WAIT_SECONDS
        while not reached() and process.poll() is None:
            self.assertLess(time.monotonic(), deadline, "it never got so far")
            time.sleep(0.02)
        self.assertIsNone(process.poll(), "it ended before it was stopped")
        process.send_signal(number)
        out, err = process.communicate(timeout=WAIT_SECONDS)
        self.assertEqual(process.returncode, 128 + number, err)
        return out

    def publish_to_store(self, store, number):
        cooper = self.cooper.with_store(store)
        process = cooper.start("publish", self.source, "--to", "s3://releases", "--branch", "main", "--commit", "abc1234", "--subject", "s")
        self.stop_when(lambda: store.count("upload part") >= 2, process, number)
        self.assertEqual(store.uploads, {}, "a multipart upload is pending")
        self.assertEqual(store.objects(), {})
        self.assert_no_temporary_files()

    def test_publish_to_a_bucket_stopped_by_each_signal(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number):
                store = ConditionalS3()
                self.addCleanup(store.close)
                self.publish_to_store(store, number)

    def test_publish_again_after_a_stop_succeeds(self):
        store = ConditionalS3()
        self.addCleanup(store.close)
        self.publish_to_store(store, signal.SIGINT)
        self.cooper.with_store(store)("publish", self.registry.address + "/acme/big:1", "--to", "s3://releases", "--branch", "main", "--commit",
                                      "abc1234", "--subject", "s")
        self.assertEqual(sum(key.endswith(".tar") for key in store.objects()), 1)

    def test_publish_to_a_directory(self):
        root = self.path()
        process = self.cooper.start("publish", self.source, "--to", "dir:" + root, "--branch", "main", "--commit", "abc1234", "--subject", "s")
        self.stop_when(lambda: self.proxy.forwarded > SIZE // 8, process)
        # The lock of the place stays; it is empty and is never read.
        self.assertEqual([name for _, _, names in os.walk(root) for name in names if name != ".cooper.lock"], [])
        self.assert_no_temporary_files()

    def test_pull(self):
        out = self.path("out.tar")
        process = self.cooper.start("pull", self.source, out)
        self.stop_when(lambda: self.proxy.forwarded > SIZE // 8, process)
        self.assertEqual(os.listdir(os.path.dirname(out)), [])
        self.assert_no_temporary_files()

    def test_a_pull_that_is_stopped_leaves_the_old_file(self):
        out = self.path("out.tar")
        with open(out, "w", encoding="ascii") as old:
            old.write("the old one")
        self.stop_when(lambda: self.proxy.forwarded > SIZE // 8, self.cooper.start("pull", self.source, out))
        with open(out, encoding="ascii") as old:
            self.assertEqual(old.read(), "the old one")
        self.assertEqual(os.listdir(os.path.dirname(out)), ["out.tar"])

    def test_orphans_of_a_killed_publisher_are_aborted_on_request(self):
        store = ConditionalS3()
        self.addCleanup(store.close)
        cooper = self.cooper.with_store(store)
        process = cooper.start("publish", self.source, "--to", "s3://releases", "--branch", "main", "--commit", "abc1234", "--subject", "s")
        deadline = time.monotonic() + WAIT_SECONDS
        while store.count("upload part") < 1 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
        process.communicate()
        self.assertEqual(len(store.uploads), 1)
        cooper("s3", "abort-orphans", "s3://releases", "--older-than", "0s")
        self.assertEqual(store.uploads, {})
        self.assertEqual(store.objects(), {})


if __name__ == "__main__":
    harness.main()

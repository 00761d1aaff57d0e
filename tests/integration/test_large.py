"""An image of real size: more than 1 GB of Debian packages in layers, pulled, published and loaded, in bounded memory."""

import json
import os
import time

import engines
import harness
import images
import real_image
from services import Containerd, Dockerd, Podman, Registry, Swift

# The promises of the README, for any image size at default settings.
PULL_PEAK_KIB, PUBLISH_PEAK_KIB = 26 * 1024, 64 * 1024
FREE_BYTES = 12_000_000_000  # each engine unpacks the image once, dockerd keeps the archive beside it


class Large(harness.TestCase):
    @classmethod
    def prepare(cls):
        harness.free_space(cls.workspace.path, FREE_BYTES, "loading an image of real size")
        path, cls.tar_bytes = harness.start(real_image.layout_path)
        cls.registry = harness.start(Registry, cls.workspace)
        cls.layout = images.Layout(path)
        with open(os.path.join(path, "index.json"), encoding="ascii") as index:
            cls.manifest = json.loads(cls.layout.read(json.load(index)["manifests"][0]["digest"]))
        config = json.loads(cls.layout.read(cls.manifest["config"]["digest"]))
        cls.wanted = (cls.manifest["config"]["digest"], config["rootfs"]["diff_ids"])
        cls.source, cls.reference = cls.registry.address + "/acme/real:1", "docker.io/acme/real:1"
        images.push(cls.layout, "real", cls.source)
        cls.archive = os.path.join(cls.workspace.path, "real.tar")
        cls.pulled = cls.cooper.measured("pull", cls.source + "=acme/real:1", cls.archive, "--checksum", "--json")
        cls.report("%d layers, %d MB unpacked, %d MB tarball" % (len(cls.wanted[1]), cls.tar_bytes // 10**6, os.path.getsize(cls.archive) // 10**6))

    @staticmethod
    def report(text):
        print(text, flush=True)

    def assert_peak(self, result, limit):
        self.report("peak memory of %s: %.1f MiB" % (result.command[6], result.peak_kib / 1024))
        if not harness.SANITIZED:
            self.assertLessEqual(result.peak_kib, limit)

    def test_it_is_of_real_size(self):
        self.assertGreater(self.tar_bytes, 10**9)
        self.assertGreater(len(self.wanted[1]), 3)

    def test_pull_in_bounded_memory(self):
        self.assert_peak(self.pulled, PULL_PEAK_KIB)
        tarball = harness.Tarball(self.archive)
        self.assertEqual((tarball.config_digest, tarball.diff_ids), self.wanted)
        self.assertEqual(tarball.layers, [layer["digest"] for layer in self.manifest["layers"]])
        self.assertEqual(self.pulled.json["sha256"], harness.sha256_of(self.archive))

    def test_a_deep_pull_in_bounded_memory(self):
        out = self.path("deep.tar")
        self.assert_peak(self.cooper.measured("pull", self.source + "=acme/real:1", out, "--deep"), PULL_PEAK_KIB)
        self.assertEqual(harness.sha256_of(out), self.pulled.json["sha256"])
        os.unlink(out)

    def test_publish_in_bounded_memory_and_without_copies_on_disk(self):
        store = harness.start(Swift, self.workspace)
        client = harness.s3_client(store)
        client.create_bucket(Bucket="releases")
        cooper = self.cooper.with_store(store)
        arguments = ["publish", self.source + "=acme/real:1", "--to", "s3://releases", "--branch", "main", "--commit", "abc1234", "--subject", "s", "--json"]
        begun = time.monotonic()
        result = cooper.measured(*arguments)
        first = time.monotonic() - begun
        self.assert_peak(result, PUBLISH_PEAK_KIB)
        image = result.json["images"][0]
        self.assertEqual(image["sha256"], self.pulled.json["sha256"])
        out = self.path("got.tar")
        self.assertEqual(harness.fetch(image["url"], out=out), 200)
        self.assertEqual(harness.sha256_of(out), image["sha256"])
        os.unlink(out)
        begun = time.monotonic()
        again = cooper(*arguments)
        self.report("publish: %.1f s, again: %.2f s" % (first, time.monotonic() - begun))
        self.assertTrue(again.json["images"][0]["already_there"])
        self.assert_no_temporary_files()

    def test_dockerd_and_podman_report_the_same_image(self):
        containerd = harness.start(Containerd, self.workspace)
        docker = harness.start(Dockerd, self.workspace, containerd)
        self.assertEqual(engines.load_with_dockerd(docker, self.archive, self.reference), self.wanted)
        podman = harness.start(Podman, self.workspace, "overlay")
        self.assertEqual(engines.load_with_podman(podman, self.archive, self.reference), self.wanted)

    def test_skopeo_reads_it(self):
        self.assertEqual(engines.read_with_skopeo(self.archive, self.reference), self.wanted)


if __name__ == "__main__":
    harness.main()

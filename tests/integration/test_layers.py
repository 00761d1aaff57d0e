"""Layers that cooper makes, straight to where they go: read by podman and skopeo, not made and not sent again when nothing changed."""

import hashlib
import json
import os
import time

import harness
from services import Podman, Registry, call, program


class Layers(harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.registry = harness.start(Registry, cls.workspace)
        cls.podman = harness.start(Podman, cls.workspace)
        # 11 MB: three frames of zstd.
        cls.site = os.path.dirname(cls.workspace.file("site/index.html", "<p>hello\n", 0o644))
        for i in range(200):
            cls.workspace.file("site/part%03d" % i, "".join("line %d of file %d\n" % (n, i) for n in range(2500)), 0o644)
        cls.workspace.file("base/etc/base", "below", 0o644)
        time.sleep(0.05)  # what was written this instant is not believed to be unchanged

    def append(self, *arguments):
        return self.cooper("append", *arguments, "--json").json

    def in_registry(self, name):
        return "docker://%s/acme/%s" % (self.registry.address, name)

    def test_podman_and_skopeo_read_every_compression_from_a_registry(self):
        for compression in ("zstd", "gzip", "none"):
            with self.subTest(compression):
                place = self.in_registry(compression + ":1")
                said = self.append("scratch", place, "--layer", self.site + ":/srv", "--compression", compression)
                layer = said["new_layers"][0]
                pulled = self.podman("pull", "--quiet", "--tls-verify=false", place).split()[-1]
                image = json.loads(self.podman("image", "inspect", pulled))[0]
                self.assertEqual("sha256:" + image["Id"], said["image_id"])
                self.assertEqual(image["RootFS"]["Layers"], [layer["diff_id"]])
                # Inflated by skopeo, each blob must be the tar that its diff ID names.
                inflated = self.path(compression)
                call(program("skopeo"), "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", "--dest-decompress", place,
                     "dir:" + inflated)
                with open(os.path.join(inflated, layer["diff_id"].split(":")[1]), "rb") as tar:
                    self.assertEqual("sha256:" + hashlib.sha256(tar.read()).hexdigest(), layer["diff_id"])

    def test_podman_loads_zstd_from_an_oci_archive(self):
        archive = self.path("site.oci.tar")
        said = self.append("scratch", "oci-archive:" + archive, "--layer", self.site + ":/srv", "--compression", "zstd")
        loaded = self.podman("pull", "--quiet", "oci-archive:" + archive).split()[-1]
        self.assertEqual("sha256:" + json.loads(self.podman("image", "inspect", loaded))[0]["Id"], said["image_id"])

    def test_what_did_not_change_is_neither_made_nor_sent(self):
        base, once, twice = (self.in_registry(name) for name in ("base:1", "app:1", "app:2"))
        self.append("scratch", base, "--layer", self.path("..", "base"))
        first = self.append(base, once, "--layer", self.site + ":/unchanged")
        again = self.append(base, twice, "--layer", self.site + ":/unchanged")
        self.assertEqual([first["new_layers"][0]["reused"], again["new_layers"][0]["reused"]], [False, True])
        self.assertEqual(again["manifest"], first["manifest"])
        self.assertGreater(first["bytes_reused"], 0, "the base's blobs are mounted")
        self.assertEqual(again["bytes_sent"], 0)
        plain = self.append(base, self.in_registry("plain:1"), "--layer", self.site + ":/unchanged", "--no-store")
        self.assertEqual(plain["manifest"], first["manifest"])


if __name__ == "__main__":
    harness.main()

"""Archives and layouts that other tools really write are read, and ours are read by them: same config digest, same diff IDs."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile

import engines
import harness
import images
from services import Containerd, Dockerd, Podman, call, program

NAME = "docker.io/acme/traits:1"


def skopeo(*arguments):
    return subprocess.run([program("skopeo"), "--insecure-policy", *arguments], stdout=subprocess.PIPE, check=True).stdout


def config_with_skopeo(place):
    return images.sha256(skopeo("inspect", "--config", "--raw", place))


def manifest_with_skopeo(place):
    return images.sha256(skopeo("inspect", "--raw", place))


class Archives(harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.layout = images.Layout(cls.workspace.directory("layout"))
        cls.layers = [cls.layout.layer(images.layer_tar(entries), form)
                      for (_, entries), form in zip(images.many_traits(), (images.GZIP, images.PLAIN, images.GZIP))]
        cls.layers.append(cls.layers[0])  # once more: docker save of old links it
        cls.image = cls.layout.image(cls.layers, tag="traits")
        other = cls.layout.layer(images.layer_tar([images.file("other", "other")]))
        cls.layout.image([other], tag="other")
        cls.layout.index({"linux/amd64": cls.image, "linux/arm64": cls.layout.image([other], architecture="arm64")}, tag="multi")
        cls.diff_ids = [diff_id for _, diff_id in cls.layers]
        cls.config = json.loads(cls.layout.read(cls.image["digest"]))["config"]["digest"]
        cls.archive = cls.workspace.path + "/ours.tar"
        cls.cooper("copy", "oci:%s:traits" % cls.layout.path, "docker-archive:%s:%s" % (cls.archive, NAME))

    def check_reads(self, place, config, manifest=None):
        """cooper sees the image that is there, and every layer is what its diff ID says."""
        said = self.cooper("inspect", place, "--deep", "--json").json
        self.assertEqual(said["image_id"], config)
        self.assertEqual([layer["diff_id"] for layer in said["layers"]], self.diff_ids)
        if manifest:
            self.assertEqual(said["digest"], manifest)
        return said

    def pressed(self, path, tool):
        out = path + "." + tool
        with open(path, "rb") as data, open(out, "wb") as packed:
            packed.write(images.call_filter(tool, data.read()))
        return out

    def test_docker_save(self):
        docker = harness.start(Dockerd, self.workspace, harness.start(Containerd, self.workspace))
        self.assertEqual(engines.load_with_dockerd(docker, self.archive, NAME), (self.config, self.diff_ids))
        skopeo("copy", "--quiet", "oci:%s:other" % self.layout.path, "docker-archive:%s:acme/other:1" % self.path("other.tar"))
        engines.load_with_dockerd(docker, self.path("other.tar"), "acme/other:1")
        status, saved = docker.request("GET", "/images/get?names=acme/traits:1&names=acme/other:1")
        self.assertEqual(status, 200)
        self.workspace.file("saved.tar", saved)
        path = self.workspace.path + "/saved.tar"
        with tarfile.open(path) as tar:
            listing = json.load(tar.extractfile("manifest.json"))
            self.assertTrue(any(member.issym() for member in tar), "docker save no longer links repeated layers")
        position = [item["RepoTags"] for item in listing].index(["acme/traits:1"])
        for place in (path + ":acme/traits:1", path + ":@%d" % position, self.pressed(path, "gzip") + ":acme/traits:1",
                      self.pressed(path, "zstd") + ":acme/traits:1"):
            with self.subTest(place):
                self.check_reads("docker-archive:" + place, self.config)
        failed = self.cooper("inspect", "docker-archive:" + path, expect=None)
        self.assertNotEqual(failed.code, harness.DONE)
        self.assertIn("acme/other:1", failed.err)

    def test_podman_save(self):
        podman = harness.start(Podman, self.workspace)
        self.assertEqual(engines.load_with_podman(podman, self.archive, NAME), (self.config, self.diff_ids))
        for form in ("docker-archive", "oci-archive"):
            with self.subTest(form):
                path = self.path(form + ".tar")
                podman("save", "--quiet", "--format", form, "-o", path, NAME)
                source = "%s:%s:%s" % (form, path, NAME)
                self.check_reads(source, config_with_skopeo(source), manifest_with_skopeo(source) if form == "oci-archive" else None)
        # And the other way: an oci-archive and a layout of ours.
        self.cooper("copy", "oci:%s:traits" % self.layout.path, "oci-archive:%s:docker.io/acme/back:1" % self.path("back.tar"))
        self.assertEqual(engines.load_with_podman(podman, self.path("back.tar"), "docker.io/acme/back:1"), (self.config, self.diff_ids))

    def test_skopeo(self):
        source = "oci:%s:traits" % self.layout.path
        for place in ("docker-archive:%s:acme/traits:1" % self.path("docker.tar"), "oci:%s:v1" % self.path("layout"),
                      "oci-archive:%s:v1" % self.path("oci.tar")):
            with self.subTest(place):
                skopeo("copy", "--quiet", source, place)
                self.check_reads(place, config_with_skopeo(place), None if place.startswith("docker") else manifest_with_skopeo(place))
        # Recompressed by skopeo: another manifest, the same image.
        place = "oci:%s:zstd" % self.path("layout")
        skopeo("copy", "--quiet", "--dest-compress", "--dest-compress-format", "zstd", source, place)
        self.check_reads(place, self.config, manifest_with_skopeo(place))

    def test_umoci(self):
        layout = self.path("layout")
        call(program("umoci"), "init", "--layout", layout)
        self.assertNotEqual(self.cooper("inspect", "oci:" + layout, expect=None).code, harness.DONE)  # it is empty
        self.cooper("copy", "oci:%s:traits" % self.layout.path, "oci:%s:traits" % layout)  # into umoci's own layout
        call(program("umoci"), "config", "--image", layout + ":traits", "--tag", "changed", "--config.cmd", "/bin/true", "--no-history")
        place = "oci:%s:changed" % layout
        self.check_reads(place, config_with_skopeo(place), manifest_with_skopeo(place))
        self.check_reads("oci:%s:traits" % layout, self.config, self.image["digest"])
        stat = json.loads(subprocess.run([program("umoci"), "stat", "--json", "--image", layout + ":traits"], stdout=subprocess.PIPE, check=True).stdout)
        self.assertEqual(len([step for step in stat["history"] if not step.get("empty_layer")]), 4)
        rootless = [] if os.geteuid() == 0 else ["--rootless"]
        call(program("umoci"), "unpack", *rootless, "--image", layout + ":traits", self.path("bundle"))
        with open(self.path("bundle/rootfs/etc/os-release"), encoding="ascii") as release:
            self.assertEqual(release.read(), "ID=test\n")  # the first layer is applied again at the end
        call(program("umoci"), "gc", "--layout", layout)  # finds nothing of ours to be garbage
        self.check_reads("oci:%s:traits" % layout, self.config)

    def test_ours_is_read_by_skopeo_with_every_digest_kept(self):
        source = "oci:%s:multi" % self.layout.path
        wanted = manifest_with_skopeo(source)
        for place in ("oci:%s:all" % self.path("layout"), "oci-archive:%s:all" % self.path("all.tar")):
            with self.subTest(place):
                self.cooper("copy", "--all-platforms", source, place)
                self.assertEqual(manifest_with_skopeo(place), wanted)
                copied = images.Layout(self.path("read-" + place.split(":")[0]))
                skopeo("copy", "--quiet", "--all", "--preserve-digests", place, "oci:%s:all" % copied.path)
                for blob in os.listdir(copied.blobs):
                    self.assertEqual(hashlib.sha256(copied.read("sha256:" + blob)).hexdigest(), blob)
                self.check_reads(place.rsplit(":", 1)[0] + ":@" + self.image["digest"], self.config, self.image["digest"])

    def test_crane_and_kaniko(self):
        """Made here in their documented shape: layers as pulled, a colon in the config's name; kaniko repeats what is shared."""
        manifest = json.loads(self.layout.read(self.image["digest"]))
        layers = [gzip.compress(data) if data[:2] != b"\x1f\x8b" else data
                  for data in (self.layout.read(layer["digest"]) for layer in manifest["layers"])]
        names = [hashlib.sha256(layer).hexdigest() + ".tar.gz" for layer in layers]
        for writer, kept in (("crane", 3), ("kaniko", 4)):
            with self.subTest(writer):
                path = self.path(writer + ".tar")
                members = [(self.config, self.layout.read(self.config)), *list(zip(names, layers))[:kept],
                           ("manifest.json", images.encode([{"Config": self.config, "RepoTags": ["acme/traits:1"], "Layers": names}]))]
                with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
                    for name, data in members:
                        tar.addfile(images.entry(name, size=len(data)), io.BytesIO(data))
                said = self.check_reads("docker-archive:" + path, self.config)
                self.assertEqual([layer["digest"] for layer in said["layers"]], ["sha256:" + name.split(".")[0] for name in names])

    def test_processes_share_a_layout(self):
        layout = self.path("shared")
        running = [self.cooper.start("copy", "oci:%s:%s" % (self.layout.path, tag), "oci:%s:%s-%d" % (layout, tag, number))
                   for number in range(4) for tag in ("traits", "other")]
        for process in running:
            _, err = process.communicate(timeout=120)
            self.assertEqual(process.returncode, harness.DONE, err)
        for number in range(4):
            self.check_reads("oci:%s:traits-%d" % (layout, number), self.config, self.image["digest"])
        skopeo("inspect", "oci:%s:other-3" % layout)

    def test_pipes(self):
        with open(self.archive, "rb") as data:
            archive = data.read()
        for place in ("docker-archive:-", "docker-archive:/dev/stdin"):
            for sent in (archive, images.call_filter("zstd", archive)):
                with self.subTest(place):
                    done = subprocess.run([self.cooper.path, "inspect", place, "--json"], input=sent, capture_output=True, timeout=120,
                                          env=self.cooper.environment)
                    self.assertEqual(done.returncode, harness.DONE, done.stderr.decode())
                    self.assertEqual(json.loads(done.stdout)["image_id"], self.config)
        self.assert_no_temporary_files()


if __name__ == "__main__":
    harness.main()

"""Every tool that our customers have loads what we write, and reports the source's config digest and diff IDs."""

import json
import os
import stat

import engines
import harness
import images
from services import Containerd, Dockerd, Podman, Registry


class Loading(harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.registry = harness.start(Registry, cls.workspace)
        cls.layout = images.Layout(cls.workspace.directory("layout"))
        cls.sources = {}
        cls.add("traits", images.traits_image(cls.layout, "traits"))
        cls.add("zstd", images.traits_image(cls.layout, "zstd", (images.ZSTD, images.GZIP, images.ZSTD)))
        sixty = [cls.layout.layer(images.layer_tar([images.directory("srv"), images.file("srv/%02d" % n, "layer %d\n" % n * 500)])) for n in range(60)]
        cls.add("sixty", cls.layout.image(sixty, tag="sixty"))
        # One layer twice: the second time it is stored once and named twice.
        twice = cls.layout.layer(images.layer_tar([images.file("again", "again")]))
        cls.add("twice", cls.layout.image([twice, sixty[0], twice], tag="twice"))
        cls.add("empty", cls.layout.image([cls.layout.layer(images.layer_tar([]))], tag="empty"))
        containerd = harness.start(Containerd, cls.workspace)
        cls.containerd, cls.docker, cls.podman = containerd, harness.start(Dockerd, cls.workspace, containerd), harness.start(Podman, cls.workspace)

    @classmethod
    def add(cls, name, manifest):
        images.push(cls.layout, name, "%s/acme/%s:1" % (cls.registry.address, name))
        cls.sources[name] = manifest

    def pull(self, name, *flags):
        """The tarball, and what a loader must report about it."""
        out = self.path("-".join([name, *flags]).replace("--", "") + ".tar")
        self.cooper("pull", "%s/acme/%s:1=acme/%s:1" % (self.registry.address, name, name), out, *flags)
        config = json.loads(self.layout.read(self.sources[name]["digest"]))["config"]["digest"]
        return out, (config, json.loads(self.layout.read(config))["rootfs"]["diff_ids"]), "docker.io/acme/%s:1" % name

    def each_form(self):
        for name in self.sources:
            yield self.pull(name)
        yield self.pull("traits", "--layers", "uncompressed")
        yield self.pull("sixty", "--format", "docker")

    def test_dockerd(self):
        for path, wanted, reference in self.each_form():
            with self.subTest(path):
                self.assertEqual(engines.load_with_dockerd(self.docker, path, reference), wanted)

    def test_podman(self):
        for path, wanted, reference in self.each_form():
            with self.subTest(path):
                self.assertEqual(engines.load_with_podman(self.podman, path, reference), wanted)

    def test_skopeo(self):
        for path, wanted, reference in self.each_form():
            with self.subTest(path):
                self.assertEqual(engines.read_with_skopeo(path, reference), wanted)

    def test_ctr_keeps_the_manifest_of_the_source(self):
        for name in ("traits", "sixty", "twice", "empty"):
            with self.subTest(name):
                path, _, reference = self.pull(name)
                self.assertEqual(engines.load_with_ctr(self.containerd, path, reference), self.sources[name]["digest"])

    def test_the_unpacked_files_are_those_of_the_layers(self):
        for flags in ([], ["--layers", "uncompressed"]):
            with self.subTest(flags=flags):
                path, _, reference = self.pull("traits", *flags)
                self.check_traits(engines.unpack_with_umoci(path, self.path("unpacked" + "".join(flags)), reference))

    def check_traits(self, root):
        def at(name):
            return os.path.join(root, name)

        self.assertEqual(os.readlink(at("bin")), "usr/bin")
        self.assertEqual(os.stat(at("usr/bin/tool")).st_ino, os.stat(at("usr/bin/tool-too")).st_ino)
        self.assertEqual(stat.S_IMODE(os.stat(at("usr/bin/tool")).st_mode), 0o4755)
        self.assertEqual(stat.S_IMODE(os.stat(at("tmp")).st_mode), 0o1777)
        self.assertFalse(os.path.exists(at("var/cache/old")))
        self.assertEqual(os.listdir(at("opt/gone")), ["three"])
        self.assertEqual(os.getxattr(at("usr/bin/capable"), "user.note"), b"kept")
        self.assertEqual(os.getxattr(at("usr/bin/capable"), "security.capability"), images.CAPABILITY.encode())
        self.assertTrue(os.path.exists(at("etc/gr\u00fc\u00dfe")))
        self.assertEqual(len(os.readlink(at("etc/far"))), 60 * 5 - 1)
        found = [os.path.join(folder, name) for folder, _, names in os.walk(at("srv")) for name in names]
        self.assertEqual(len(found), 1)
        self.assertGreater(len(found[0]) - len(root), 256)


class Appended(harness.TestCase):
    """Images made here run: the whole road without a registry."""

    @classmethod
    def prepare(cls):
        cls.containerd = harness.start(Containerd, cls.workspace)
        cls.docker, cls.podman = harness.start(Dockerd, cls.workspace, cls.containerd), harness.start(Podman, cls.workspace)
        tree = cls.workspace.directory("tree")
        os.makedirs(tree + "/bin")
        os.makedirs(tree + "/etc")
        harness.shutil.copy(harness.services.program("busybox"), tree + "/bin/busybox")
        os.symlink("busybox", tree + "/bin/sh")
        cls.workspace.file("tree/etc/motd", "hello\n", 0o644)
        site = cls.workspace.directory("site")
        cls.workspace.file("site/index.html", "<p>hello\n", 0o644)
        cls.archive = cls.workspace.path + "/app.tar"
        cls.said = cls.cooper("append", "scratch", "--layer", tree, "--layer", site + ":/srv/www", "--tag", "acme/app:1", "--cmd",
                              '["/bin/sh","-c","cat /etc/motd /srv/www/index.html; echo $GREETING; id -u; pwd"]', "--env", "GREETING=good day",
                              "--workdir", "/srv", "--user", "1000", "--label", "made.by=cooper", "-o", cls.archive)
        cls.reference = "docker.io/acme/app:1"

    def test_all_loaders_agree_on_it(self):
        tarball = harness.Tarball(self.archive)
        wanted = (tarball.config_digest, tarball.diff_ids)
        self.assertEqual(engines.load_with_dockerd(self.docker, self.archive, self.reference), wanted)
        self.assertEqual(engines.load_with_podman(self.podman, self.archive, self.reference), wanted)
        self.assertEqual(engines.read_with_skopeo(self.archive, self.reference), wanted)
        engines.load_with_ctr(self.containerd, self.archive, self.reference)

    def test_it_runs(self):
        engines.load_with_ctr(self.containerd, self.archive, self.reference)
        said = self.containerd.ctr("run", "--rm", "--snapshotter", "native", self.reference, "it-runs")
        self.assertEqual(said, "hello\n<p>hello\ngood day\n1000\n/srv\n")

    def test_made_again_it_is_the_same_file(self):
        other = self.path("again.tar")
        command = [part.replace(self.archive, other) for part in self.said.command[1:]]
        self.cooper(*command)
        self.assertEqual(harness.sha256_of(other), harness.sha256_of(self.archive))

    def test_on_a_base_from_a_registry(self):
        registry = harness.start(Registry, self.workspace)
        layout = images.Layout(self.path("layout"))
        images.traits_image(layout, "base")
        images.push(layout, "base", registry.address + "/acme/base:1")
        extra = self.path("extra")
        os.makedirs(extra + "/bin")
        with open(extra + "/bin/mine", "w", encoding="ascii") as script:
            script.write("#!/bin/sh\n")
        out = self.path("on-base.tar")
        self.cooper("append", registry.address + "/acme/base:1", "--layer", extra, "--tag", "acme/on-base:1", "-o", out)
        # /bin is a symlink in the base: the file must land behind it, not replace it.
        root = engines.unpack_with_umoci(out, self.path("unpacked"), "docker.io/acme/on-base:1")
        self.assertEqual(os.readlink(root + "/bin"), "usr/bin")
        self.assertTrue(os.path.exists(root + "/usr/bin/mine"))
        self.assertEqual(engines.load_with_dockerd(self.docker, out, "docker.io/acme/on-base:1")[0], harness.Tarball(out).config_digest)


if __name__ == "__main__":
    harness.main()

"""What cooper unpacks is what umoci unpacks, and what containers of docker and podman see."""

import io
import json
import os
import stat
import time

import engines
import harness
import images
import real_image
import trees
from services import Containerd, Dockerd, Podman, call, needs_root, program

NOBODY = 65534
# What docker puts into a container besides the image.
DOCKERS_OWN = (".dockerenv", "dev", "proc", "sys", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab")
SEEDS = (1, 2)


class Unpacking(harness.TestCase):
    @classmethod
    def prepare(cls):
        for tool in ("umoci", "skopeo"):
            harness.start(program, tool)
        cls.started = int(time.time())
        cls.layout = images.Layout(cls.workspace.directory("layout"))
        images.traits_image(cls.layout, "traits", (images.GZIP, images.PLAIN, images.GZIP))
        cls.add("flips", trees.links_and_flips())
        for seed in SEEDS:
            cls.add("careful-%d" % seed, trees.Stack(seed, careful=True).make(5, 60))
            cls.add("wild-%d" % seed, trees.Stack(seed, careful=False).make(5, 60))
        for path, _, names in os.walk(cls.workspace.path):
            os.chmod(path, 0o755)
            for name in names:
                os.chmod(os.path.join(path, name), 0o644)

    @classmethod
    def add(cls, tag, layers):
        cls.layout.image([cls.layout.layer(images.layer_tar(entries)) for entries in layers], tag=tag)

    def umoci(self, tag, *flags, layout=None, user=None):
        bundle = self.path("umoci-" + tag + "".join(flags))
        self.run_as(user, program("umoci"), "unpack", *flags, "--image", "%s:%s" % (layout or self.layout.path, tag), bundle)
        return os.path.join(bundle, "rootfs")

    def unpack(self, tag, *flags, layout=None, user=None):
        out = self.path("cooper-" + tag + "".join(flags))
        self.run_as(user, self.cooper.path, "unpack", "oci:%s:%s" % (layout or self.layout.path, tag), out, "--quiet", *flags)
        return out

    @staticmethod
    def run_as(user, *command):
        options = {"user": user, "group": user, "extra_groups": []} if user else {}
        return call(*command, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"}, **options)

    def assert_same(self, ours, theirs, but=()):
        found = trees.differences(ours, theirs, but)
        self.assertEqual(found[:20], [], "%d differences" % len(found))
        self.assertGreater(len(ours), 10)

    def listing_of_umoci(self, ours, root):
        """Without the times that umoci leaves to the moment: of directories from which a whiteout took something."""
        theirs = trees.listing(root)
        for path, facts in theirs.items():
            if facts["type"] == stat.S_IFDIR and facts["time"] >= self.started and path in ours:
                facts["time"] = ours[path]["time"]
        return theirs

    def tags(self, *kinds):
        for kind in kinds:
            yield from ["%s-%d" % (kind, seed) for seed in SEEDS] if kind in ("careful", "wild") else [kind]

    def test_umoci_as_root(self):
        harness.start(needs_root, "umoci with owners")
        for tag in self.tags("traits", "flips", "careful", "wild"):
            with self.subTest(tag):
                ours = trees.listing(self.unpack(tag, "--owners"))
                theirs = self.listing_of_umoci(ours, self.umoci(tag))
                # umoci does not believe a hard link's own header, as docker, podman and containerd do.
                but = ("mode", "time") if tag in ("traits", "flips") else ()
                linked = {path for path, facts in ours.items() if "same as" in facts} if but else set()
                self.assert_same({path: facts for path, facts in ours.items() if path not in linked},
                                 {path: facts for path, facts in theirs.items() if path not in linked})
                self.assert_same(ours, theirs, but)

    def test_umoci_as_an_ordinary_user(self):
        harness.start(needs_root, "becoming another user")
        os.chmod(self.workspace.path, 0o755)
        os.chown(self.path(), NOBODY, NOBODY)
        for tag in self.tags("flips", "careful", "wild"):
            with self.subTest(tag):
                ours = trees.listing(self.unpack(tag, user=NOBODY))
                theirs = self.listing_of_umoci(ours, self.umoci(tag, "--rootless", user=NOBODY))
                # umoci notes in an attribute whom a file should belong to.
                for facts in theirs.values():
                    facts.get("xattrs", {}).pop("user.rootlesscontainers", None)
                self.assert_same(ours, theirs, ("mode", "time") if tag == "flips" else ())
                self.assertEqual({facts["owner"] for facts in ours.values()}, {(NOBODY, NOBODY)})

    def assert_engine_same(self, tag, theirs, but):
        ours = trees.listing(self.unpack(tag, "--owners"))
        if "etc" not in ours:
            theirs.pop("etc", None)
        for tree in (ours, theirs):
            for path in [path for path in tree if any(path == own or path.startswith(own + "/") for own in DOCKERS_OWN)]:
                del tree[path]
            for facts in tree.values():
                if tag == "traits" and facts["type"] == stat.S_IFDIR:
                    del facts["time"]  # its layers do not name all directories that they change
        self.assert_same(ours, theirs, but)

    def archive(self, tag):
        path = self.path(tag + ".tar")
        call(program("skopeo"), "--insecure-policy", "copy", "--quiet", "oci:%s:%s" % (self.layout.path, tag),
             "docker-archive:%s:acme/%s:1" % (path, tag))
        return path

    def test_containers_of_docker(self):
        docker = harness.start(Dockerd, self.workspace, harness.start(Containerd, self.workspace))
        for tag in self.tags("careful", "traits"):
            with self.subTest(tag):
                engines.load_with_dockerd(docker, self.archive(tag), "acme/%s:1" % tag)
                status, said = docker.request("POST", "/containers/create", b'{"Image": "acme/%s:1", "Cmd": ["x"]}' % tag.encode(),
                                              {"Content-Type": "application/json"})
                self.assertEqual(status, 201, said)
                container = said.decode().split('"Id":"')[1].split('"')[0]
                theirs = trees.listing_of_tar(io.BytesIO(docker.request("GET", "/containers/%s/export" % container)[1]))
                docker.request("DELETE", "/containers/" + container)
                self.assert_engine_same(tag, theirs, ("xattrs", "same as"))

    def test_images_mounted_by_podman(self):
        podman = harness.start(Podman, self.workspace)
        for tag in self.tags("careful", "traits"):
            with self.subTest(tag):
                podman("load", "--quiet", "-i", self.archive(tag))
                mounted = podman("image", "mount", "acme/%s:1" % tag).strip()
                try:
                    self.assert_engine_same(tag, trees.listing(mounted), ("same as",))
                finally:
                    podman("image", "umount", "acme/%s:1" % tag)

    def test_a_real_root_file_system(self):
        harness.start(needs_root, "umoci with owners")
        path, _ = harness.start(real_image.layout_path)
        layout = self.first_layers(path, 1)
        harness.free_space(self.workspace.path, 1 << 30, "a real root file system twice")
        ours = trees.listing(self.unpack("real", "--owners", layout=layout))
        theirs = self.listing_of_umoci(ours, self.umoci("real", layout=layout))
        # Python wrote the headers of hard links with the mode of their target, so that nothing is left to differ.
        self.assert_same(ours, theirs)
        self.assertGreater(len(ours), 1000)

    def first_layers(self, path, count):
        """A layout with the first layers of another's image; blobs are shared."""
        layout = images.Layout(self.path("first"))
        with open(os.path.join(path, "index.json"), "rb") as index:
            manifest = json.load(index)["manifests"][0]["digest"]

        def read(digest):
            with open(os.path.join(path, "blobs", *digest.split(":")), "rb") as blob:
                return json.load(blob)

        manifest = read(manifest)
        layers = manifest["layers"][:count]
        for layer in layers:
            os.link(os.path.join(path, "blobs", *layer["digest"].split(":")), os.path.join(layout.blobs, layer["digest"].split(":")[1]))
        layout.image(list(zip(layers, read(manifest["config"]["digest"])["rootfs"]["diff_ids"])), tag="real")
        return layout.path

    def test_a_full_disk_leaves_nothing(self):
        harness.start(needs_root, "a small file system")
        small = self.path("small")
        os.makedirs(small)
        call("mount", "-t", "tmpfs", "-o", "size=256k", "none", small)
        try:
            failed = self.cooper("unpack", "oci:%s:wild-1" % self.layout.path, os.path.join(small, "out"), expect=None)
            self.assertNotEqual(failed.code, 0)
            self.assertIn("No space left on device", failed.err)
            self.assertIn("the file system is full", failed.err)
            self.assertEqual(os.listdir(small), [])
        finally:
            call("umount", small)

    def test_a_killed_run_leaves_all_or_nothing_under_the_name(self):
        whole = trees.listing(self.unpack("careful-1"))
        for milliseconds in (0, 4, 8, 12, 16, 24, 32, 64):
            out = self.path("killed-%d" % milliseconds)
            run = self.cooper.start("unpack", "oci:%s:careful-1" % self.layout.path, out, "--quiet")
            time.sleep(milliseconds / 1000)
            run.kill()
            run.communicate()
            if os.path.exists(out):
                self.assertEqual(trees.differences(trees.listing(out), whole), [])

    def test_memory_stays_small(self):
        if harness.SANITIZED:
            self.skipTest("sanitizers multiply memory")
        large = images.Layout(self.path("large"))
        block = os.urandom(1 << 20)
        layers = [large.layer(images.layer_tar([images.file("f%d" % n, block * 60)]), images.PLAIN) for n in range(2)]
        large.image(layers, tag="large")
        limit = 100 << 20
        result = self.cooper.measured("unpack", "oci:%s:large" % large.path, self.path("out"), "--quiet")
        self.assertLess(result.peak_kib << 10, limit)


if __name__ == "__main__":
    harness.main()

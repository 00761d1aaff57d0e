"""Every place an image can be, as source and as destination: what arrives is the same image, seen by other eyes than cooper's."""

import hashlib
import http.client
import json
import os
import shutil
import tarfile
import urllib.parse

import harness
import images
from services import Containerd, Dockerd, Registry

KEEPS_MANIFESTS = {"registry", "oci", "oci-archive", "store"}  # exact bytes, any media type
TYPES = ", ".join([images.MANIFEST, images.INDEX, "application/vnd.docker.distribution.manifest.v2+json"])


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Held:
    """An image as a place holds it: its manifest's digest (None where the place has none), config digest, diff IDs."""

    def __init__(self, read, root):
        document = json.loads(read(root))
        self.root = root
        self.manifests = {}
        if "manifests" in document:
            for entry in document["manifests"]:
                platform = entry["platform"]
                self.manifests["%s/%s" % (platform["os"], platform["architecture"])] = self.image(read, entry["digest"])
        else:
            self.manifests["one"] = self.image(read, root)

    @staticmethod
    def image(read, digest):
        manifest = json.loads(read(digest))
        config = read(manifest["config"]["digest"])
        diff_ids = json.loads(config)["rootfs"]["diff_ids"]
        for layer in manifest["layers"]:
            if digest_of(read(layer["digest"])) != layer["digest"]:
                raise AssertionError("layer %s is damaged" % layer["digest"])
        return digest_of(config), diff_ids


class Places(harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.registry = harness.start(Registry, cls.workspace)
        cls.containerd = harness.start(Containerd, cls.workspace)
        cls.docker = harness.start(Dockerd, cls.workspace, cls.containerd)
        cls.cooper.environment["DOCKER_HOST"] = "unix://" + cls.docker.socket
        cls.cooper.environment["COOPER_STORE"] = os.path.join(cls.workspace.path, "store")
        cls.layout = images.Layout(cls.workspace.directory("layout"))
        traits = [cls.layout.layer(images.layer_tar(entries)) for _, entries in images.many_traits()]
        sixty = [cls.layout.layer(images.layer_tar([images.directory("srv"), images.file("srv/%02d" % n, "layer %d\n" % n * 50)])) for n in range(60)]
        zstd = [cls.layout.layer(images.layer_tar(entries), images.ZSTD) for _, entries in images.many_traits()]
        cls.layout.image(traits[:1], tag="one")
        cls.layout.image(sixty, tag="sixty")
        cls.layout.image(zstd, tag="zstd")
        cls.layout.index({"linux/amd64": cls.layout.image(traits), "linux/arm64": cls.layout.image(zstd, architecture="arm64")}, tag="multi")
        for tag in ("one", "sixty", "zstd", "multi"):
            images.push(cls.layout, tag, "%s/acme/%s:1" % (cls.registry.address, tag), everything=True)

    def place(self, kind, name):
        """A fresh place of this kind for an image."""
        file = os.path.join(self.workspace.directory("files"), name)
        return {"registry": "docker://%s/places/%s:1" % (self.registry.address, name), "docker-daemon": "docker-daemon:places/%s:1" % name,
                "docker-archive": "docker-archive:%s.tar:places/%s:1" % (file, name), "oci": "oci:%s.layout:v1" % file,
                "oci-archive": "oci-archive:%s.oci.tar:v1" % file, "store": "store:example.org/places/%s:1" % name}[kind]

    def held(self, place):
        kind, rest = place.split(":", 1)
        return getattr(self, "held_in_" + kind.replace("-", "_"))(rest)

    def held_in_docker(self, rest):
        name, tag = rest[2:].rsplit(":", 1)
        host, repository = name.split("/", 1)

        def read(what):
            kind = "blobs" if what.startswith("sha256:") and what not in manifests else "manifests"
            connection = http.client.HTTPConnection(host, timeout=60)
            connection.request("GET", "/v2/%s/%s/%s" % (repository, kind, what), headers={"Accept": TYPES})
            reply = connection.getresponse()
            data = reply.read()
            connection.close()
            if reply.status != 200:
                raise AssertionError("%s %s: %d" % (repository, what, reply.status))
            for entry in json.loads(data).get("manifests", []) if kind == "manifests" else []:
                manifests.add(entry["digest"])
            return data
        manifests = {tag}
        root = digest_of(read(tag))
        manifests.add(root)
        return Held(read, root)

    @staticmethod
    def held_in_directory(directory, tag):
        def read(digest):
            with open(os.path.join(directory, "blobs", *digest.split(":")), "rb") as data:
                return data.read()
        with open(os.path.join(directory, "index.json"), "rb") as data:
            index = json.load(data)
        roots = [entry["digest"] for entry in index["manifests"] if entry.get("annotations", {}).get("org.opencontainers.image.ref.name") == tag]
        if len(roots) != 1:
            raise AssertionError("%s is named %d times in %s" % (tag, len(roots), directory))
        return Held(read, roots[0])

    def held_in_oci(self, rest):
        return self.held_in_directory(*rest.rsplit(":", 1))

    def held_in_store(self, rest):
        return self.held_in_directory(self.cooper.environment["COOPER_STORE"], rest)

    def held_in_oci_archive(self, rest):
        path, tag = rest.rsplit(":", 1)
        directory = path + ".d"
        with tarfile.open(path) as tar:
            tar.extractall(directory)
        try:
            return self.held_in_directory(directory, tag)
        finally:
            shutil.rmtree(directory)

    @staticmethod
    def held_in_docker_archive(rest):
        tarball = harness.Tarball(rest.split(":")[0])
        held = Held.__new__(Held)
        held.root = tarball.index["manifests"][0]["digest"]
        held.manifests = {"one": (tarball.config_digest, tarball.diff_ids)}
        return held

    def held_in_docker_daemon(self, rest):
        status, said = self.docker.request("GET", "/images/%s/json" % urllib.parse.quote(rest))
        self.assertEqual(status, 200, said)
        image = json.loads(said)
        held = Held.__new__(Held)
        held.root, held.manifests = None, {"one": (image["Id"], image["RootFS"]["Layers"] or [])}
        return held

    def cross(self, image, sources, destinations, *flags):
        """From the registry into every source, from every source into every destination."""
        origin = "docker://%s/acme/%s:1" % (self.registry.address, image)
        wanted = self.held(origin)
        for source in sources:
            first = self.place(source, "%s-%s" % (image, source))
            self.cooper("copy", origin, first, *flags)
            original = self.held(first)
            for destination in destinations:
                with self.subTest(image=image, source=source, destination=destination):
                    second = self.place(destination, "%s-%s-to-%s" % (image, source, destination))
                    told = self.cooper("copy", first, second, *flags, "--json").json
                    held = self.held(second)
                    self.assertEqual(held.manifests, wanted.manifests)
                    if destination in KEEPS_MANIFESTS:
                        self.assertEqual(told["digest"], held.root)
                        if original.root is not None and source != "docker-daemon":
                            self.assertEqual(held.root, original.root)
                    if source in KEEPS_MANIFESTS:
                        self.assertEqual(original.root, wanted.root)

    ALL = ("registry", "docker-daemon", "docker-archive", "oci", "oci-archive", "store")

    def test_one_gzip_layer(self):
        self.cross("one", self.ALL, self.ALL)

    def test_zstd_layers(self):
        self.cross("zstd", self.ALL, self.ALL)

    def test_sixty_layers(self):
        self.cross("sixty", self.ALL, [place for place in self.ALL if place != "docker-daemon"])
        self.cross("sixty", ("registry", "docker-archive"), ("docker-daemon",))

    def test_all_platforms(self):
        self.cross("multi", sorted(KEEPS_MANIFESTS), sorted(KEEPS_MANIFESTS), "--all-platforms")

    def test_one_platform_of_an_index(self):
        origin = "%s/acme/multi:1" % self.registry.address
        wanted = self.held("docker://" + origin).manifests["linux/arm64"]
        for kind in self.ALL:
            with self.subTest(kind):
                place = self.place(kind, "arm-" + kind)
                self.cooper("copy", "--platform", "linux/arm64", origin, place)
                self.assertEqual(self.held(place).manifests, {"one": wanted})

    def test_inspect_tells_what_an_index_holds(self):
        origin = "%s/acme/multi:1" % self.registry.address
        told = self.cooper("inspect", "--json", origin).json
        self.assertEqual(told["index"], {"digest": self.held("docker://" + origin).root, "platforms": ["linux/amd64", "linux/arm64"]})
        self.assertEqual(told["platform"], "linux/amd64")
        self.assertRegex(self.cooper("inspect", origin).out, r"platforms +linux/amd64, linux/arm64\n")

    def test_an_index_does_not_fit_where_one_image_goes(self):
        origin = "%s/acme/multi:1" % self.registry.address
        for kind in ("docker-archive", "docker-daemon"):
            failed = self.cooper("copy", "--all-platforms", origin, self.place(kind, "whole-" + kind), expect=1)
            self.assertIn("index of 2 platforms", failed.err)
            self.assertIn("--platform", failed.err)

    def test_standard_streams(self):
        origin = "%s/acme/zstd:1" % self.registry.address
        wanted = self.held("docker://" + origin)
        for transport in ("docker-archive", "oci-archive"):
            with self.subTest(transport):
                archive = self.path(transport + ".tar")
                with open(archive, "wb") as out:
                    harness.pipe(self.cooper, ["copy", origin, transport + ":-"], stdout=out)
                place = self.place("oci", "stream-" + transport)
                with open(archive, "rb") as data:
                    harness.pipe(self.cooper, ["copy", transport + ":-", place], stdin=data)
                self.assertEqual(self.held(place).manifests, wanted.manifests)

    def test_what_is_there_is_not_sent_again(self):
        origin = "docker://%s/acme/sixty:1" % self.registry.address
        total = sum(layer["size"] for layer in json.loads(self.layout.read(self.held(origin).root))["layers"])
        for kind in ("registry", "oci", "store"):
            with self.subTest(kind):
                place = self.place(kind, "again-" + kind)
                first, second = (self.cooper("copy", origin, place, "--json").json for _ in range(2))
                self.assertGreaterEqual(first["bytes_sent"] + first["bytes_reused"], total)
                self.assertEqual(second["bytes_sent"], 0)
                self.assertGreaterEqual(second["bytes_reused"], total)

    def test_several_images_and_names(self):
        archive = self.path("two.tar")
        self.cooper("save", "%s/acme/one:1=a/one:x" % self.registry.address, "%s/acme/zstd:1=a/two:y" % self.registry.address, "-o", archive)
        self.assertIn("holds 2 images", self.cooper("copy", "docker-archive:" + archive, self.place("oci", "two"), expect=1).err)
        one = self.held("docker://%s/acme/one:1" % self.registry.address).manifests
        for which in ("a/one:x", "@0"):
            place = self.place("oci", "two-" + which[0].replace("@", "n"))
            self.cooper("copy", "docker-archive:%s:%s" % (archive, which), place)
            self.assertEqual(self.held(place).manifests, one)
        self.cooper("load", archive)
        self.assertEqual(self.held("docker-daemon:a/one:x").manifests, one)
        self.assertEqual(self.held("docker-daemon:a/two:y").manifests, self.held("docker://%s/acme/zstd:1" % self.registry.address).manifests)

    def test_push_gives_several_tags_and_mounts_between_repositories(self):
        archive = self.path("app.tar")
        self.cooper("save", "%s/acme/sixty:1=app:1" % self.registry.address, "-o", archive)
        names = ["%s/push/app:%s" % (self.registry.address, tag) for tag in ("1", "latest")] + ["%s/push/other:1" % self.registry.address]
        first, second = self.cooper("push", archive, *names, "--json").json["pushed"]
        self.assertGreater(first["bytes_sent"], 0)
        self.assertEqual(second["bytes_sent"], 0)
        wanted = self.held("docker://%s/acme/sixty:1" % self.registry.address).manifests
        for name in names:
            self.assertEqual(self.held("docker://" + name).manifests, wanted)

    def test_publish_takes_any_place(self):
        origin = "docker://%s/acme/one:1" % self.registry.address
        arguments = []
        for kind in self.ALL:
            place = self.place(kind, "publish-" + kind)
            self.cooper("copy", origin, place)
            arguments.append("%s=app-%s:1" % (place, kind))
        out = self.path("out")
        told = self.cooper("publish", *arguments, "--to", "dir:" + out, "--branch", "main", "--commit", "abc1234", "--subject", "All places", "--json").json
        wanted = self.held(origin).manifests["one"][0]
        self.assertEqual([image["image_id"] for image in told["images"]], [wanted] * len(self.ALL))
        # What went through an engine has plain layers; all others are one tarball but for the name.
        self.assertEqual(len(set(image["size"] for image in told["images"])), 2)


if __name__ == "__main__":
    harness.main()

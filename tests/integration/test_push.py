"""Pushing to docker-registry: what arrives, what is not sent twice, and what a repository lists and gives up."""

import http.client
import json
import os
import time

import harness
import images
from services import Registry
from upload_gateway import UploadGateway

LAYER_SIZE = 6 << 20
WAIT_SECONDS = 60


def ask(registry, method, path):
    connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=60)
    try:
        connection.request(method, path, headers={"Accept": ", ".join([images.MANIFEST, images.INDEX])})
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


class PushCase(harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.layout = images.Layout(cls.workspace.directory("layout"))
        amd, arm = images.traits_image(cls.layout, "traits"), cls.layout.image(cls.one_layer("arm"), architecture="arm64")
        cls.manifest = amd
        cls.index = cls.layout.index({"linux/amd64": amd, "linux/arm64": arm}, "multi")
        cls.registry = harness.start(cls.make_registry)

    @classmethod
    def make_registry(cls):
        return Registry(cls.workspace)

    @classmethod
    def one_layer(cls, text):
        return [cls.layout.layer(images.layer_tar([images.file("text", text)]))]

    def source(self, tag):
        return "oci:%s:%s" % (self.layout.path, tag)

    def sizes(self, *manifests):
        """Of the blobs of these manifests, each once."""
        blobs = {}
        for digest in manifests:
            manifest = json.loads(self.layout.read(digest))
            blobs.update({blob["digest"]: blob["size"] for blob in [manifest["config"], *manifest["layers"]]})
        return sum(blobs.values())


class Plain(PushCase):
    def name(self, tag="1"):
        return "%s/%s:%s" % (self.registry.address, self.id().rsplit(".", 1)[1].lower(), tag)

    def push(self, tag, *names, **options):
        return self.cooper("push", self.source(tag), *names, "--json", **options).json["pushed"]

    def test_an_image_arrives_byte_for_byte(self):
        pushed = self.push("traits", self.name())[0]
        self.assertEqual(pushed["digest"], self.manifest["digest"])
        self.assertEqual(pushed["bytes_sent"], self.sizes(self.manifest["digest"]))
        repository = self.name().split("/", 1)[1].split(":")[0]
        for path in ("manifests/1", "manifests/" + self.manifest["digest"]):
            self.assertEqual(ask(self.registry, "GET", "/v2/%s/%s" % (repository, path)), (200, self.layout.read(self.manifest["digest"])))

    def test_again_nothing_is_sent(self):
        self.push("traits", self.name())
        again = self.push("traits", self.name("2"))[0]
        self.assertEqual((again["bytes_sent"], again["bytes_reused"]), (0, self.sizes(self.manifest["digest"])))

    def test_another_repository_mounts(self):
        first, second = self.push("traits", self.name(), self.name().rsplit(":", 1)[0] + "/other:1")
        self.assertEqual(first["bytes_sent"], self.sizes(self.manifest["digest"]))
        self.assertEqual(second["bytes_sent"], 0)
        self.assertEqual(second["bytes_reused"], first["bytes_sent"])

    def test_an_index_whole_and_its_tags(self):
        pushed = self.push("multi", self.name(), self.name("latest"), "--all-platforms")[0]
        self.assertEqual(pushed["digest"], self.index["digest"])
        repository = self.name().rsplit(":", 1)[0]
        self.assertEqual(self.cooper("list-tags", repository).out, "1\nlatest\n")
        self.assertEqual(self.cooper("list-tags", "docker://" + repository, "--json").json["tags"], ["1", "latest"])
        self.assertEqual(self.cooper("inspect", self.name("latest"), "--platform", "linux/arm64", "--json").json["platform"], "linux/arm64")

    def test_deleting_a_tag_alone_is_explained(self):
        self.push("traits", self.name())
        failed = self.cooper("delete", self.name(), expect=1)  # docker-registry 2.8 cannot
        self.assertIn("deletes no tag alone", failed.err)
        self.assertEqual(self.cooper("list-tags", self.name().rsplit(":", 1)[0]).out, "1\n")

    def test_deleting_an_image_tells_its_tags(self):
        self.push("traits", self.name(), self.name("2"))
        self.push("multi", self.name("other"), "--all-platforms")
        told = self.cooper("delete", self.name(), "--manifest", "--dry-run").out
        self.assertIn("would delete", told)
        self.assertIn("with its tags 1, 2\n", told)
        gone = self.cooper("delete", self.name(), "--manifest", "--json").json
        self.assertEqual((gone["digest"], gone["tags"]), (self.manifest["digest"], ["1", "2"]))
        self.assertIn("no %s to delete" % self.name("2"), self.cooper("delete", self.name("2"), "--manifest", expect=1).err)
        self.cooper("delete", self.name().rsplit(":", 1)[0] + "@" + self.index["digest"])

    def test_referrers_are_listed_by_tag_where_there_is_no_api(self):
        self.push("traits", self.name())
        signature = {"schemaVersion": 2, "mediaType": images.MANIFEST, "artifactType": "application/x.signature",
                     "config": self.layout.blob(b"{}", "application/vnd.oci.empty.v1+json"),
                     "layers": [self.layout.blob(b"signed", "application/x.signature")],
                     "subject": {key: self.manifest[key] for key in ("mediaType", "digest", "size")}}
        digest = self.layout.root(self.layout.blob(images.encode(signature), images.MANIFEST), "signature")["digest"]
        self.push("signature", self.name("signature"), "--all-platforms")
        found = self.cooper("referrers", self.name(), "--artifact-type", "application/x.signature", "--json").json["referrers"]
        self.assertEqual([each["digest"] for each in found], [digest])
        self.assertIn(digest, self.cooper("referrers", self.name()).out)
        self.assertEqual(self.cooper("referrers", self.name(), "--artifact-type", "application/x.other").out, "")


class Tokens(PushCase):
    """Anonymous may pull, alice may push: a mount needs a token for both repositories."""

    @classmethod
    def make_registry(cls):
        return Registry.with_tokens(cls.workspace)

    def test_push_and_mount_with_tokens(self):
        names = ["%s/acme/%s:1" % (self.registry.address, name) for name in ("one", "two")]
        login = "%s:%s" % (Registry.user, Registry.password)
        first, second = self.cooper("push", self.source("traits"), *names, "--creds", login, "--json").json["pushed"]
        self.assertEqual((first["bytes_sent"], second["bytes_sent"]), (self.sizes(self.manifest["digest"]), 0))

    def test_without_rights_the_advice_is_to_log_in(self):
        failed = self.cooper("push", self.source("traits"), self.registry.address + "/acme/three:1", expect=harness.ACCESS_DENIED)
        self.assertIn("Log in to " + self.registry.address, failed.err)


class Interrupted(PushCase):
    @classmethod
    def prepare(cls):
        super().prepare()
        layers = [cls.layout.layer(images.layer_tar([images.file("data-%d" % n, os.urandom(LAYER_SIZE))])) for n in range(3)]
        cls.big = cls.layout.image(layers, tag="big")

    def gateway(self, **options):
        gateway = UploadGateway(self.registry.port, **options)
        self.addCleanup(gateway.close)
        return gateway

    def check_arrived(self, repository):
        pulled = self.path("pulled.tar")
        self.cooper("pull", "%s/%s:1" % (self.registry.address, repository), pulled, "--deep")
        self.assertEqual(harness.Tarball(pulled).index["manifests"][0]["digest"], self.big["digest"])

    def test_killed_again_and_again_it_goes_on_where_it_stopped(self):
        gateway = self.gateway(bytes_per_second=6 << 20)  # for each connection
        command = ["push", self.source("big"), "127.0.0.1:%d/killed:1" % gateway.port, "--json"]
        for kills in range(1, 5):
            process = self.cooper.start(*command)
            deadline = time.monotonic() + WAIT_SECONDS
            while gateway.received < kills * LAYER_SIZE * 3 // 6 and process.poll() is None:
                self.assertLess(time.monotonic(), deadline, "it never got so far")
                time.sleep(0.01)
            self.assertIsNone(process.poll(), "it ended before it was stopped")
            process.kill()
            process.communicate(timeout=WAIT_SECONDS)
        before = gateway.received
        gateway.rate = None
        pushed = self.cooper(*command).json["pushed"][0]
        total = self.sizes(self.big["digest"])
        self.assertEqual(gateway.received, total, "bytes that were at the registry were sent again")
        self.assertEqual(pushed["bytes_reused"] + pushed["bytes_sent"], total)
        self.assertGreaterEqual(pushed["bytes_reused"], before)
        self.check_arrived("killed")

    def test_cut_again_and_again_it_goes_on_where_it_stopped(self):
        gateway = self.gateway()
        gateway.cut_every = gateway.until_cut = 1 << 20
        self.cooper("push", self.source("big"), "127.0.0.1:%d/cut:1" % gateway.port)
        self.assertEqual(gateway.received, self.sizes(self.big["digest"]))
        self.check_arrived("cut")

    def test_from_registry_to_registry_it_goes_on_too(self):
        gateway = self.gateway()
        gateway.cut_every = gateway.until_cut = 2 << 20
        origin = "%s/origin:1" % self.registry.address
        self.cooper("push", self.source("big"), origin)
        self.cooper("copy", "docker://" + origin, "docker://127.0.0.1:%d/copied:1" % gateway.port)
        self.assertEqual(gateway.received, self.sizes(self.big["digest"]))
        self.check_arrived("copied")


if __name__ == "__main__":
    harness.main()

"""Pulling from docker-registry in each of its guises, and what inspect says."""

import base64
import json
import os

import harness
import images
from services import CertificateAuthority, Registry


def auth_file(workspace, registry, login):
    entry = {"auth": base64.b64encode(login.encode()).decode()}
    return workspace.file("auth-%d.json" % registry.port, json.dumps({"auths": {registry.address: entry}}))


class PullCase(harness.TestCase):
    """Every kind of registry gives the same image."""

    credentials = ""
    authority = None

    @classmethod
    def prepare(cls):
        cls.layout = images.Layout(cls.workspace.directory("layout"))
        cls.manifest = images.traits_image(cls.layout, "traits")
        cls.registry = harness.start(cls.make_registry)
        images.push(cls.layout, "traits", cls.registry.address + "/acme/traits:1", cls.credentials, cls.authority)
        cls.source = cls.registry.address + "/acme/traits:1"

    def check_tarball(self, path):
        """The archive holds the pushed manifest's config and layers, byte for byte."""
        manifest = json.loads(self.layout.read(self.manifest["digest"]))
        tarball = harness.Tarball(path)
        self.assertEqual(tarball.config_digest, manifest["config"]["digest"])
        self.assertEqual(tarball.layers, [layer["digest"] for layer in manifest["layers"]])
        self.assertEqual(tarball.diff_ids, json.loads(self.layout.read(manifest["config"]["digest"]))["rootfs"]["diff_ids"])
        self.assertEqual(tarball.index["manifests"][0]["digest"], self.manifest["digest"])
        self.assertEqual(tarball.names[:3], ["oci-layout", "index.json", "manifest.json"])


class Plain(PullCase):
    @classmethod
    def make_registry(cls):
        return Registry(cls.workspace)

    def test_pull_gives_the_bytes_that_were_pushed(self):
        out = self.path("out.tar")
        said = self.cooper("pull", self.source, out, "--checksum", "--deep", "--json").json
        self.check_tarball(out)
        self.assertEqual(said["sha256"], harness.sha256_of(out))
        self.assertEqual(said["size"], os.path.getsize(out))
        self.assertTrue(said["diff_ids_checked"])
        self.assertEqual(said["images"][0]["manifest"], self.manifest["digest"])
        self.assert_no_temporary_files()

    def test_the_same_pull_again_gives_the_same_file(self):
        one, two = self.path("one.tar"), self.path("two.tar")
        self.cooper("pull", self.source, one)
        self.cooper("pull", "docker://" + self.source, two, "--jobs", 1)
        self.assertEqual(harness.sha256_of(one), harness.sha256_of(two))

    def test_pull_by_digest(self):
        out = self.path("out.tar")
        self.cooper("pull", "%s/acme/traits@%s=traits:pinned" % (self.registry.address, self.manifest["digest"]), out)
        self.check_tarball(out)
        self.assertEqual(harness.Tarball(out).repo_tags, ["docker.io/library/traits:pinned"])

    def test_two_images_share_their_layers_in_one_tarball(self):
        again = self.layout.image([self.layout.layer(images.layer_tar(entries), form) for (_, entries), form in
                                   zip(images.many_traits(), (images.GZIP, images.PLAIN))], tag="again")
        images.push(self.layout, "again", self.registry.address + "/acme/again:1")
        out = self.path("both.tar")
        self.cooper("pull", self.source, self.registry.address + "/acme/again:1", out)
        tarball = harness.Tarball(out)
        self.assertEqual(len(tarball.manifest), 2)
        self.assertEqual(len(tarball.names), len(set(tarball.names)))
        self.assertEqual([entry["digest"] for entry in tarball.index["manifests"]].count(again["digest"]), 1)

    def test_zstd_layers_become_gzip_and_keep_their_diff_ids(self):
        images.traits_image(self.layout, "zstd", (images.ZSTD, images.GZIP, images.ZSTD))
        images.push(self.layout, "zstd", self.registry.address + "/acme/zstd:1")
        out = self.path("zstd.tar")
        self.cooper("pull", self.registry.address + "/acme/zstd:1", out, "--deep")
        tarball, source = harness.Tarball(out), json.loads(self.layout.read(self.manifest["digest"]))
        self.assertEqual(tarball.diff_ids, json.loads(self.layout.read(source["config"]["digest"]))["rootfs"]["diff_ids"])
        with open(out, "rb") as data:
            self.assertNotIn(b"\x28\xb5\x2f\xfd", data.read(), "a zstd frame is in the archive")
        self.assert_no_temporary_files()

    def test_uncompressed_layers_are_named_by_their_diff_ids(self):
        out = self.path("plain.tar")
        self.cooper("pull", self.source, out, "--layers", "uncompressed")
        tarball = harness.Tarball(out)
        self.assertEqual(tarball.layers, tarball.diff_ids)

    def test_the_docker_format_has_no_oci_members(self):
        out = self.path("docker.tar")
        self.cooper("pull", self.source, out, "--format", "docker")
        tarball = harness.Tarball(out)
        self.assertIsNone(tarball.index)
        self.assertNotIn("oci-layout", tarball.names)

    def test_inspect_shows_manifest_and_config_as_they_are(self):
        manifest = self.layout.read(self.manifest["digest"])
        self.assertEqual(self.cooper("inspect", self.source, "--raw").out.encode(), manifest)
        config = self.layout.read(json.loads(manifest)["config"]["digest"])
        self.assertEqual(self.cooper("inspect", self.source, "--config").out.encode(), config)

    def test_inspect_for_machines(self):
        said = json.dumps(self.cooper("inspect", self.source, "--json").json)
        self.assertIn(self.manifest["digest"], said)
        for layer in json.loads(self.layout.read(self.manifest["digest"]))["layers"]:
            self.assertIn(layer["digest"], said)

    def test_what_is_not_there_is_named(self):
        failed = self.cooper("pull", self.registry.address + "/acme/nothing:1", self.path("out.tar"), expect=1)
        self.assertIn("acme/nothing", failed.err)
        self.assertFalse(os.path.exists(self.path("out.tar")))

    def test_a_damaged_blob_is_refused_and_nothing_is_written(self):
        # A second registry serves the same data, with one byte of a layer changed behind its back.
        layer = json.loads(self.layout.read(self.manifest["digest"]))["layers"][0]["digest"].split(":")[1]
        damaged = self.workspace.directory("damaged")
        os.system("cp -r %s/. %s" % (self.registry.root, damaged))
        blob = "%s/docker/registry/v2/blobs/sha256/%s/%s/data" % (damaged, layer[:2], layer)
        with open(blob, "r+b") as data:
            data.seek(100)
            byte = data.read(1)
            data.seek(100)
            data.write(bytes([byte[0] ^ 1]))
        other = Registry(self.workspace, "damaged-registry", root=damaged)
        out = self.path("out.tar")
        failed = self.cooper("pull", other.address + "/acme/traits:1", out, expect=harness.INTEGRITY)
        self.assertIn(layer[:12], failed.err)
        self.assertEqual(os.listdir(os.path.dirname(out)), [])
        self.assert_no_temporary_files()


class Platforms(PullCase):
    @classmethod
    def make_registry(cls):
        return Registry(cls.workspace)

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.by_platform = {}
        for text in ("linux/amd64", "linux/arm64/v8", "linux/arm/v7", "windows/amd64"):
            system, architecture, *variant = text.split("/")
            layer = cls.layout.layer(images.layer_tar([images.file("etc/platform", text)]))
            cls.by_platform[text] = cls.layout.image([layer], architecture, variant[0] if variant else "")
        # What buildkit adds to each image: an entry that is no image.
        attestation = cls.layout.image([cls.layout.layer(images.layer_tar([images.file("a", "attestation")]))], "unknown")
        cls.layout.index({**cls.by_platform, "unknown/unknown": attestation}, tag="index")
        images.push(cls.layout, "index", cls.registry.address + "/acme/multi:1", everything=True)
        cls.source = cls.registry.address + "/acme/multi:1"

    def test_each_platform_gives_its_own_image(self):
        for asked, found in {"linux/amd64": "linux/amd64", "linux/arm64": "linux/arm64/v8", "arm64": "linux/arm64/v8",
                             "linux/arm/v7": "linux/arm/v7"}.items():
            out = self.path(asked.replace("/", "-") + ".tar")
            self.cooper("pull", self.source, out, "--platform", asked)
            self.assertEqual(harness.Tarball(out).index["manifests"][0]["digest"], self.by_platform[found]["digest"], asked)

    def test_a_platform_that_is_missing_lists_those_that_exist(self):
        failed = self.cooper("pull", self.source, self.path("out.tar"), "--platform", "linux/s390x", expect=1)
        for text in ("linux/amd64", "linux/arm/v7"):
            self.assertIn(text, failed.err)
        self.assertNotIn("unknown", failed.err)


class Basic(PullCase):
    credentials = Registry.user + ":" + Registry.password

    @classmethod
    def make_registry(cls):
        return Registry.with_basic(cls.workspace)

    def test_credentials_come_from_the_file_of_docker(self):
        docker = self.workspace.directory("docker-config")
        os.replace(auth_file(self.workspace, self.registry, self.credentials), os.path.join(docker, "config.json"))
        out = self.path("out.tar")
        self.cooper("pull", self.source, out, DOCKER_CONFIG=docker)
        self.check_tarball(out)

    def test_credentials_come_from_a_flag_or_standard_input(self):
        out = self.path("out.tar")
        self.cooper("pull", self.source, out, "--creds", self.credentials)
        self.check_tarball(out)
        self.cooper("pull", self.source, out, "--creds-stdin", stdin=self.credentials + "\n")

    def test_wrong_and_missing_credentials_have_their_own_exit_code(self):
        for flags in ([], ["--creds", "alice:wrong-password"]):
            failed = self.cooper("pull", self.source, self.path("out.tar"), *flags, expect=harness.ACCESS_DENIED)
            self.assertNotIn("wrong-password", failed.err)


class Tokens(PullCase):
    credentials = Registry.user + ":" + Registry.password

    @classmethod
    def make_registry(cls):
        return Registry.with_tokens(cls.workspace)

    def test_anonymous_may_pull(self):
        out = self.path("out.tar")
        self.cooper("pull", self.source, out)
        self.check_tarball(out)

    def test_a_user_gets_a_token_for_a_password(self):
        out = self.path("out.tar")
        self.cooper("pull", self.source, out, "--authfile", auth_file(self.workspace, self.registry, self.credentials))
        self.check_tarball(out)

    def test_a_wrong_password_is_refused_without_being_shown(self):
        failed = self.cooper("pull", self.source, self.path("out.tar"), "--creds", "alice:wrong-password", expect=harness.ACCESS_DENIED)
        self.assertNotIn("wrong-password", failed.err)


class Tls(PullCase):
    @classmethod
    def make_registry(cls):
        cls.authority = CertificateAuthority(cls.workspace)
        return Registry.with_tls(cls.workspace, cls.authority)

    def test_an_unknown_authority_is_refused(self):
        failed = self.cooper("pull", self.source, self.path("out.tar"), expect=None)
        self.assertNotEqual(failed.code, 0)
        self.assertIn("certificate", failed.err)

    def test_the_authority_comes_from_flag_environment_or_certs_d(self):
        certs = self.workspace.directory("certs.d")
        with open(self.authority.certificate, "rb") as ca:
            self.workspace.file("certs.d/%s/ca.crt" % self.registry.address, ca.read())
        out = self.path("out.tar")
        self.cooper("pull", self.source, out, "--ca-file", self.authority.certificate)
        self.check_tarball(out)
        self.cooper("pull", self.source, out, SSL_CERT_FILE=self.authority.certificate)
        self.cooper("pull", self.source, out, "--cert-dir", certs)

    def test_insecure_takes_any_certificate(self):
        self.cooper("pull", self.source, self.path("out.tar"), "--insecure")


del PullCase

if __name__ == "__main__":
    harness.main()

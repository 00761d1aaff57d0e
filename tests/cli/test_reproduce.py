"""Locks, kits, reproduce and verify from outside: files, exit codes, words."""

import hashlib
import json
import os

import case

NOT_REPRODUCIBLE, UNKNOWN_LOCK = 5, 13


def flip(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 1]))


def with_own_digest(text):
    """As somebody writes a lock who knows how it names itself."""
    document = json.loads(text)
    document.pop("digest")
    plain = json.dumps(document, sort_keys=True, separators=(",", ":"))
    document["digest"] = "sha256:" + hashlib.sha256(plain.encode()).hexdigest()
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


class Locks(case.TestCase):
    def setUp(self):
        super().setUp()
        self.base = self.image("base.tar", tag="acme/base:1", text="<p>base\n")
        self.lock = self.path("app.lock.json")
        self.workspace.file("app/run", "run\n", 0o755)
        self.cooper("append", "docker-archive:" + self.base, "--layer", self.path("app") + ":/app", "--tag", "acme/app:1", "-o", self.path("app.tar"),
                    "--lock", self.lock, "--no-store")

    def kit(self):
        self.cooper("kit", "export", self.lock, "-o", self.path("kit.tar"), "--from", self.path("app.tar"), "--offline")
        return self.path("kit.tar")

    def same(self, path):
        with open(path, "rb") as one, open(self.path("app.tar"), "rb") as two:
            self.assertEqual(one.read(), two.read())


class Writing(Locks):
    def test_a_lock_says_what_decides_the_bytes_and_nothing_of_this_machine(self):
        with open(self.lock, encoding="utf-8") as file:
            text = file.read()
        lock = json.loads(text)
        self.assertEqual(lock["schema"], "cooper.lock/v1")
        self.assertEqual(lock["output"]["sha256"], case.harness.sha256_of(self.path("app.tar")))
        self.assertEqual(lock["output"]["name"], "app.tar")
        base = lock["images"][0]["base"]
        self.assertEqual((base["name"], base["layers"]), ("docker.io/acme/base:1", 1))
        self.assertRegex(lock["layers"][1]["compressor"], r"^isal-.*/level1/1MiB/sha256:")
        self.assertNotIn("compressor", lock["layers"][0])
        self.assertNotIn(self.root, text)
        self.assertEqual(with_own_digest(text), text)

    def test_pull_and_save_write_the_same_lock_for_the_same_tarball(self):
        one, two = self.path("one"), self.path("two")
        os.mkdir(one), os.mkdir(two)
        source = "docker-archive:" + self.path("app.tar")
        self.cooper("pull", source, one + "/app.tar", "--lock", one + "/lock", "--no-store")
        self.cooper("save", source, "-o", two + "/app.tar", "--lock", two + "/lock", "--no-store")
        with open(one + "/lock", "rb") as first, open(two + "/lock", "rb") as second:
            self.assertEqual(first.read(), second.read())
        self.cooper("verify", one + "/app.tar", "--lock", two + "/lock")

    def test_a_layer_that_was_re_encoded_says_what_it_was_made_from(self):
        self.cooper("append", "scratch", "oci:" + self.path("layout"), "--layer", self.path("app"), "--compression", "zstd", "--no-store")
        self.cooper("pull", "oci:" + self.path("layout") + "=acme/z:1", self.path("z.tar"), "--lock", self.path("z.lock"), "--no-store")
        with open(self.path("z.lock"), encoding="utf-8") as file:
            layer = json.load(file)["layers"][0]
        self.assertRegex(layer["compressor"], "^isal-")
        self.assertTrue(os.path.exists(self.path("layout/blobs/sha256/" + layer["made_from"].split(":")[1])))
        # Only the zstd blob is at hand: it becomes the same gzip layer again.
        self.cooper("reproduce", self.path("z.lock"), "--from", self.path("layout"), "--offline", "-o", self.path("again.tar"), "--no-store")
        self.assertEqual(case.harness.sha256_of(self.path("again.tar")), case.harness.sha256_of(self.path("z.tar")))

    def test_a_layer_that_append_made_keeps_its_compressor_through_the_store(self):
        self.cooper("append", "scratch", "store:acme/kept:1", "--layer", self.path("app"))
        self.cooper("pull", "store:acme/kept:1", self.path("kept.tar"), "--lock", self.path("kept.lock"))
        with open(self.path("kept.lock"), encoding="utf-8") as file:
            self.assertRegex(json.load(file)["layers"][0]["compressor"], "^isal-")

    def test_a_lock_is_of_a_docker_archive_in_a_file(self):
        source = "docker-archive:" + self.path("app.tar")
        self.fails(2, "save", source, "-o", "-", "--lock", self.path("l"), says="--lock")
        self.fails(2, "save", source, "--oci", "-o", self.path("o.tar"), "--lock", self.path("l"), says="--lock")
        self.fails(2, "append", "scratch", "oci:" + self.path("o"), "--layer", self.path("app"), "--lock", self.path("l"), says="--lock")
        self.fails(2, "pull", source, self.path("o.tar"), "--lock", self.path("o.tar"), says="is the tarball itself")


class Reproducing(Locks):
    def test_from_a_kit_and_from_the_tarball_the_same_bytes(self):
        kit = self.kit()
        said = self.cooper("reproduce", self.lock, "--from", kit, "--offline", "-o", self.path("a.tar"), "--json").json
        self.assertEqual(said["sha256"], case.harness.sha256_of(self.path("app.tar")))
        self.assertEqual(said["from"], [{"place": kit, "blobs": 2, "bytes": said["from"][0]["bytes"]}])
        self.same(self.path("a.tar"))
        self.cooper("reproduce", "--from", kit, "--offline", "-o", self.path("b.tar"))
        self.cooper("reproduce", "@app.tar", "--from", kit, "--offline", "-o", self.path("c.tar"))
        self.cooper("reproduce", self.lock, "--from", self.path("app.tar"), "-o", self.path("d.tar"))
        for name in "bcd":
            self.same(self.path(name + ".tar"))
        self.assertEqual(os.listdir(self.cooper.temporary), [])

    def test_a_kit_is_an_oci_archive_and_the_same_each_time(self):
        kit = self.kit()
        self.workspace.file("app.lock.json.sig", "not checked here", 0o644)
        self.cooper("kit", "export", self.lock, "-o", self.path("signed.tar"), "--from", kit, "--offline")
        members = case.read_archive(self.path("signed.tar"))
        self.assertEqual(members["locks/app.tar.lock.json.sig"], b"not checked here")
        os.remove(self.lock + ".sig")
        before = case.harness.sha256_of(kit)
        self.kit()
        self.assertEqual(case.harness.sha256_of(kit), before)
        self.cooper("copy", "oci-archive:" + kit + ":docker.io/acme/app:1", "oci:" + self.path("layout"))

    def test_what_is_missing_is_named_with_image_and_base(self):
        members = case.read_archive(self.kit())
        with open(self.lock, encoding="utf-8") as file:
            first = json.load(file)["layers"][0]["digest"]
        del members["blobs/sha256/" + first.split(":")[1]]
        case.write_archive(self.path("less.tar"), members.items())
        self.fails(NOT_REPRODUCIBLE, "reproduce", self.lock, "--from", self.path("less.tar"), "--offline", "-o", self.path("x.tar"),
                   says=["1 of the 2 layers of app.tar is nowhere", first, "docker.io/acme/app:1, layer 1 of 2, of its base docker.io/acme/base:1", "less.tar"])
        self.assertFalse(os.path.exists(self.path("x.tar")))
        # The base's own tarball has it.
        self.cooper("reproduce", self.lock, "--from", self.path("less.tar"), "--from", self.base, "--offline", "-o", self.path("x.tar"))
        self.same(self.path("x.tar"))

    def test_a_kit_that_was_tampered_with_is_named(self):
        kit = self.kit()
        with open(kit, "rb") as file:
            text = file.read()
        with open(self.lock, encoding="utf-8") as file:
            layer = json.load(file)["layers"][1]
        flip(kit, text.index(case.read_archive(kit)["blobs/sha256/" + layer["digest"].split(":")[1]]) + 30)
        self.fails(4, "reproduce", self.lock, "--from", kit, "--offline", "-o", self.path("x.tar"),
                   says=["docker.io/acme/app:1, layer 2 of 2, in " + kit, layer["digest"]])
        self.assertFalse(os.path.exists(self.path("x.tar")))
        self.cooper("reproduce", self.lock, "--from", kit, "--from", self.path("app.tar"), "--offline", "-o", self.path("x.tar"))
        flip(kit, text.index(b'"schema"') + 1)
        self.assertNotEqual(self.cooper("reproduce", "--from", kit, "-o", self.path("y.tar"), expect=None).code, 0)

    def test_locks_are_chosen_and_checked(self):
        kit = self.kit()
        self.fails(2, "reproduce", says="from which lock?")
        self.fails(2, "reproduce", "@other.tar", "--from", kit, says="@app.tar")
        self.fails(2, "kit", "export", self.lock, says="-o KIT.tar")
        with open(self.lock, encoding="utf-8") as file:
            text = file.read()
        self.workspace.file("newer", with_own_digest(text.replace("cooper.lock/v1", "cooper.lock/v2")))
        self.fails(UNKNOWN_LOCK, "reproduce", self.path("newer"), "--from", kit, says="cooper.lock/v2")
        self.fails(UNKNOWN_LOCK, "verify", self.path("app.tar"), "--lock", self.path("newer"), says="cooper.lock/v2")
        self.workspace.file("outside", with_own_digest(text.replace('"name":"app.tar"', '"name":"../app.tar"')))
        self.assertNotEqual(self.cooper("reproduce", self.path("outside"), "--from", kit, expect=None).code, 0)


class Verifying(Locks):
    def setUp(self):
        super().setUp()
        self.tarball = self.path("app.tar")
        self.sums = self.workspace.file("SHA256SUMS", "%s  app.lock.json\n%s  app.tar\n" % (
            case.harness.sha256_of(self.lock), case.harness.sha256_of(self.tarball)), 0o644)
        for command in (["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path("key.pem")],
                        ["ec", "-in", self.path("key.pem"), "-pubout", "-out", self.path("key.pub")],
                        ["dgst", "-sha256", "-sign", self.path("key.pem"), "-out", self.sums + ".sig", self.sums]):
            case.subprocess.run(["openssl", *command], check=True, capture_output=True)

    def verify(self, *flags, expect=0):
        return self.cooper("verify", self.tarball, "--lock", self.lock, "--json", *flags, expect=expect)

    def signed(self):
        return "--checksums", self.sums, "--key", self.path("key.pub")

    def test_every_grade_is_reached_with_its_evidence(self):
        said = self.verify(*self.signed()).json
        self.assertEqual([grade["reached"] for grade in said["grades"]], [True] * 4)
        self.assertIn("signed by key.pub", said["grades"][0]["evidence"])
        self.assertEqual(self.verify("--grade", "record").json["reached"], "record")
        self.assertIn("verified: bytes", self.cooper("verify", self.tarball, "--lock", self.lock).out)

    def test_another_tarball_of_the_image_reaches_the_grade_of_its_blobs(self):
        self.cooper("pull", "docker-archive:" + self.tarball + "=acme/renamed:1", self.path("renamed.tar"), "--no-store")
        self.tarball = self.path("renamed.tar")
        said = self.verify(expect=NOT_REPRODUCIBLE).json
        self.assertEqual((said["reached"], said["verified"]), ("blobs", False))
        self.verify("--grade", "blobs")
        self.cooper("pull", "docker-archive:" + self.path("app.tar"), self.path("plain.tar"), "--layers", "uncompressed", "--no-store")
        self.tarball = self.path("plain.tar")
        self.assertEqual(self.verify(expect=NOT_REPRODUCIBLE).json["reached"], "image")

    def test_tampering_with_any_of_the_files_is_named(self):
        for path, words in ((self.sums, "SHA256SUMS"), (self.sums + ".sig", "SHA256SUMS.sig"), (self.lock, "app.lock.json")):
            with self.subTest(path):
                flip(path, 20)
                self.assertIn(words, self.verify(*self.signed(), expect=4).err)
                flip(path, 20)
        flip(self.sums, 20)
        self.assertIn("app.lock.json", self.verify("--checksums", self.sums, expect=4).err)
        flip(self.sums, 20)
        members = case.read_archive(self.tarball)
        with open(self.tarball, "rb") as file:
            text = file.read()
        for name, content in members.items():
            with self.subTest(name):
                at = text.index(content) + len(content) // 2
                flip(self.tarball, at)
                said = self.verify(*self.signed(), expect=NOT_REPRODUCIBLE).json
                self.assertIn(name, json.dumps(said["grades"]))
                flip(self.tarball, at)
        self.verify(*self.signed())


if __name__ == "__main__":
    case.main()

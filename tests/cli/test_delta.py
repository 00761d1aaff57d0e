"""delta, apply, split, join: what they say, and how they fail."""

import json
import os

import case
import harness


class Delta(case.TestCase):
    def setUp(self):
        super().setUp()
        self.old, self.new = self.image("old.tar"), self.image("new.tar", text="<p>goodbye\n")
        self.delta, self.out = self.path("d.cooper"), self.path("out.tar")

    def make(self):
        return self.cooper("delta", self.old, self.new, "-o", self.delta)

    def apply(self, old=None):
        return ["apply", old or self.old, self.delta, "-o", self.out]

    def test_the_new_tarball_comes_back_and_sizes_are_said(self):
        self.make()
        said = self.cooper(*self.apply()).out
        self.assertRegex(said, r"(?m)^old +old\.tar, ")
        self.assertRegex(said, r"(?m)^reused +\d.* % of the new file$")
        self.assertIn(harness.sha256_of(self.new), said)
        self.assertEqual(harness.sha256_of(self.out), harness.sha256_of(self.new))
        said = self.cooper("delta", self.old, self.new, "-o", self.delta, "--json").json
        self.assertEqual(list(said), ["file", "old", "new", "reused", "payload", "delta_size"])
        self.assertEqual(said["reused"] + said["payload"], os.path.getsize(self.new))
        self.assertEqual(said["new"], {"name": "new.tar", "size": os.path.getsize(self.new), "sha256": harness.sha256_of(self.new)})

    def test_what_is_missing_on_the_command_line(self):
        self.fails(2, "delta", self.old, self.new, says="-o DELTA")
        self.fails(2, "apply", self.old, self.new, says="-o NEW.tar")
        self.fails(1, "delta", self.old, self.new, "-o", self.new, says="would be replaced")
        self.fails(1, "delta", self.path("none"), self.new, "-o", self.delta, says="none")
        self.fails(1, "apply", self.old, self.new, "-o", self.out, says="is no delta")
        self.assertEqual(sorted(name for name in os.listdir(self.root) if name.endswith((".tar", ".cooper"))), ["new.tar", "old.tar"])

    def test_tampering_is_4_and_named(self):
        self.make()
        with open(self.delta, "rb") as data:
            whole = data.read()
        head = whole.index(b"\n")
        for at, says in ((40, "was changed or damaged"), (head - 100, "was changed or damaged"), (head + 20, "its part for bytes")):
            self.write(self.delta, whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
            self.fails(4, *self.apply(), says=["d.cooper", says])
        self.write(self.delta, whole[:-1])
        self.fails(4, *self.apply(), says="is cut short")
        self.write(self.delta, whole.replace(b"cooper.delta/v1", b"cooper.delta/v9"))
        self.fails(13, *self.apply(), says=["cooper.delta/v9", "newer one"])
        self.write(self.delta, whole)
        self.fails(4, *self.apply(self.new), says=["is not the file that the delta was made for"])
        self.assertFalse(os.path.exists(self.out))
        self.assert_nothing_temporary()

    def test_a_lock_stands_for_the_old_tarball(self):
        lock = self.path("old.lock.json")
        old = self.image("locked.tar", "--lock", lock)
        self.cooper("delta", lock, self.new, "-o", self.delta)
        self.cooper(*self.apply(old))
        self.assertEqual(harness.sha256_of(self.out), harness.sha256_of(self.new))
        with open(lock, "r+", encoding="ascii") as text:
            document = json.load(text)
            document["schema"] = "cooper.lock/v9"
            text.seek(0)
            json.dump(document, text)
        self.fails(13, "delta", lock, self.new, "-o", self.delta, says="cooper.lock/v9")

    def write(self, path, data):
        with open(path, "wb") as out:
            out.write(data)

    def assert_nothing_temporary(self):
        self.assertEqual([name for name in os.listdir(self.root) if name.endswith(".tmp")], [])


class Parts(case.TestCase):
    def setUp(self):
        super().setUp()
        self.data = bytes(range(256)) * 40
        with open(self.path("app:1.tar"), "wb") as out:
            out.write(self.data)

    def split(self, *arguments):
        return self.cooper("split", self.path("app:1.tar"), "--size", "3K", *arguments)

    def test_there_and_back(self):
        said = self.split().out
        self.assertRegex(said, r"(?m)^parts +4: app_1\.tar\.part001of004 to app_1\.tar\.part004of004$")
        said = self.cooper("join", self.path("app_1.tar.parts.json")).out
        self.assertRegex(said, r"(?m)^proved +SHA-256 is what it must be$")
        with open(self.path("app_1.tar"), "rb") as joined:
            self.assertEqual(joined.read(), self.data)

    def test_what_nothing_proves_is_said(self):
        self.split()
        os.unlink(self.path("app_1.tar.parts.json"))
        os.unlink(self.path("SHA256SUMS"))
        parts = [self.path("app_1.tar.part00%dof004" % n) for n in (4, 1, 3, 2)]
        self.assertIn("only names, number and sizes were checked", self.cooper("join", *parts, "-o", self.path("x")).out)
        with open(self.path("x"), "rb") as joined:
            self.assertEqual(joined.read(), self.data)
        self.fails(1, "join", *parts[1:], says="there are missing: app_1.tar.part004of004")

    def test_mistakes(self):
        self.fails(2, "split", self.path("app:1.tar"), says="--size fat32")
        self.fails(2, "split", self.path("app:1.tar"), "--size", "4GB", says='--size: "4GB" is no size of a part')
        self.fails(1, "split", self.path("app:1.tar"), "--size", "1", says="10240 parts")
        self.fails(1, "join", self.path("app:1.tar"), says="is neither a part")
        self.assertEqual([name for name in os.listdir(self.root) if "part" in name], [])

    def test_a_signature_that_no_longer_fits_is_a_warning(self):
        self.workspace.file("SHA256SUMS.sig", "x")
        self.assertIn("must be signed again", self.split().err)


if __name__ == "__main__":
    case.main()

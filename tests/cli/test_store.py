"""The verbs of the local store, without any server."""

import glob
import os

import case


class Store(case.TestCase):
    NAME = "docker.io/acme/site:1"

    def setUp(self):
        super().setUp()
        self.store = self.path("store")
        self.cooper.environment["COOPER_STORE"] = self.store

    def fill(self, *names):
        for name in names or ["acme/site:1"]:
            self.cooper("copy", "docker-archive:" + self.image(text=name, tag=name), "store:" + name)

    def blobs(self):
        return glob.glob(os.path.join(self.store, "blobs", "sha256", "*"))

    def read(self, path):
        with open(path, "rb") as data:
            return data.read()

    def test_a_store_that_nobody_made_is_empty_and_stays_unmade(self):
        self.assertEqual(self.cooper("store", "ls", "--json").json, {"store": self.store, "images": []})
        self.assertEqual(self.cooper("store", "du", "--json").json["blobs"], 0)
        self.assertEqual(self.cooper("store", "gc", "--json").json["blobs"], 0)
        self.assertEqual(self.cooper("store", "verify", "--json").json["damaged"], [])
        self.assertIn("there is no store at", self.cooper("store", "ls").err)
        self.fails(1, "store", "rm", "acme/site:1", says="has no image docker.io/acme/site:1")
        self.assertFalse(os.path.exists(self.store))

    def test_where_it_is(self):
        home = self.cooper.environment["HOME"]
        del self.cooper.environment["COOPER_STORE"]
        self.assertEqual(self.cooper("store", "du", "--json").json["store"], home + "/.local/share/cooper/store")
        self.assertEqual(self.cooper("store", "du", "--json", XDG_DATA_HOME="/data").json["store"], "/data/cooper/store")
        self.assertEqual(self.cooper("store", "du", "--json", COOPER_STORE="/a").json["store"], "/a")
        self.assertEqual(self.cooper("store", "du", "--json", "--store", "/b", COOPER_STORE="/a").json["store"], "/b")
        self.fails(1, "store", "du", "--store", self.site(), says="is no OCI image layout")

    def test_images_are_listed_counted_and_removed(self):
        self.fill("acme/site:1", "acme/site:2")
        listed = self.cooper("store", "ls", "--json").json["images"]
        self.assertEqual([each["name"] for each in listed], [self.NAME, "docker.io/acme/site:2"])
        self.assertEqual([each["missing"] for each in listed], [0, 0])
        self.assertRegex(listed[0]["platforms"][0], r"^linux/\w+$")
        self.assertRegex(self.cooper("store", "ls").out, r"(?m)^docker.io/acme/site:1  sha256:[0-9a-f]{12}  +[\d.]+ k?B  20\d\d-.* linux/")
        used = self.cooper("store", "du", "--json").json
        self.assertEqual(used["blobs"], len(self.blobs()))
        self.assertEqual(used["bytes"], sum(map(os.path.getsize, self.blobs())))
        self.assertEqual(used["unreferenced_blobs"], 0)
        self.assertIn("unreferenced  0 blobs", self.cooper("store", "du").out)
        self.assertEqual(self.cooper("store", "rm", "acme/site:1").out, self.NAME + "\n")
        self.fails(1, "store", "rm", "acme/site:1", says="has no image")
        self.assertEqual(self.cooper("store", "gc", "--json", "--grace", "0s").json["blobs"], used["blobs"] // 2)
        self.assertEqual(self.cooper("store", "rm", listed[1]["digest"], "--json").json["removed"], [listed[1]["digest"]])
        self.assertEqual(self.cooper("store", "ls").out, "")

    def test_gc_by_size_and_age(self):
        self.fill("acme/site:1", "acme/site:2")
        self.assertEqual(self.cooper("store", "gc", "--max-size", "1G", "--max-age", "1d", "--json").json["names"], [])
        said = self.cooper("store", "gc", "--max-size", "0", "--dry-run")
        self.assertEqual(said.out, self.NAME + "\ndocker.io/acme/site:2\n")
        self.assertIn("would be removed", said.err)
        self.assertEqual(len(self.cooper("store", "ls", "--json").json["images"]), 2)
        collected = self.cooper("store", "gc", "--max-size", "1k", "--json").json
        self.assertEqual(collected["names"][0], self.NAME)
        self.assertFalse(collected["in_use"])
        for size in ("", "x", "1X", "1KiBi", "-1", "99999999999T"):
            self.fails(2, "store", "gc", "--max-size=" + size, says="--max-size")

    def test_damage_has_its_exit_code_and_is_named(self):
        self.fill()
        self.assertIn("all right", self.cooper("store", "verify").err)
        damaged = next(path for path in self.blobs() if self.read(path)[:1] != b"{")
        lost = next(path for path in self.blobs() if b'"rootfs"' in self.read(path))
        with open(damaged, "ab") as data:
            data.write(b"more")
        os.unlink(lost)
        said = self.cooper("store", "verify", expect=11)
        self.assertIn(damaged, said.out)
        self.assertIn("(%s)" % self.NAME, said.out)
        self.assertIn(lost + ": is missing", said.out)
        self.assertIn("1 damaged blob, 1 lost blob; cooper store verify --remove-damaged", said.err)
        found = self.cooper("store", "verify", "--json", expect=11).json
        self.assertEqual([each["path"] for each in found["damaged"] + found["missing"]], [damaged, lost])
        self.assertEqual(found["damaged"][0]["images"], [self.NAME])
        self.assertIn("incomplete", self.cooper("store", "ls").out)
        repaired = self.cooper("store", "verify", "--remove-damaged")
        self.assertIn("1 damaged blob, 1 lost blob", repaired.err)
        self.assertFalse(os.path.exists(damaged))
        self.cooper("store", "verify")
        self.fill()
        self.assertNotIn("incomplete", self.cooper("store", "ls").out)

    def test_words_alone(self):
        self.fails(2, "store", says='there is no verb "store"')
        self.fails(2, "store", "gcc", says="cooper store gc")
        self.fails(2, "store", "ls", "x", says="one argument too many")
        self.fails(2, "store", "rm", says="something is missing")


if __name__ == "__main__":
    case.main()

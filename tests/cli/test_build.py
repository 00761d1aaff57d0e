"""`cooper build` without an engine: what it would do, why, and what it says about command lines and projects that make no sense."""

import tarfile
import unittest

import case
import harness

TEMPLATE = "FROM {{ base_image }}\n{% if build_from_scratch %}RUN true\n{% endif %}COPY app /app\n"
PROJECT = """{"defaults": {"version": "1.0.0", "base": "scratch", "look_in": ["store"], "platforms": ["linux/amd64"]},
 "images": {"app": {"template": "Dockerfile.j2", "sources": ["app"], "lock_files": ["deps.lock"], "repository": "acme/app"},
            "two": {"template": "Dockerfile.j2", "sources": ["app"], "targets": ["a", "b"], "platforms": ["linux/amd64", "linux/arm64"]}}}
"""


class Build(case.TestCase):
    def setUp(self):
        super().setUp()
        for name, text in (("cooper.json", PROJECT), ("Dockerfile.j2", TEMPLATE), ("deps.lock", "a==1\n"), ("app/main.py", "print(1)\n")):
            self.workspace.file("p/" + name, text, 0o644)

    def dry(self, *flags, image="app", **options):
        return self.cooper("build", "--dry-run", "--project", self.path("p/cooper.json"), "--image", image, "--store", self.path("store"), *flags, **options)

    def test_a_dry_run_says_what_and_why(self):
        said = self.dry()
        self.assertRegex(said.out, r"image +acme/app:1\.0\.0_\w{20}_\w{20}\naction +from-scratch\nfrom +scratch\n")
        self.assertIn("from-scratch: no source, lock or versioned image exists: everything is built on scratch", said.err)
        image = self.dry("--json").json["images"][0]
        self.assertEqual((image["action"], image["built"], image["applied"]), ("from-scratch", False, []))
        self.assertEqual(image["to_apply"], ["acme/app:" + image["tags"][level] for level in ("source", "lock", "versioned")])
        self.assertIn("forced", self.dry("--force").err)

    def test_images_in_the_store_decide(self):
        names = self.dry("--json").json["images"][0]["to_apply"]
        self.cooper("append", "scratch", "store:" + names[2], "--layer", self.site(), "--store", self.path("store"))
        self.assertEqual(self.dry("--json").json["images"][0]["action"], "from-versioned")
        self.cooper("copy", "store:" + names[2], "store:" + names[1], "--store", self.path("store"))
        self.assertEqual(self.dry("--json").json["images"][0]["action"], "from-lock")
        self.cooper("copy", "store:" + names[2], "store:" + names[0], "--store", self.path("store"))
        found = self.dry("--json").json["images"][0]
        self.assertEqual((found["action"], found["found_in"]), ("reuse", "store"))
        named = self.cooper("build", "--project", self.path("p/cooper.json"), "--image", "app", "--store", self.path("store"), "--tag", "mine", "--json")
        self.assertEqual(named.json["images"][0]["applied"], ["acme/app:mine"], "no engine is needed for what exists")
        self.cooper("inspect", "store:acme/app:mine", "--store", self.path("store"))

    def test_the_environment_is_above_the_file_and_flags_above_both(self):
        plain = self.dry("--json").json["images"][0]["tags"]
        other = self.dry("--json", TARGET="binary", CUSTOM_TAGS="python, dev")
        image = other.json["images"][0]
        self.assertEqual((image["target"], image["to_apply"][3:]), ("binary", ["acme/app:python", "acme/app:dev"]))
        self.assertNotEqual(image["tags"], plain)
        self.assertIn("TARGET", other.err)
        self.assertEqual(self.dry("--json", "--target", "flag", TARGET="binary").json["images"][0]["target"], "flag")

    def test_every_target_for_every_platform(self):
        images = self.dry("--json", image="two").json["images"]
        self.assertEqual([(image["target"], image["platform"]) for image in images],
                         [("a", "linux/amd64"), ("a", "linux/arm64"), ("b", "linux/amd64"), ("b", "linux/arm64")])
        self.assertEqual(len({image["tags"]["source"] for image in images}), 4)
        self.fails(harness.USAGE, "build", "--dry-run", "--project", self.path("p/cooper.json"), "--image", "two", "--profile", "v1", says="would take each other's names")

    def test_the_record_explains_the_next_build(self):
        record = self.path("record.json")
        self.dry("--record", record)
        self.workspace.file("p/app/main.py", "print(2)\n", 0o644)
        newer = self.path("newer.json")
        self.dry("--record", newer)
        self.assertRegex(self.cooper("tags", "--explain", record, newer).out, "changed +app/main.py")

    def test_the_context_of_a_dry_run_needs_no_engine(self):
        kept = self.path("context.tar.gz")
        self.dry("--save-context", kept)
        with tarfile.open(kept) as tar:
            self.assertEqual(tar.getnames(), ["Dockerfile", "app", "app/main.py"])
            self.assertEqual(tar.extractfile("Dockerfile").read(), b"FROM scratch\nRUN true\nCOPY app /app")

    def test_outputs_of_a_step(self):
        outputs = self.workspace.file("outputs", "")
        image = self.dry("--github-output", "--json", GITHUB_OUTPUT=outputs).json["images"][0]
        with open(outputs, encoding="ascii") as written:
            self.assertIn(image["image"], written.read())

    def test_what_makes_no_sense(self):
        project = ("build", "--dry-run", "--project", self.path("p/cooper.json"))
        self.fails(1, *project, "--image", "ap", says="app")
        self.fails(harness.USAGE, *project, "--image", "app", "--builder", "remote", says="where is the Runtime API?")
        self.fails(harness.USAGE, *project, "--image", "app", "--push", "--repository", "app", says="says no registry")
        self.fails(harness.USAGE, *project, "--image", "two", "--record", self.path("r"), says="about one image")
        self.fails(1, "build", "--root", self.workspace.directory("empty"), "--base-image", "scratch", "--version", "1.0.0", "--look-in", "store",
                   says="Dockerfile")


if __name__ == "__main__":
    unittest.main()

"""Reuse against docker-registry: what exists already, what to build on, and look-ups that fail."""

import os

import harness
import images
from services import Registry

BASE = "ubuntu:22.04@sha256:" + "5" * 64


class Reuse(harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.registry = harness.start(Registry, cls.workspace)
        cls.layout = images.Layout(cls.workspace.directory("layout"))
        images.traits_image(cls.layout, "image")

    def project(self, name):
        self.workspace.file(name + "/src/main.py", "print('hi')\n", 0o644)
        self.workspace.file(name + "/uv.lock", "a==1\n", 0o644)
        return os.path.join(self.workspace.path, name)

    def push(self, name):
        images.push(self.layout, "image", name)

    def find(self, repository, *more, profile=("--profile", "cooper"), **options):
        return self.cooper("tags", *profile, "--base", BASE, "--version", "1.0.0", "--root", self.project("project"), "--source", "src", "--lock-file",
                           "uv.lock", "--find", repository, "--json", *more, **options)

    def check_the_way_up(self, **options):
        """From nothing to the source image: every step needs less."""
        repository = "%s/acme/%s" % (self.registry.address, self.id().rsplit("_", 1)[1])
        said = self.find(repository, "--tag", "mine", **options).json
        source, lock, versioned = said["names"]
        self.assertTrue(source.startswith(repository + ":"))
        base = said["reuse"]["from"]
        self.assertEqual(said["reuse"], {"action": "from-scratch", "image": source, "from": base, "apply": [source, lock, versioned, repository + ":mine"]})
        for name, action, apply in ((versioned, "from-versioned", [source, lock]), (lock, "from-lock", [source, lock])):
            self.push(name)
            said = self.find(repository, **options).json
            self.assertEqual(said["reuse"], {"action": action, "image": source, "from": name, "apply": apply})
        self.push(source)
        self.assertEqual(self.find(repository, **options).json["reuse"], {"action": "reuse", "image": source, "from": None, "apply": []})
        self.assertEqual(self.find(repository, "--force", **options).json["reuse"]["action"], "from-scratch")
        return base

    def test_the_way_up_sound(self):
        self.assertEqual(self.check_the_way_up(), BASE)

    def test_the_way_up_v1(self):
        self.workspace.file("project/pyproject.toml", "[project]\n", 0o644)
        command = ("tags", "--profile", "v1", "--base", "ubuntu:22.04", "--version", "1.0.0", "--root", self.project("project"), "--source", "src")
        repository = self.registry.address + "/acme/v1"
        source, lock, versioned = self.cooper(*command, "--image", repository).out.split()
        self.push(lock)
        said = self.cooper(*command, "--find", repository).out
        self.assertEqual([line.split() for line in said.splitlines()],
                         [["action", "from-lock"], ["image", source], ["from", lock], ["apply", source], ["apply", lock]])
        self.push(versioned)
        self.assertEqual(self.cooper(*command, "--find", repository, "--first-hit", "--json").json["reuse"],
                         {"action": "reuse", "image": lock, "from": None, "apply": []})

    def test_a_look_up_that_fails_is_no_answer(self):
        failed = self.find("127.0.0.1:1/acme/app", "--retries", "1", expect=8)
        self.assertEqual(failed.out.count("from-scratch"), 0)
        self.assertIn("127.0.0.1:1/acme/app", failed.err)

    def test_credentials_that_are_missing(self):
        guarded = harness.start(Registry.with_basic, self.workspace)
        failed = self.find(guarded.address + "/acme/app", expect=harness.ACCESS_DENIED)
        self.assertNotIn("from-scratch", failed.out)


if __name__ == "__main__":
    harness.main()

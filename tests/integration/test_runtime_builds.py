"""cooper build of a project with no engine at all: the least that is new, on images in the store and in a registry; contexts and matrices."""

import os
import pathlib
import shutil
import subprocess
import tarfile

import harness
from services import Registry
from test_runtime_images import BUILD_FAILED, PROJECT, TEMPLATE, bases, write

NOWHERE = "unix:///nowhere/docker.sock"
LEVELS = ("source", "lock", "versioned")


class WithoutEngine(harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.registry = harness.start(Registry, cls.workspace)
        cls.cooper.environment["DOCKER_HOST"] = NOWHERE
        cls.cooper.environment["COOPER_STORE"] = cls.workspace.directory("store")
        cls.bases = bases(cls, lambda name: "%s/%s" % (cls.registry.address, name))

    def project(self, places='"store", "registry"'):
        directory = self.path("project")
        shutil.rmtree(directory, ignore_errors=True)
        self.repository = "%s/acme/%s" % (self.registry.address, self.id().rsplit(".", 1)[1].replace("_", "-"))
        text = PROJECT.replace('["engine"]', "[%s]" % places) % {"base": self.bases[0], "repository": self.repository}
        write(directory, {"cooper.json": text, "Dockerfile.j2": TEMPLATE, "VERSION": "v1.2.3\n", "deps.lock": "one==1\n", "app/main.sh": "echo one\n"})
        return directory

    def built(self, directory, *flags, **options):
        return self.cooper("build", "--json", "--project", directory + "/cooper.json", *flags, **options).json["images"][0]

    def full(self, tags, *levels):
        return sorted("%s:%s" % (self.repository, tags[level]) for level in levels)

    def names(self, **options):
        listed = self.cooper("store", "ls", "--json", **options).json["images"]
        return sorted(image["name"] for image in listed if image["name"].startswith(self.repository + ":"))

    def layers(self, name, **options):
        return self.cooper("inspect", "store:" + name, "--json", **options).json["layers"]

    def content(self, name, *paths, **options):
        """What files of an image hold."""
        root = pathlib.Path(self.path("root"))
        shutil.rmtree(root, ignore_errors=True)
        self.cooper("unpack", "store:" + name, root, **options)
        return "".join((root / path).read_text() for path in paths)

    def test_the_whole_story(self):
        directory = self.project()
        log = "system of %s\ndependencies\n" % self.bases[0]
        first = self.built(directory)
        self.assertEqual((first["action"], first["built"], first["found_in"]), ("from-scratch", True, None))
        names = self.full(first["tags"], *LEVELS)
        self.assertEqual(self.names(), names)
        self.assertEqual(self.content(first["image"], "log", "srv/deps.lock", "srv/app/main.sh"), log + "one==1\necho one\n")

        again = self.built(directory)
        self.assertEqual((again["action"], again["built"], again["found_in"]), ("reuse", False, "store"))
        self.assertEqual(self.names(), names, "nothing was done")

        write(directory, {"app/main.sh": "echo two\n"})
        lock_layers = self.layers(self.full(first["tags"], "lock")[0])
        source = self.built(directory)
        self.assertEqual((source["action"], source["from"]), ("from-lock", self.full(first["tags"], "lock")[0]))
        layers = self.layers(source["image"])
        self.assertEqual((layers[:len(lock_layers)], len(layers)), (lock_layers, len(lock_layers) + 1))
        self.assertEqual(self.content(source["image"], "log", "srv/app/main.sh"), log + "echo two\n")

        write(directory, {"deps.lock": "one==2\n"})
        dependencies = self.built(directory)
        self.assertEqual((dependencies["action"], dependencies["from"]), ("from-versioned", self.full(first["tags"], "versioned")[0]))
        self.assertEqual(self.content(dependencies["image"], "log", "srv/deps.lock"), log + "dependencies\none==2\n")
        self.assertEqual(len(self.names()), 6)

        other = self.built(directory, "--base-image", self.bases[1], "--tag", "other")
        self.assertEqual(other["action"], "from-scratch")
        self.assertEqual(self.content(self.repository + ":other", "log"), "system of %s\ndependencies\n" % self.bases[1])

    def test_pushed_images_are_found_and_built_upon_elsewhere(self):
        directory = self.project()
        pushed = self.built(directory, "--push")
        self.assertTrue(pushed["pushed"])
        for name in self.full(pushed["tags"], *LEVELS):
            self.assertEqual(self.cooper("inspect", name, "--json").json["digest"], self.cooper("inspect", "store:" + name, "--json").json["digest"])
        elsewhere = self.path("elsewhere")
        found = self.built(directory, "--tag", "found", COOPER_STORE=elsewhere)
        self.assertEqual((found["action"], found["found_in"], found["applied"]), ("reuse", "registry", [self.repository + ":found"]))
        self.cooper("inspect", self.repository + ":found")
        write(directory, {"app/main.sh": "echo elsewhere\n"})
        built = self.built(directory, COOPER_STORE=elsewhere)
        self.assertEqual((built["action"], built["found_in"]), ("from-lock", "registry"))
        self.assertEqual(self.content(built["image"], "srv/app/main.sh", COOPER_STORE=elsewhere), "echo elsewhere\n")
        self.assertEqual(self.built(directory)["action"], "from-lock", "what was not pushed is elsewhere alone")
        reused = self.built(directory, "--push", COOPER_STORE=elsewhere)
        self.assertEqual((reused["action"], reused["found_in"], reused["pushed"]), ("reuse", "store", True))
        self.cooper("inspect", built["image"])

    def test_a_step_that_fails_gives_no_name(self):
        directory = self.project()
        write(directory, {"Dockerfile.j2": TEMPLATE + "RUN echo before the end; exit 42\n"})
        said = self.cooper("build", "--project", directory + "/cooper.json", expect=BUILD_FAILED)
        for words in ("before the end", "42", "RUN echo before the end"):
            self.assertIn(words, said.err)
        self.assertEqual(self.names(), [])

    def test_a_dry_run_does_nothing(self):
        directory = self.project()
        said = self.cooper("build", "--project", directory + "/cooper.json", "--dry-run")
        self.assertIn("from-scratch", said.err)
        self.assertEqual(self.names(), [])

    def test_force_and_names_of_one_s_own(self):
        directory = self.project()
        first = self.built(directory)
        forced = self.built(directory, "--force", "--tag", "mine")
        self.assertEqual((forced["action"], forced["built"]), ("from-scratch", True))
        self.assertEqual(sorted(forced["applied"]), sorted(self.full(first["tags"], *LEVELS) + [self.repository + ":mine"]))
        named = self.built(directory, "--tag", "dev")
        self.assertEqual((named["action"], named["applied"]), ("reuse", [self.repository + ":dev"]))
        self.assertEqual(self.layers(self.repository + ":dev"), self.layers(first["image"]))

    def test_the_builder_can_be_said(self):
        directory = self.project()
        self.assertEqual(self.built(directory, "--builder", "cooper")["action"], "from-scratch")
        refused = self.cooper("build", "--project", directory + "/cooper.json", "--force", "--builder", "engine", expect=None)
        self.assertNotEqual(refused.code, harness.DONE)
        self.assertIn("/nowhere/docker.sock", refused.err)

    def test_a_plain_dockerfile_with_targets_and_platforms(self):
        directory = self.project()
        write(directory, {"Dockerfile": "ARG BASE_IMAGE\nFROM ${BASE_IMAGE} AS shell\nARG WORD=no\nRUN echo $WORD > /word\n"
                                        "FROM scratch AS data\nARG TARGETARCH\nCOPY code/app /srv-$TARGETARCH\n"})
        flags = ("--dockerfile", "Dockerfile", "--build-arg", "WORD=yes")
        self.assertEqual(self.content(self.built(directory, *flags, "--target", "shell")["image"], "word"), "yes\n")
        both = self.cooper("build", "--json", "--project", directory + "/cooper.json", *flags, "--target", "data", "--platform",
                           "linux/amd64,linux/arm64").json["images"]
        self.assertEqual(len({image["image"] for image in both}), 2)
        self.assertIn("srv-arm64", os.listdir(self.unpacked(both[1]["image"])))
        self.assertEqual({image["action"] for image in both}, {"from-scratch"})

    def unpacked(self, name):
        root = self.path("unpacked")
        shutil.rmtree(root, ignore_errors=True)
        self.cooper("unpack", "store:" + name, root, "--platform", self.cooper("inspect", "store:" + name, "--json").json["platform"])
        return root

    def test_a_context_is_built_from_standard_input(self):
        directory = self.project()
        out = self.path("contexts")
        self.cooper("context", "--project", directory + "/cooper.json", "--output-dir", out, "--no-upload", GITHUB_SHA="0" * 40)
        [archive] = [os.path.join(out, name) for name in os.listdir(out) if name.endswith(".tar.gz")]
        with open(archive, "rb") as data:
            done = subprocess.run([self.cooper.path, "build", "-t", self.repository + ":context", "-"], stdin=data, capture_output=True, check=False,
                                  env=self.cooper.environment)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertEqual(self.content(self.repository + ":context", "log"), "system of %s\ndependencies\n" % self.bases[0])

    def test_each_job_of_a_matrix(self):
        directory = self.project()
        write(directory, {"Dockerfile": "ARG PYTHON\nFROM %s\nARG PYTHON\nRUN echo $PYTHON > /python\n" % self.bases[0]})
        jobs = self.cooper("matrix", "--axis", "python=3.9,3.10", "--make", "image=%s-py{python}:{version}" % self.repository, "--version-file",
                           directory + "/VERSION").json["include"]
        for job in jobs:
            self.cooper("build", "--build-arg", "PYTHON=" + job["python"], "--tag", job["image"], "--push", directory)
            self.assertEqual(self.content(job["image"], "python"), job["python"] + "\n")
            self.cooper("inspect", job["image"])


if __name__ == "__main__":
    harness.main()

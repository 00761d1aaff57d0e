"""cooper build, with real engines: from the beginning, then nothing, then only sources, only dependencies, another base; the images run."""

import json
import os
import shutil

import harness
import services
from engines import Engine
from runtime_api import RuntimeApi
from services import Containerd, Dockerd, PodmanService, Registry

BUILD_FAILED = 3

TEMPLATE = """\
{#- Each step writes its name into /log: what ran can be read from the image. -#}
{% macro step(name) %}
RUN echo {{ name }} >> /log
{%- endmacro %}
FROM {{ base_image }}
{% if build_from_scratch %}
{{ step("system of " ~ base_image.split('@')[0]) }}
{% endif %}
{% if build_from_scratch or build_from_versioned %}
COPY code/deps.lock /srv/deps.lock
{{ step("dependencies") }}
{% endif %}
COPY code/app /srv/app
{% for word in greeting %}
ENV WORD{{ loop.index }}={{ word }}
{% endfor %}
CMD ["sh", "/srv/app/main.sh"]
"""

PROJECT = """\
{
    // What the tests build. Comments and a comma at the end are allowed.
    "defaults": {"version_file": "VERSION", "platforms": ["linux/amd64"], },
    "images": {
        "runtime": {
            "base": "%(base)s",
            "repository": "%(repository)s",
            "template": "Dockerfile.j2",
            "variables": {"greeting": ["good", "day"]},
            "lock_files": ["deps.lock"],
            "sources": ["app"],
            "files": ["deps.lock"],
            "context_prefix": "code",
            "look_in": ["engine"]
        }
    }
}
"""


def write(directory, files):
    for name, text in files.items():
        os.makedirs(os.path.dirname(os.path.join(directory, name)), exist_ok=True)
        with open(os.path.join(directory, name), "w", encoding="ascii") as out:
            out.write(text)


class Story:
    """The same story with each engine. A subclass has `engine`, and bases by name that the engine knows or can fetch."""

    def project(self, **settings):
        directory = self.path("project")
        shutil.rmtree(directory, ignore_errors=True)
        self.repository = settings.setdefault("repository", "localhost/acme/%s" % self.id().rsplit(".", 1)[1].replace("_", "-"))
        settings.setdefault("base", self.bases[0])
        write(directory, {"cooper.json": PROJECT % settings, "Dockerfile.j2": TEMPLATE, "VERSION": "v1.2.3\n", "deps.lock": "one==1\n",
                          "app/main.sh": "echo $WORD1 $WORD2 from one; cat /log; cat /srv/deps.lock\n"})
        return directory

    def build(self, directory, *flags, **options):
        builder = () if "--builder" in flags else ("--builder", "engine")
        return self.cooper("build", *builder, "--project", directory + "/cooper.json", "--host", "unix://" + self.engine.socket, *flags, **options)

    def built(self, directory, *flags, **options):
        done = self.build(directory, "--json", *flags, **options)
        return done.json["images"][0]

    def full(self, tags, *levels):
        return sorted("%s:%s" % (self.repository, tags[level]) for level in levels)

    def test_the_whole_story(self):
        directory, levels = self.project(), ("source", "lock", "versioned")
        first = self.built(directory)
        self.assertEqual((first["action"], first["built"], first["found_in"]), ("from-scratch", True, None))
        names = self.full(first["tags"], *levels)
        self.assertEqual(self.engine.names(self.repository), names)
        self.assertEqual(len(set(self.engine.ids(names).values())), 1, "all three names are the image's")
        log = "system of %s\ndependencies\n" % self.bases[0]
        self.assertEqual(self.engine.run(first["image"]), "good day from one\n" + log + "one==1\n")

        again = self.built(directory)
        self.assertEqual((again["action"], again["built"], again["found_in"]), ("reuse", False, "engine"))
        self.assertEqual(self.engine.names(self.repository), names, "nothing was done")

        write(directory, {"app/main.sh": "echo $WORD1 $WORD2 from two; cat /log\n"})
        lock_layers = self.engine.layers(self.full(first["tags"], "lock")[0])
        source = self.built(directory)
        self.assertEqual((source["action"], source["from"]), ("from-lock", self.full(first["tags"], "lock")[0]))
        self.assertEqual({level: source["tags"][level] == first["tags"][level] for level in levels},
                         {"source": False, "lock": True, "versioned": True})
        layers = self.engine.layers(source["image"])
        self.assertEqual(layers[:len(lock_layers)], lock_layers)
        self.assertEqual(len(layers), len(lock_layers) + 1, "the layer with the sources, and no other")
        self.assertEqual(self.engine.run(source["image"]), "good day from two\n" + log)
        ids = self.engine.ids(self.full(source["tags"], *levels) + self.full(first["tags"], "source"))
        new = ids[self.full(source["tags"], "source")[0]]
        self.assertEqual({name: image == new for name, image in ids.items()},
                         {**dict.fromkeys(self.full(source["tags"], "source", "lock"), True),
                          **dict.fromkeys(self.full(source["tags"], "versioned") + self.full(first["tags"], "source"), False)})

        write(directory, {"deps.lock": "one==2\n"})
        dependencies = self.built(directory)
        self.assertEqual((dependencies["action"], dependencies["from"]), ("from-versioned", self.full(first["tags"], "versioned")[0]))
        self.assertEqual(self.engine.run(dependencies["image"], "cat", "/log", "/srv/deps.lock"), log + "dependencies\none==2\n")
        self.assertEqual(len(self.engine.names(self.repository)), 6)

        other = self.built(directory, "--base-image", self.bases[1])
        self.assertEqual(other["action"], "from-scratch")
        self.assertEqual(self.engine.run(other["image"], "cat", "/log"), "system of %s\ndependencies\n" % self.bases[1])
        self.assertEqual(len(self.engine.names(self.repository)), 9)

    def test_a_step_that_fails(self):
        directory = self.project()
        with open(directory + "/Dockerfile.j2", "a", encoding="ascii") as template:
            template.write("RUN echo before the end; exit 42\n")
        said = self.build(directory, expect=BUILD_FAILED)
        self.assertIn("before the end", said.err)
        self.assertIn("42", said.err)
        self.assertIn("RUN echo before the end", said.err)
        self.assertEqual(self.engine.names(self.repository), [], "no name was given")

    def test_a_plain_dockerfile_builds_all_or_nothing(self):
        directory = self.project()
        write(directory, {"Dockerfile": "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nARG WORD=no\nCOPY code/app /srv/app\nRUN echo $WORD > /word\n"})
        flags = ("--dockerfile", "Dockerfile", "--build-arg", "WORD=yes")
        first = self.built(directory, *flags)
        self.assertEqual(self.engine.run(first["image"], "cat", "/word"), "yes\n")
        self.assertEqual(self.built(directory, *flags)["action"], "reuse")
        write(directory, {"app/main.sh": "echo other\n"})
        self.assertEqual(self.built(directory, *flags)["action"], "from-scratch", "a lock image is of no use to it")
        self.assertEqual(self.built(directory, *flags[:-1], "WORD=other")["action"], "from-scratch", "an argument is content")


class WithDockerd(Story, harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.containerd = harness.start(Containerd, cls.workspace)
        cls.docker = harness.start(Dockerd, cls.workspace, cls.containerd)
        cls.engine = Engine(cls.docker.socket)
        cls.registry = harness.start(Registry, cls.workspace)
        cls.bases = bases(cls, lambda name: "%s/%s" % (cls.registry.address, name))

    def test_force_builds_all_and_gives_all_names(self):
        directory = self.project()
        first = self.built(directory)
        forced = self.built(directory, "--force", "--tag", "mine")
        self.assertEqual((forced["action"], forced["built"]), ("from-scratch", True))
        names = self.full(first["tags"], "source", "lock", "versioned") + [self.repository + ":mine"]
        self.assertEqual(sorted(forced["applied"]), sorted(names))
        self.assertEqual(len(set(self.engine.ids(names).values())), 1)

    def test_an_image_that_exists_gets_the_custom_names(self):
        directory = self.project()
        first = self.built(directory)
        named = self.built(directory, "--tag", "python,dev")
        self.assertEqual((named["action"], named["applied"]), ("reuse", [self.repository + ":python", self.repository + ":dev"]))
        self.assertEqual(len(set(self.engine.ids([first["image"], self.repository + ":python", self.repository + ":dev"]).values())), 1)

    def test_a_dry_run_does_nothing(self):
        directory = self.project()
        said = self.build(directory, "--dry-run")
        self.assertRegex(said.err, "from-scratch: no source, lock or versioned image exists")
        self.assertRegex(said.out, r"image +%s:1\.2\.3_" % self.repository)
        self.assertEqual(self.engine.names(self.repository), [])

    def test_profile_v0(self):
        directory = self.project()
        write(directory, {"openhands/__init__.py": "", "openhands/core.py": "x = 1\n", "pyproject.toml": '[tool.poetry]\nversion = "0.62.0"\n',
                          "poetry.lock": "lock\n"})
        flags = ("--profile", "v0", "--source", "openhands", "--extra-file", "deps.lock", "--extra-file", "app", "--version", "0.62.0")
        first = self.built(directory, *flags)
        for level in ("source", "lock", "versioned"):
            self.assertRegex(first["tags"][level], "^oh_v0.62.0_")
        self.assertEqual(self.engine.names(self.repository), self.full(first["tags"], "source", "lock", "versioned"))
        write(directory, {"openhands/core.py": "x = 2\n"})
        self.assertEqual(self.built(directory, *flags)["action"], "from-lock")
        write(directory, {"poetry.lock": "another\n"})
        self.assertEqual(self.built(directory, *flags)["action"], "from-versioned")

    def test_the_context_that_is_built_can_be_kept(self):
        directory, kept = self.project(), self.path("context.tar.gz")
        self.build(directory, "--dry-run", "--save-context", kept)
        members = services.call("tar", "-tzf", kept).split()
        self.assertEqual(members, ["Dockerfile", "code/", "code/app/", "code/app/main.sh", "code/deps.lock"])

    def test_images_that_only_the_registry_has(self):
        """CI pushed them; a laptop builds on them, or finds that there is nothing to build."""
        directory = self.project(repository=self.registry.address + "/acme/pushed")
        flags = ("--look-in", "engine,registry")
        pushed = self.built(directory, "--push", *flags)
        self.assertTrue(pushed["pushed"])
        for name in self.full(pushed["tags"], "source", "lock", "versioned"):
            self.assertEqual(self.cooper("inspect", name, "--json").code, 0)
            self.engine.request("DELETE", "/images/%s?force=1" % name)
        found = self.built(directory, "--tag", "found", *flags)
        self.assertEqual((found["action"], found["found_in"]), ("reuse", "registry"))
        self.assertIn(self.repository + ":found", found["applied"])
        self.cooper("inspect", self.repository + ":found")
        write(directory, {"app/main.sh": "cat /log\n"})
        built = self.built(directory, *flags)
        self.assertEqual((built["action"], built["found_in"]), ("from-lock", "registry"))
        self.assertEqual(self.engine.run(built["image"]), "system of %s\ndependencies\n" % self.bases[0])

    def test_a_runtime_api_builds(self):
        """The same steps at a server that takes contexts, and no arguments beside them."""
        directory = self.project()
        write(directory, {"Dockerfile.j2": TEMPLATE + "ARG WORD=no\nRUN echo $WORD >> /log\n"})
        with RuntimeApi(self.workspace.directory("contexts"), engine=self.docker.socket) as api:
            flags = ("--builder", "remote", "--poll-interval", "1s", "--build-arg", "WORD=yes")
            first = self.built(directory, *flags, **api.environment)
            self.assertEqual((first["action"], first["built"]), ("from-scratch", True))
            self.assertEqual(self.engine.names(self.repository), self.full(first["tags"], "source", "lock", "versioned"))
            self.assertEqual(self.engine.run(first["image"], "cat", "/log"), "system of %s\ndependencies\nyes\n" % self.bases[0])
            again = self.built(directory, *flags, **api.environment)
            self.assertEqual((again["action"], again["found_in"]), ("reuse", "Runtime API"))
            write(directory, {"app/main.sh": "echo from the API\n"})
            source = self.built(directory, *flags, **api.environment)
            self.assertEqual((source["action"], self.engine.run(source["image"])), ("from-lock", "from the API\n"))
            write(directory, {"Dockerfile.j2": "FROM {{ base_image }}\nRUN exit 42\n"})
            failed = self.build(directory, *flags, expect=BUILD_FAILED, **api.environment)
            self.assertIn("42", failed.err)
            self.assertNotIn(api.key, failed.err)


class WithPodman(Story, harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.podman = harness.start(PodmanService, cls.workspace)
        cls.engine = Engine(cls.podman.socket)
        cls.bases = bases(cls, lambda name: "localhost/" + name)


def bases(test, name_of):
    """Two base images with a shell and cat: in a registry where the names lead to one, else in the engine alone."""
    tree = test.workspace.directory("base")
    os.makedirs(tree + "/bin", exist_ok=True)
    shutil.copy(harness.start(services.program, "busybox"), tree + "/bin/busybox")
    for tool in ("sh", "cat", "echo", "mkdir"):
        os.symlink("busybox", tree + "/bin/" + tool)
    names = [name_of("base:1"), name_of("base:2")]
    for name in names:
        with open(tree + "/name", "w", encoding="ascii") as out:
            out.write(name)
        in_engine = name.startswith("localhost/")
        place = ("docker-daemon:" if in_engine else "docker://") + name
        test.cooper("append", "scratch", place, "--layer", tree, "--env", "PATH=/bin", *(("--host", "unix://" + test.engine.socket) if in_engine else ()))
    return names


if __name__ == "__main__":
    harness.main()

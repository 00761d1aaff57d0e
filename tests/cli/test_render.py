"""`cooper render`: templates of Dockerfiles on the command line."""

import json
import os

import case

TEMPLATE = """FROM {{ base_image }}
{% if build_from_scratch %}
{% include 'parts/tools.j2' %}
{% endif %}
{% for package in packages %}
RUN install {{ package }}
{% endfor %}
"""


class Render(case.TestCase):
    def setUp(self):
        super().setUp()
        self.workspace.file("t/Dockerfile.j2", TEMPLATE, 0o644)
        self.workspace.file("t/parts/tools.j2", "RUN tools {{ version }}\n\n", 0o644)
        self.template = self.path("t/Dockerfile.j2")

    def test_the_text_and_nothing_else(self):
        said = self.cooper("render", self.template, "--set", "base_image=ubuntu:22.04", "--set", "build_from_scratch=true", "--set", "version=3",
                           "--set-json", 'packages=["git", "jq"]', "--trim-blocks")
        self.assertEqual(said.out, "FROM ubuntu:22.04\nRUN tools 3\nRUN install git\nRUN install jq\n")
        self.assertEqual(said.err, "")
        said = self.cooper("render", "-", "--set", "a=", "--keep-trailing-newline", stdin="[{{ a }}]\n")
        self.assertEqual(said.out, "[]\n")

    def test_into_a_file_and_as_json(self):
        variables = self.path("vars.json")
        with open(variables, "w", encoding="utf-8") as file:
            json.dump({"base_image": "debian", "packages": [], "build_from_scratch": False}, file)
        out = self.path("Dockerfile")
        said = self.cooper("render", self.template, "--vars", variables, "--set", "base_image=alpine", "-o", out, "--json", "-q")
        with open(out, encoding="utf-8") as file:
            self.assertEqual(file.read(), "FROM alpine\n\n")
        self.assertEqual(said.json, {"text": "FROM alpine\n\n", "variables": ["base_image", "build_from_scratch", "packages", "version"]})

    def test_what_can_be_set(self):
        said = self.cooper("render", self.template, "--list-variables")
        self.assertEqual(said.out, "base_image\nbuild_from_scratch\npackages\nversion\n")

    def test_slips_are_noticed(self):
        said = self.cooper("render", self.template, "--set", "base_imgae=x", "--set", "packages=")
        self.assertIn('reads no variable "base_imgae"; it reads "base_image"', said.err)
        self.assertIn("not set: base_image, build_from_scratch, version", said.err)
        self.fails(1, "render", self.template, "--strict", says="Dockerfile.j2:1: \"base_image\" is undefined")

    def test_mistakes_name_file_and_line(self):
        self.workspace.file("t/bad.j2", "a\n{% if x %}\n{% endfor %}\n", 0o644)
        self.fails(1, "render", self.path("t/bad.j2"), says='bad.j2:3: "endfor" closes nothing; the block opened at line 2 is "if"')
        self.fails(1, "render", "-", stdin="{{ x | uper }}", says='standard input:1: no filter is called "uper"; did you mean "upper"?')
        self.fails(2, "render", "-", "--set", "x", stdin="", says="--set")
        self.workspace.file("secret", "s", 0o644)
        os.symlink("../secret", self.path("t/link"))
        for name in ("../secret", "link", self.path("secret")):
            self.fails(1, "render", "-", "--include-dir", self.path("t"), stdin="{% include '" + name + "' %}", says="there is no template")


if __name__ == "__main__":
    case.main()

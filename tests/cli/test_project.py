"""cooper init and the project file: what is written, what is refused, and what stands on top of what."""

import json
import os
import re
import shutil

import case

try:
    import jsonschema
except ImportError:  # python3-jsonschema
    jsonschema = None

SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "lib", "build", "project", "cooper.schema.json")


def schema_of_files():
    with open(SCHEMA, encoding="utf-8") as file:
        return json.load(file)


def without_comments(text):
    """The text of a project file as JSON, for files that have comments on lines of their own."""
    text = "\n".join(line for line in text.splitlines() if not line.strip().startswith("//"))
    return re.sub(r",(\s*[}\]])", r"\1", text)


class ProjectCase(case.TestCase):
    def tree(self, name="tree"):
        self.workspace.file(name + "/src/main.py", "print('hi')\n", 0o644)
        self.workspace.file(name + "/pyproject.toml", "[project]\nversion = \"1.0.0\"\n", 0o644)
        self.workspace.file(name + "/uv.lock", "a==1\n", 0o644)
        self.workspace.file(name + "/Dockerfile.j2", "FROM {{ base_image }}\n", 0o644)
        return self.path(name)

    def project(self, text, name="tree"):
        return self.workspace.file(name + "/cooper.json", text, 0o644)


class Init(ProjectCase):
    def test_a_commented_file_with_what_was_found(self):
        root = self.tree()
        said = self.cooper("init", root)
        self.assertRegex(said.out, r"(?m)^lock files +pyproject.toml, uv.lock$")
        self.assertRegex(said.out, r"(?m)^template +Dockerfile.j2$")
        self.assertIn("cooper build --image runtime --dry-run", said.err)
        with open(root + "/cooper.json", encoding="utf-8") as file:
            text = file.read()
        image = json.loads(without_comments(text))["images"]["runtime"]
        self.assertEqual(image, {"base": "ubuntu:24.04", "template": "Dockerfile.j2", "lock_files": ["pyproject.toml", "uv.lock"], "sources": ["src"]})
        for key in schema_of_files()["definitions"]["settings"]["properties"]:
            self.assertIn('"%s": ' % key, text)

    def test_a_file_that_is_there_is_kept_without_force(self):
        root = self.tree()
        self.project("precious")
        self.fails(1, "init", root, says=["cooper.json is there already", "--force"])
        with open(root + "/cooper.json", encoding="utf-8") as file:
            self.assertEqual(file.read(), "precious")
        said = self.cooper("init", root, "--force", "--image", "agent-server", "--json")
        self.assertEqual(said.json["image"], "agent-server")
        self.assertEqual(said.json["sources"], ["src"])
        self.assertIsNone(said.json["dockerfile"])
        self.assertEqual(sorted(os.listdir(root)), ["Dockerfile.j2", "cooper.json", "pyproject.toml", "src", "uv.lock"])

    def test_a_link_is_replaced_and_not_followed(self):
        root = self.tree()
        target = self.workspace.file("target", "precious", 0o644)
        os.symlink(target, root + "/cooper.json")
        self.fails(1, "init", root, says="is there already")
        self.cooper("init", root, "--force")
        with open(target, encoding="utf-8") as file:
            self.assertEqual(file.read(), "precious")
        self.assertFalse(os.path.islink(root + "/cooper.json"))

    def test_mistakes(self):
        self.fails(1, "init", self.path("nowhere"), says="nowhere")
        self.fails(2, "init", self.root, "--image", "Runtime", says=["--image: ", "lowercase"])
        self.fails(2, "init", "a", "b", says='"b" is one argument too many')
        self.fails(2, "init", "--schema", "a", says='"a" is one argument too many')
        self.assertEqual(os.listdir(self.path("home")), [])

    def test_the_schema_is_the_one_of_the_repository(self):
        with open(SCHEMA, encoding="utf-8") as schema:
            self.assertEqual(self.cooper("init", "--schema").out, schema.read())

    def test_the_schema_agrees_with_the_parser(self):
        if jsonschema is None:
            self.skipTest("python3-jsonschema is not installed")
        schema = schema_of_files()
        jsonschema.Draft7Validator.check_schema(schema)
        validator = jsonschema.Draft7Validator(schema)
        self.cooper("init", self.tree())
        with open(self.path("tree/cooper.json"), encoding="utf-8") as initial:
            self.assertTrue(validator.is_valid(json.loads(without_comments(initial.read()))))
        everything = {key: one["examples"][0] for key, one in schema["definitions"]["settings"]["properties"].items()
                      if key not in ("dockerfile", "repository", "version_file")}
        for image, valid in ((everything, True), ({}, True), ({"dockerfile": "D", "repository": "a/b", "version_file": "V"}, True),
                             ({"template": "a", "dockerfile": "b"}, False), ({"version": "1", "version_file": "b"}, False),
                             ({"bas": "a"}, False), ({"base": 1}, False), ({"profile": "sdk"}, False), ({"look_in": ["cloud"]}, False),
                             ({"files": [{"to": "a"}]}, False), ({"files": [{"from": "a", "x": 1}]}, False), ({"files": ["a", {"from": "b"}]}, True),
                             ({"build_args": {"A": 1}}, False), ({"build_args": {"A-B": "1"}}, False), ({"variables": {"a": [1, {}]}}, True),
                             ({"browser": "yes"}, False), ({"platforms": "linux/amd64"}, False), ({"runtime_api_key": "x"}, False)):
            with self.subTest(image):
                document = {"defaults": {"profile": "v1", "version": "1"} if valid and "version_file" not in image else {}, "images": {"a": image}}
                self.assertEqual(validator.is_valid(document), valid)
                self.project(json.dumps(document))
                # A valid file is asked for an image that it has not, so that nothing is looked up.
                self.fails(1, "build", "--project", self.path("tree/cooper.json"), "--image", "none",
                           says='has no image "none"' if valid else "cooper.json:1: images.a")
        for document in ({}, {"images": {}}, {"images": {"A": {}}}, {"version": 2, "images": {"a": {}}}, {"images": {"a": {}}, "x": 1}):
            self.assertFalse(validator.is_valid(document))


class Refusals(ProjectCase):
    def refused(self, text, *says, code=1):
        file = self.project(text)
        self.fails(code, "build", "--dry-run", "--project", file, says=says)

    def test_mistakes_name_file_and_line(self):
        start = '{\n// one image\n"images": {"app": {\n'
        at = "tree/cooper.json:4: images.app"
        self.refused(start + '"lockfiles": []}}}', at + ': unknown key "lockfiles"; did you mean "lock_files"?')
        self.refused(start + '"frobnicate": 1}}}', at + ': unknown key "frobnicate"', "try: one of base, template")
        self.refused(start + '"platforms": 5}}}', at + ".platforms: expected a list of texts, found a number")
        self.refused(start + '"runtime_api_key": "hunter2"}}}', at, "keys and passwords never belong into the file", "RUNTIME_API_KEY")
        self.refused(start + '"base": "a" "version": "1"}}}', "tree/cooper.json:4: expected ',' or '}', found a text")
        self.refused('{"version": 7}', "this cooper reads format 1, not 7", "install a newer cooper")

    def test_images_are_chosen_by_name(self):
        file = self.project('{"images": {"runtime": {}, "other": {}}}')
        self.fails(1, "build", "--project", file, says=["describes several images", "--image NAME: runtime, other"])
        self.fails(1, "build", "--project", file, "--image", "runtme", says=['no image "runtme"; did you mean "runtime"?'])

    def test_flags_are_refused_by_their_names(self):
        for flag, value, says in (("--look-in", "cloud", '"cloud" is none of engine, registry, store'), ("--source", "../x", "leaves the root"),
                                  ("--platform", "a,,b", "has an empty element"), ("--builder", "x", "none of cooper, engine, remote"),
                                  ("--set", "x", "--set x=VALUE"), ("--set", "a-b=1", "is no variable's name"),
                                  ("--set-json", "x=[1", "--set-json x:1: expected ',' or ']'"), ("--extra-file", "a=/b", "leaves the root"),
                                  ("--build-arg", "=x", "has no name"), ("--runtime-api-url", "https://a:hunter2@b/", "--runtime-api-url: ")):
            with self.subTest(flag=flag, value=value):
                said = self.fails(2, "build", "--dry-run", "--root", self.root, flag, value, says=[flag, says])
                self.assertNotIn("hunter2", said.err)
        self.fails(2, "build", "--template", "a", "--dockerfile", "b", says="template and dockerfile exclude each other")


class Layers(ProjectCase):
    """Which of defaults, image, environment and flag is heard, told by the names that a dry run would give."""

    def dry(self, *arguments, **options):
        said = self.cooper("build", "--dry-run", "--json", "--look-in", "store", "--no-store", *arguments, **options)
        return said.json["images"][0], said.err

    def setUp(self):
        super().setUp()
        self.tree()
        self.file = self.project("""{
            "defaults": {"profile": "v1", "version": "1.0.0", "base": "defaults:1", "repository": "acme/defaults", "sources": ["src"]},
            "images": {
                "runtime": {"base": "file:1", "tags": ["file"]},  // the one that is built
                "other": {},
            },
        }""")

    def test_defaults_image_environment_flag(self):
        image, err = self.dry("--project", self.file, "--image", "other")
        self.assertEqual(image["base"], "defaults:1")
        self.assertEqual(image["tags"]["versioned"], "v1.0.0_defaults_tag_1")
        image, err = self.dry("--project", self.file, "--image", "runtime")
        self.assertEqual(image["base"], "file:1")
        self.assertIn("acme/defaults:file", image["to_apply"])
        self.assertNotIn("from $", err)
        image, err = self.dry("--project", self.file, "--image", "runtime", BASE_IMAGE="environment:1", CUSTOM_TAGS="python, dev")
        self.assertEqual(image["base"], "environment:1")
        self.assertEqual([name for name in image["to_apply"] if not name.startswith("acme/defaults:v1.0.0")], ["acme/defaults:python", "acme/defaults:dev"])
        self.assertIn("base: environment:1, from $BASE_IMAGE", err)
        image, err = self.dry("--project", self.file, "--image", "runtime", "--base-image", "flag:1", "--tag", "a,b", "--tag", "acme/x:c",
                              BASE_IMAGE="environment:1", CUSTOM_TAGS="python")
        self.assertEqual(image["base"], "flag:1")
        self.assertEqual([name for name in image["to_apply"] if not name.startswith("acme/defaults:v1.0.0")],
                         ["acme/defaults:a", "acme/defaults:b", "acme/x:c"])
        self.assertNotIn("from $", err)
        self.fails(1, "build", "--project", self.file, "--image", "other", says="$BASE_IMAGE: ", BASE_IMAGE="Upper")

    def test_the_runtime_repository_of_the_environment_counts_for_v0_alone(self):
        image, _ = self.dry("--project", self.file, "--image", "other", OH_RUNTIME_RUNTIME_IMAGE_REPO="acme/elsewhere")
        self.assertTrue(image["image"].startswith("acme/defaults:"))

    def test_what_one_layer_says_another_way_replaces_the_one_below(self):
        image, _ = self.dry("--project", self.file, "--image", "other", "--registry-prefix", "ghcr.io/acme")
        self.assertTrue(image["image"].startswith("ghcr.io/acme/other:"))
        self.workspace.file("tree/VERSION", "2.0.0\n", 0o644)
        image, _ = self.dry("--project", self.file, "--image", "other", "--version-file", "VERSION")
        self.assertTrue(image["tags"]["source"].startswith("v2.0.0_"))

    def test_the_file_is_found_from_below(self):
        image, _ = self.dry("--root", self.path("tree/src"), "--image", "other", "--source", ".")
        self.assertEqual(image["base"], "defaults:1")
        shutil.move(self.file, self.file + ".away")
        image, _ = self.dry("--root", self.path("tree"), "--image", "none", "--profile", "v1", "--version", "3", "--base-image", "b:1", "--source", "src")
        self.assertEqual(image["name"], "none")


if __name__ == "__main__":
    case.main()

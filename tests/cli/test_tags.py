"""`cooper tags`: names from content and from git, records, and why a tag changed."""

import base64
import json
import os

import case
import harness

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "tags")
BASE = "ubuntu:22.04@sha256:" + "5" * 64


def golden_cases(profile):
    with open(os.path.join(GOLDEN, "image_tags.json"), encoding="utf-8") as vectors:
        return [one for one in json.load(vectors)["cases"] if one["profile"] == profile]


class TagsCase(case.TestCase):
    def project(self, name="project"):
        self.workspace.file(name + "/src/main.py", "print('hi')\n", 0o644)
        self.workspace.file(name + "/src/run.sh", "#!/bin/sh\n", 0o755)
        self.workspace.file(name + "/src/__pycache__/main.pyc", "x", 0o644)
        self.workspace.file(name + "/uv.lock", "a==1\n", 0o644)
        self.workspace.file(name + "/Dockerfile", "FROM ubuntu\n", 0o644)
        return self.path(name)

    def tags(self, *more, root=None, **options):
        return self.cooper("tags", "--base", BASE, "--version", "1.0.0", "--platform", "linux/amd64", "--root", root or self.path("project"), "--source",
                           "src", "--lock-file", "uv.lock", "--recipe", "Dockerfile", *more, **options)


class Compatible(TagsCase):
    def make(self, tree):
        root = self.workspace.directory("tree-%d" % len(os.listdir(self.root)))
        for entry in tree:
            path = os.path.join(root.encode(), base64.b64decode(entry["path_base64"]) if "path_base64" in entry else entry["path"].encode())
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if entry["type"] == "file":
                with open(path, "wb") as out:
                    out.write(base64.b64decode(entry["content_base64"]))
            elif entry["type"] == "dir":
                os.makedirs(path, exist_ok=True)
            elif entry["type"] == "symlink":
                os.symlink(entry["target"].replace("{SCRATCH}", root), path)
        return root

    def test_v1_as_the_original_writes_them(self):
        ran = 0
        for one in golden_cases("v1"):
            if "tags" not in one["expect"] or one["extra_files"]:
                continue
            root = self.make(one["tree"])
            source = os.path.relpath(one["source_dir"], one["sdk_root"])
            said = self.cooper("tags", "--profile", "v1", "--base", one["base_image"], "--version", one["version"], "--root",
                               os.path.join(root, one["sdk_root"]), "--source", source, "--suffix=" + one["suffix"],
                               *([] if one["enable_browser"] else ["--no-browser"]), expect=None)
            if said.code == harness.DONE:
                tags = one["expect"]["tags"]
                self.assertEqual(said.out.split(), [tags["source"], tags["lock"], tags["versioned"]], one["id"])
                ran += 1
            else:
                self.assertIn("tag", said.err, one["id"])  # one that no registry would accept
        self.assertGreater(ran, 8)

    def test_v0_with_its_own_repository(self):
        ran = 0
        for one in golden_cases("v0"):
            if "tags" not in one["expect"]:
                continue
            root = self.make(one["tree"])
            environment = {"OH_RUNTIME_RUNTIME_IMAGE_REPO": one["runtime_repo"]} if one["runtime_repo"] else {}
            said = self.cooper("tags", "--profile", "v0", "--base", one["base_image"], "--version", one["version"], "--root",
                               os.path.join(root, one["package_dir"]), "--json", *([] if one["enable_browser"] else ["--no-browser"]), expect=None,
                               **environment)
            if said.code == harness.DONE:
                named = [said.json["repository"] + ":" + said.json[level] for level in ("source", "lock", "versioned")]
                self.assertEqual(named, one["expect"]["tags"], one["id"])
                ran += 1
        self.assertGreater(ran, 8)

    def test_v0_from_within_the_package_and_through_a_link(self):
        self.workspace.file("hands/openhands/__init__.py", "", 0o644)
        self.workspace.file("hands/pyproject.toml", '[tool.poetry]\nversion = "0.62.0"\n', 0o644)
        self.workspace.file("hands/poetry.lock", "", 0o644)
        os.symlink("openhands", self.path("hands/link"))
        command = ("tags", "--profile", "v0", "--base", "debian:12", "--root")
        said = self.cooper(*command, self.path("hands/openhands")).out
        self.assertIn("oh_v0.62.0_", said)
        self.assertEqual(self.cooper(*command, self.path("hands/openhands/.")).out, said)
        self.assertEqual(self.cooper(*command, self.path("hands/link/")).out, said)
        self.assertEqual(self.cooper(*command, self.path("hands"), "--source", "openhands").out, said)

    def test_a_tag_that_no_registry_accepts_is_refused(self):
        self.project()
        failed = self.cooper("tags", "--profile", "v1", "--base", "ubuntu@sha256:" + "a" * 64, "--version", "1.0.0", "--root", self.path("project"),
                             "--source", "src", expect=1)
        self.assertIn("@", failed.err)
        self.assertEqual(failed.out, "")


class Sound(TagsCase):
    def test_three_tags_source_first(self):
        self.project()
        said = self.tags().out
        source, lock, versioned = said.split()
        self.assertEqual(said, "%s\n%s\n%s\n" % (source, lock, versioned))
        self.assertRegex(lock, r"^1\.0\.0_[0-9a-z]{20}$")
        self.assertRegex(source, r"^%s_[0-9a-z]{20}$" % lock)
        self.assertRegex(versioned, r"^1\.0\.0_.*ubuntu.*-[0-9a-z]{20}$")

    def test_the_checkout_does_not_matter(self):
        one = self.tags(root=self.project("one")).out
        two = self.project("elsewhere/two")
        for folder, _, names in os.walk(two):
            for name in names:
                path = os.path.join(folder, name)
                os.chmod(path, 0o700 if os.access(path, os.X_OK) and name == "run.sh" else 0o600)
                os.utime(path, (1, 1))
        self.assertEqual(self.tags(root=two, LANG="C", LC_ALL="C").out, one)

    def test_each_level_has_its_own_inputs(self):
        project = self.project()
        before = self.tags().out.split()
        for path, levels in (("src/main.py", 1), ("uv.lock", 2), ("Dockerfile", 3)):
            with open(os.path.join(project, path), "a", encoding="utf-8") as out:
                out.write("more\n")
            after = self.tags().out.split()
            self.assertEqual([old == new for old, new in zip(before, after)], [False] * levels + [True] * (3 - levels), path)
            before = after

    def test_images_and_more_forms(self):
        self.project()
        plain = self.tags().out.split()
        named = self.tags("--image", "ghcr.io/acme/app", "--image", "localhost:5000/app").out.split()
        self.assertEqual(named, ["%s:%s" % (image, tag) for image in ("ghcr.io/acme/app", "localhost:5000/app") for tag in plain])
        outputs = self.path("outputs")
        said = self.tags("--json", "--github-output", GITHUB_OUTPUT=outputs).json
        self.assertEqual([said["source"], said["lock"], said["versioned"]], plain)
        with open(outputs, encoding="utf-8") as written:
            self.assertIn("source=" + plain[0] + "\n", written.read())

    def test_a_secret_build_argument_is_in_no_record(self):
        self.project()
        record = self.path("record.json")
        self.tags("--record", record, "--build-arg", "API_TOKEN=hunter2hunter2", "--build-arg", "PLAIN", PLAIN="seen")
        with open(record, encoding="utf-8") as written:
            text = written.read()
        self.assertNotIn("hunter2", text)
        self.assertIn("seen", text)

    def test_the_base_is_asked_for_its_digest(self):
        self.project()
        registry = case.FakeRegistry(self.image())
        self.addCleanup(registry.close)
        name = registry.address + "/acme/site:1"
        command = ("tags", "--version", "1.0.0", "--root", self.path("project"), "--platform", "linux/amd64")
        asked = self.cooper(*command, "--base", name).out
        self.assertEqual(self.cooper(*command, "--base", name + "@" + registry.manifest["digest"]).out, asked)
        moved = case.FakeRegistry(self.image("moved.tar", text="<p>moved\n"))
        self.addCleanup(moved.close)
        registry.manifest, registry.blobs = moved.manifest, moved.blobs
        self.assertNotEqual(self.cooper(*command, "--base", name).out, asked)


class Explain(TagsCase):
    def test_today_against_a_record(self):
        project = self.project()
        record = self.path("record.json")
        before = self.tags("--record", record).out.split()
        self.assertIn(", as before", self.tags("--explain", record).out)
        self.workspace.file("project/src/main.py", "print('ho')\n", 0o644)
        self.workspace.file("project/src/new.py", "", 0o644)
        os.chmod(os.path.join(project, "src/run.sh"), 0o644)
        said = self.tags("--explain", record, "--json").json
        self.assertEqual({level: tag["changed"] for level, tag in said["tags"].items()}, {"source": True, "lock": False, "versioned": False})
        self.assertEqual(said["tags"]["source"]["before"], before[0])
        self.assertEqual(sorted((change["change"], (change["before"] or change["after"])["name"]) for change in said["changes"]),
                         [("added", "src/new.py"), ("changed", "src/main.py"), ("changed", "src/run.sh")])
        self.assertTrue(all(change["touches"] == ["source"] for change in said["changes"]))

    def test_two_records(self):
        self.project()
        old, new = self.path("old.json"), self.path("new.json")
        self.tags("--record", old)
        self.tags("--record", new, "--target", "dev", "--build-arg", "A=1")
        said = self.cooper("tags", "--explain", old, new).out
        self.assertIn("[versioned, lock, source]", said)
        self.assertIn("dev", said)
        self.assertIn("A", said)

    def test_a_damaged_record_is_refused(self):
        record = self.workspace.file("record.json", '{"schema": "cooper.tags/v1", "inputs": [', 0o644)
        failed = self.cooper("tags", "--explain", record, record, expect=1)
        self.assertIn("record.json", failed.err)

    def test_records_of_two_profiles_are_not_compared(self):
        self.project()
        sound, v1 = self.path("sound.json"), self.path("v1.json")
        self.tags("--record", sound)
        self.cooper("tags", "--profile", "v1", "--base", "ubuntu", "--version", "1", "--root", self.path("project"), "--source", "src", "--record", v1)
        failed = self.cooper("tags", "--explain", sound, v1, expect=1)
        self.assertIn("profile", failed.err)


class Git(TagsCase):
    def test_a_branch_and_a_release(self):
        root = self.repository()
        sha = self.git("rev-parse", "HEAD")
        said = self.cooper("tags", "--git", "--image", "GHCR.io/Acme/App", "--root", root).out.split()
        self.assertEqual(said, ["ghcr.io/acme/app:" + tag for tag in ("main", "sha-" + sha[:7], "sha-" + sha)])
        self.git("tag", "v1.2.3")
        self.git("checkout", "-q", "--detach", "v1.2.3")
        said = self.cooper("tags", "--git", "--root", root, "--version-file", self.workspace.file("VERSION", "v1.2.3\n"), "--require-match").out.split()
        self.assertEqual(said, ["1.2.3", "1.2", "1", "sha-" + sha[:7], "sha-" + sha, "latest"])
        version = self.workspace.file("VERSION", "v1.2.4\n")
        for more in ((), ("--git",), ("--base", "scratch"), ("--base", "debian:12", "--profile", "v1", "--source", ".")):
            self.fails(2, "tags", "--root", root, "--version-file", version, "--require-match", *more, says="1.2.4")

    def test_latest_never_goes_backwards(self):
        root = self.repository()
        self.git("tag", "v1.10.0")
        self.git("commit", "-q", "--allow-empty", "-m", "fix")
        self.git("tag", "v1.9.1")
        command = ("tags", "--git", "--root", root, "--ref", "refs/tags/v1.9.1")
        said = self.cooper(*command)
        self.assertNotIn("latest", said.out)
        self.assertIn("1.10.0", said.err)
        self.fails(2, *command, "--latest", "always", says="1.10.0")
        self.assertIn("latest", self.cooper(*command, "--latest", "always", "--force-latest").out)

    def test_build_sh_in_github_actions(self):
        root = self.repository()
        sha = self.git("rev-parse", "HEAD")
        environment = {"GITHUB_ACTIONS": "true", "GITHUB_SHA": sha, "GITHUB_REF": "refs/pull/7/merge", "GITHUB_REF_NAME": "7/merge",
                       "GITHUB_EVENT_NAME": "pull_request"}
        said = self.cooper("tags", "--git", "--dialect", "build.sh", "--suffix", "nikolaik", "--root", root, **environment).out.split()
        self.assertEqual(said, [sha[:7] + "-nikolaik", sha + "-nikolaik", "7-merge-nikolaik"])

    def test_without_git_it_says_so(self):
        nowhere = self.workspace.directory("nowhere")
        self.assertIn("in no git repository", self.cooper("tags", "--git", "--root", nowhere, expect=1).err)
        self.assertEqual(self.cooper("tags", "--git", "--root", nowhere, "--sha", "0123456789abcdef", "--ref", "refs/heads/x").out,
                         "x\nsha-0123456\nsha-0123456789abcdef\n")
        self.fails(2, "tags", "--git", "--root", nowhere, "--sha", "xyz", says="--sha")

    def test_sdk(self):
        root = self.repository()
        sha = self.git("rev-parse", "HEAD")
        said = self.cooper("tags", "--profile", "sdk", "--base", "python:3.12", "--tag", "python", "--root", root).out.split()
        self.assertEqual(said, ["ghcr.io/openhands/agent-server:" + tag
                                for tag in (sha[:7] + "-python", sha + "-python", "main-python", sha[:7] + "-python_tag_3.12")])


class Mistakes(TagsCase):
    def test_each_names_what_is_wrong(self):
        root = self.project()
        for flags, says in (((), "which base image"),
                            (("--base", "a"), "which version"),
                            (("--base", "a", "--profile", "v3"), "v3"),
                            (("--version", "1", "--git", "--source", "x"), "--source has no meaning with --git"),
                            (("--base", "a", "--version", "1", "--profile", "v1", "--build-arg", "A=1"), "--build-arg has no meaning"),
                            (("--base", "a", "--version", "1", "--force"), "--find"),
                            (("--git", "--latest", "sometimes"), "sometimes"),
                            (("--base", BASE, "--version", "1", "--build-arg", "NOT_SET_ANYWHERE"), "NOT_SET_ANYWHERE")):
            self.fails(2, "tags", "--root", root, *flags, says=says)

    def test_a_source_that_is_not_there(self):
        failed = self.tags("--source", "nothing", root=self.project(), expect=1)
        self.assertIn("nothing", failed.err)


if __name__ == "__main__":
    case.main()

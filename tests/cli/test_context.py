"""cooper context: the same bytes everywhere, names, variables and flags, what is cleaned, and what is refused."""

import os
import shutil
import subprocess
import tarfile
import unittest

import case

PACKAGES = ["sdk", "tools", "workspace", "agent_server"]


class ContextCase(case.TestCase):
    def file(self, name, text="", mode=0o644):
        return self.workspace.file(name, text, mode)

    def agent_server(self, name="checkout", order=1):
        """A checkout of the agent server as far as its packages go."""
        files = [("%s/openhands/%s/%s" % (name, package, file), text)
                 for package in PACKAGES for file, text in [("pyproject.toml", "[project]\nname = \"openhands-%s\"\n" % package), ("__init__.py", "")]]
        files += [(name + "/pyproject.toml", "[tool]\n"), (name + "/uv.lock", "version = 1\n"), (name + "/tests/test_it.py", "assert True\n")]
        for path, text in files[::order]:
            self.file(path, text)
        return self.path(name)

    def project(self, name="project", dockerfile="ARG BASE_IMAGE=debian:12\nFROM ${BASE_IMAGE} AS base\nCOPY src /src\nFROM base AS last\nCOPY . .\n"):
        self.file(name + "/Dockerfile", dockerfile)
        self.file(name + "/src/main.py", "print('hi')\n")
        return self.path(name)

    def context(self, *arguments, **options):
        """Written below "out"; what cooper says of it."""
        return self.cooper("context", "--output-dir", self.path("out"), *arguments, "--json", **options).json

    @staticmethod
    def members(path):
        with tarfile.open(path, "r:gz") as tar:
            return {member.name: member for member in tar}

    @staticmethod
    def text(path, name="Dockerfile"):
        with tarfile.open(path, "r:gz") as tar:
            return tar.extractfile(name).read().decode()


class AgentServer(ContextCase):
    def test_without_any_settings(self):
        root = self.agent_server()
        made = self.context("--root", root)
        self.assertEqual(os.path.basename(made["file"]), "agent-server-unknown-python.tar.gz")
        names = list(self.members(made["file"]))
        self.assertEqual(names[:2], ["Dockerfile", "openhands"])
        self.assertIn("openhands/agent_server/pyproject.toml", names)
        self.assertIn("uv.lock", names)
        self.assertNotIn("LICENSE", names)
        self.assertFalse([name for name in names if name.startswith("tests")])
        dockerfile = self.text(made["file"])
        self.assertIn("FROM nikolaik/python-nodejs:python3.12-nodejs22 AS app\n", dockerfile)
        self.assertIn("RUN pip install --no-cache-dir ./openhands/agent_server\n", dockerfile)
        self.assertIn('CMD ["python", "-m", "openhands.agent_server"]', dockerfile)
        self.assertEqual(made["members"], len(names))
        self.assertEqual(made["size"], os.path.getsize(made["file"]))
        with open(made["file"], "rb") as file:
            self.assertEqual(made["digest"], "sha256:" + case.sha256(file.read()))

    def test_targets(self):
        root = self.agent_server()
        texts = {target: self.text(self.context("--root", root, "--target", target)["file"])
                 for target in ["binary", "binary-minimal", "source", "source-minimal"]}
        self.assertEqual(len(set(texts.values())), 4)
        for target, text in texts.items():
            self.assertIn("AS %s\n" % target, text)
            self.assertEqual("-e ./openhands/sdk" in text, target.startswith("source"))
            self.assertEqual("tmux" in text, not target.endswith("-minimal"))
            self.assertEqual([line for line in text.splitlines() if "--mount" in line or "<<" in line], [])
        failed = self.fails(1, "context", "--root", root, "--target", "bin", says=["'bin'", "binary-minimal"])
        self.assertNotIn("out", failed.out)

    def test_the_module_that_is_there_serves(self):
        self.agent_server()
        self.file("checkout/openhands/agent_server/server.py")
        text = self.text(self.context("--root", self.path("checkout"), "--target", "source")["file"])
        self.assertIn('CMD ["python", "-m", "openhands.agent_server.server", "--dev"]', text)

    def test_what_tools_leave_behind_stays_out(self):
        root = self.agent_server()
        plain = self.context("--root", root)["digest"]
        for rubbish in ["openhands/sdk/__pycache__/a.pyc", "openhands/sdk/openhands_sdk.egg-info/PKG-INFO", "openhands/tools/node_modules/a/b.js",
                        "openhands/tools/.DS_Store", "openhands/sdk/.gitignore", ".git/config"]:
            self.file("checkout/" + rubbish, "rubbish")
        self.assertEqual(self.context("--root", root)["digest"], plain)


class Deterministic(ContextCase):
    def test_the_same_bytes_whatever_the_surroundings(self):
        one = self.context("--root", self.agent_server())
        other = self.agent_server("another-name", order=-1)
        for directory, _, files in os.walk(other):
            os.chmod(directory, 0o700)
            for name in files:
                os.chmod(os.path.join(directory, name), 0o600)
                os.utime(os.path.join(directory, name), (5, 5))
            os.utime(directory, (7, 7))
        before = os.umask(0o077)
        try:
            again = self.context("--root", other, "--output-name", "again.tar.gz", TZ="Asia/Kolkata", LC_ALL="tr_TR.UTF-8", SOURCE_DATE_EPOCH="1")
        finally:
            os.umask(before)
        self.assertEqual(again["digest"], one["digest"])

    def test_the_output_directory_is_no_part_of_the_context(self):
        root = self.project()
        first = self.cooper("context", "--root", root, "--output-dir", root + "/runtime build[1]", "--json").json
        second = self.cooper("context", "--root", root, "--output-dir", root + "/runtime build[1]", "--no-clean", "--output-name", "x", "--json").json
        here = self.cooper("context", "--root", root, "--output-dir", root, "--ignore", "runtime*", "--json").json
        self.assertEqual(first["digest"], second["digest"])
        self.assertEqual(first["digest"], here["digest"])


class Names(ContextCase):
    def test_commit_and_tag(self):
        root = self.repository()
        self.file("repository/Dockerfile", "FROM scratch\n")
        sha = self.git("rev-parse", "HEAD")[:7]
        name = lambda *arguments, **options: os.path.basename(self.context("--root", root, *arguments, **options)["file"])  # noqa: E731
        self.assertEqual(name(), "context-%s-latest.tar.gz" % sha)
        self.assertEqual(name("--image", "runtime", "--tag", "dev"), "runtime-%s-dev.tar.gz" % sha)
        self.assertEqual(name("--tag", "ghcr.io/acme/app:v2,dev"), "context-%s-v2.tar.gz" % sha)
        self.assertEqual(name(CUSTOM_TAGS=" nodejs ,python"), "context-%s-nodejs.tar.gz" % sha)
        self.assertEqual(name(GITHUB_SHA="0506352abcdef"), "context-0506352-latest.tar.gz")
        self.assertEqual(name(OUTPUT_NAME="mine.tar.gz"), "mine.tar.gz")
        self.assertEqual(name("--output-name", "ours.tar.gz", OUTPUT_NAME="mine.tar.gz"), "ours.tar.gz")
        for bad in ["../x", "a/b", ".", ".cooper-context"]:
            self.fails(1, "context", "--root", root, "--output-dir", self.path("out"), "--output-name", bad, says=bad)

    def test_variables_and_flags_above_them(self):
        root = self.project()
        made = self.cooper("context", "--root", root, "--json", OUTPUT_DIR=self.path("builds"), BASE_IMAGE="python:3.12-slim", TARGET="base").json
        self.assertEqual(os.path.dirname(made["file"]), self.path("builds"))
        self.assertEqual(self.text(made["file"]), "ARG BASE_IMAGE=python:3.12-slim\nFROM ${BASE_IMAGE} AS base\nCOPY src /src\n")
        made = self.context("--root", root, "--base-image", "alpine:3", "--target", "last", OUTPUT_DIR=self.path("builds"), BASE_IMAGE="python:3.12-slim",
                            TARGET="base")
        self.assertEqual(os.path.dirname(made["file"]), self.path("out"))
        self.assertIn("ARG BASE_IMAGE=alpine:3\n", self.text(made["file"]))
        self.assertIn("FROM base AS last\n", self.text(made["file"]))

    def test_the_default_directory(self):
        root = self.project()
        subprocess.run([self.cooper.path, "context"], cwd=root, env=self.cooper.environment, check=True, capture_output=True)
        self.assertEqual(sorted(os.listdir(root + "/runtime-build")), [".cooper-context", "context-unknown-latest.tar.gz"])

    def test_templates(self):
        self.file("t/Dockerfile.j2", "FROM {{ base_image }}\n{% if build_from_scratch %}RUN {{ word }}\n{% endif %}COPY . .\n")
        made = self.context("--root", self.path("t"), "--base-image", "ubuntu:22.04", "--set", "word=hello")
        self.assertEqual(self.text(made["file"]), "FROM ubuntu:22.04\nRUN hello\nCOPY . .")
        self.fails(2, "context", "--root", self.path("t"), says=["base image", "--base-image"])

    def test_build_arguments_become_defaults(self):
        root = self.project(dockerfile="FROM debian\nARG GREETING\nRUN echo $GREETING\n")
        made = self.context("--root", root, "--build-arg", "GREETING=hello world")
        self.assertIn('ARG GREETING="hello world"\n', self.text(made["file"]))
        self.fails(1, "context", "--root", root, "--build-arg", "GREETINGS=x", says=["GREETINGS", "GREETING"])

    def test_a_stage_that_is_not_there(self):
        self.fails(1, "context", "--root", self.project(), "--target", "lst", says=["'lst'", "base, last"])

    def test_nothing_to_build(self):
        self.file("bare/a")
        self.fails(1, "context", "--root", self.path("bare"), says=["no Dockerfile", "--dockerfile"])


class Content(ContextCase):
    def test_list(self):
        root = self.project()
        said = self.cooper("context", "--root", root, "--list", "--output-dir", self.path("out"))
        self.assertEqual(said.out, "Dockerfile\nsrc\nsrc/main.py\n")
        self.assertFalse(os.path.exists(self.path("out")))
        self.assertEqual(self.cooper("context", "--root", root, "--list", "--json").json["members"], ["Dockerfile", "src", "src/main.py"])

    def test_flags_choose_what_goes_in(self):
        root = self.project()
        self.file("project/README.md", "r")
        self.file("project/src/a.log", "l")
        self.file("project/docs/x", "x")
        names = self.cooper("context", "--root", root, "--list", "--source", "src", "--ignore", "**/*.log", "--extra-file", "README.md=about/README",
                            "--extra-file", "docs", "--context-prefix", "code").out.split()
        self.assertEqual(names, ["Dockerfile", "about", "about/README", "code", "code/docs", "code/docs/x", "code/src", "code/src/main.py"])

    def test_secrets_are_refused_and_may_be_allowed(self):
        root = self.project()
        self.file("project/.env", "PASSWORD=hush-hush\n")
        self.file("project/deploy/id_ed25519", "hush-hush\n")
        failed = self.fails(1, "context", "--root", root, "--output-dir", self.path("out"), says=[".env", "deploy/id_ed25519", "--allow-secret"])
        self.assertNotIn("hush-hush", failed.err)
        self.assertEqual(os.listdir(self.path("out")) if os.path.exists(self.path("out")) else [], [])
        self.context("--root", root, "--allow-secret", ".env", "--allow-secret", "deploy/*")
        self.context("--root", root, "--ignore", "**/.env", "--ignore", "deploy")

    def test_links_out_are_refused(self):
        root = self.project()
        os.symlink("src/main.py", root + "/inside")
        os.symlink("../outside", root + "/up")
        os.symlink("/etc/passwd", root + "/passwd")
        self.fails(1, "context", "--root", root, says=["/up'", "/passwd'", "/etc/passwd", "--ignore"])
        made = self.context("--root", root, "--ignore", "up", "--ignore", "passwd")
        self.assertEqual(self.members(made["file"])["inside"].linkname, "src/main.py")

    def test_one_target(self):
        self.fails(2, "context", "--root", self.project(), "--target", "base,last", says=["one target", "--target"])


class Cleaning(ContextCase):
    def listing(self):
        return sorted(os.listdir(self.path("out")))

    def test_contexts_of_earlier_runs_go_and_all_else_stays(self):
        root = self.project()
        self.context("--root", root, "--output-name", "one")
        self.file("out/mine", "mine")
        self.assertEqual(self.context("--root", root, "--output-name", "two")["removed"], ["one"])
        self.assertEqual(self.listing(), [".cooper-context", "mine", "two"])
        for kept, options in [("two", {"CLEAN_OUTPUT": "false"}), ("three", {"CLEAN_OUTPUT": "0"})]:
            self.assertEqual(self.context("--root", root, "--output-name", "after-" + kept, **options)["removed"], [])
        self.context("--root", root, "--no-clean", "--output-name", "last", CLEAN_OUTPUT="true")
        self.assertEqual(self.listing(), [".cooper-context", "after-three", "after-two", "last", "mine", "two"])
        self.assertEqual(self.context("--root", root, "--output-name", "end", CLEAN_OUTPUT="TRUE")["removed"], ["two", "after-two", "after-three", "last"])

    def test_what_was_touched_since_stays(self):
        root = self.project()
        self.context("--root", root, "--output-name", "one")
        with open(self.path("out/one"), "ab") as file:
            file.write(b"x")
        said = self.cooper("context", "--root", root, "--output-dir", self.path("out"), "--output-name", "two")
        self.assertIn("out/one", said.err)
        self.assertEqual(self.listing(), [".cooper-context", "one", "two"])

    def test_a_list_that_came_with_a_repository_removes_nothing(self):
        root = self.project()
        self.context("--root", root, "--output-name", "one")
        self.file("victim/precious", "precious")
        with open(self.path("out/.cooper-context"), encoding="utf-8") as file:
            head, line = file.read().splitlines()
        fields = line.split(" ")
        shutil.copytree(self.path("out"), self.path("copied"))  # as a checkout or an archive would bring it
        forged = "\n".join([head, line] + [" ".join(fields[:4] + [name]) for name in ["../victim/precious", "/etc/passwd", "..", "."]])
        self.file("copied/.cooper-context", forged + "\n")
        made = self.cooper("context", "--root", root, "--output-dir", self.path("copied"), "--output-name", "two", "--json").json
        self.assertEqual(made["removed"], [])
        self.assertTrue(os.path.exists(self.path("copied/one")))
        self.assertTrue(os.path.exists(self.path("victim/precious")))

    def test_a_foreign_file_is_not_written_over(self):
        root = self.project()
        self.file("out/mine", "mine")
        self.fails(1, "context", "--root", root, "--output-dir", self.path("out"), "--output-name", "mine", says=["mine", "--output-name"])
        with open(self.path("out/mine"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "mine")

    def test_a_symlinked_directory(self):
        root = self.project()
        self.file("elsewhere/mine", "mine")
        os.symlink("elsewhere", self.path("out"))
        self.context("--root", root, "--output-name", "one")
        self.context("--root", root, "--output-name", "two")
        self.assertEqual(sorted(os.listdir(self.path("elsewhere"))), [".cooper-context", "mine", "two"])


class Upload(ContextCase):
    """Without a server; with one: tests/integration/test_context.py."""

    def test_what_is_missing_is_named_before_anything_is_written(self):
        root = self.project()
        self.fails(2, "context", "--root", root, "--upload", says=["--runtime-api-url", "RUNTIME_API_URL"])
        self.fails(2, "context", "--root", root, "--upload", "--runtime-api-url", "http://127.0.0.1:9", says=["RUNTIME_API_KEY", "--api-key-file"])
        self.fails(2, "context", "--root", root, "--upload", "--no-upload", says="--no-upload")
        self.fails(2, "context", "--root", root, "--upload", "--list", says="--list")


if __name__ == "__main__":
    unittest.main()

"""The example programs, as their first lines say that they are used."""

import os
import subprocess

import case
import harness
import runtime_api

EXAMPLES = os.environ["COOPER_EXAMPLES"]
BASE = "ubuntu:22.04@sha256:" + "5" * 64


class Examples(case.TestCase):
    def run_example(self, name, *arguments, text="", expect=0, **environment):
        done = subprocess.run([os.path.join(EXAMPLES, "example_" + name), *arguments], input=text, capture_output=True, text=True, timeout=60,
                              env={**self.cooper.environment, "XDG_CACHE_HOME": self.path("cache"), **environment}, check=False)
        self.assertEqual(done.returncode, expect, done.stderr)
        return done.stdout

    def project(self):
        self.workspace.file("project/uv.lock", "a==1\n", 0o644)
        self.workspace.file("project/src/main.py", "print('hi')\n", 0o644)
        self.workspace.file("project/.dockerignore", "*.log\n", 0o644)
        return self.path("project")

    def test_hash_tags_are_those_of_the_command(self):
        project, record = self.project(), self.path("record.json")
        said = self.run_example("hash_tags", project, "1.0.0", BASE, record, "uv.lock")
        for tag in self.cooper("tags", "--base", BASE, "--version", "1.0.0", "--root", project, "--lock-file", "uv.lock", "--build-arg",
                               "PYTHON_VERSION=3.12").out.split():
            self.assertIn(tag, said)
        self.workspace.file("project/src/main.py", "print('ho')\n", 0o644)
        other = self.path("other.json")
        self.run_example("hash_tags", project, "1.0.0", BASE, other, "uv.lock")
        self.assertIn("src/main.py", self.run_example("explain_tags", record, other))

    def test_tree_digest(self):
        project = self.project()
        before = self.run_example("tree_digest", project)
        self.workspace.file("project/build.log", "noise", 0o644)
        self.assertEqual(self.run_example("tree_digest", project), before)
        self.workspace.file("project/src/more.py", "", 0o644)
        self.assertNotEqual(self.run_example("tree_digest", project), before)

    def test_source_hash(self):
        self.assertIn("src/main.py", self.run_example("source_hash", self.project()))

    def test_ignore(self):
        ignore = self.workspace.file("ignore", "*.log\n")
        self.assertEqual(self.run_example("ignore", ignore, "*.pyc", text="a.log\nb.pyc\n"), "docker: out  dirhash: in   a.log\ndocker: in   dirhash: out  b.pyc\n")

    def test_git_tags(self):
        said = self.run_example("git_tags", self.repository(), "ghcr.io/acme/app")
        self.assertIn("ghcr.io/acme/app:main", said)
        self.assertIn("sha-" + self.git("rev-parse", "HEAD")[:7], said)

    def test_verify_delivery(self):
        self.cooper("keys", "generate", "--no-passphrase", "-o", self.path("a.key"))
        self.publish("docker-archive:" + self.image(), "--sign-key", self.path("a.key"))
        folder = self.path("out/main/abc1234")
        os.rename(folder + "/site:1.tar", folder + "/site_1.tar")
        self.assertIn("right   site_1.tar\n", self.run_example("verify_delivery", folder, self.path("a.pub")))
        with open(folder + "/site_1.tar", "ab") as tarball:
            tarball.write(b"x")
        self.assertIn("WRONG   site_1.tar\n", self.run_example("verify_delivery", folder, self.path("a.pub"), expect=1))
        self.cooper("keys", "generate", "--no-passphrase", "-o", self.path("b.key"))
        self.assertIn("not signed", self.run_example("verify_delivery", folder, self.path("b.pub"), expect=1))

    def test_reuse_asks_the_registry(self):
        archive = self.image()
        registry = case.FakeRegistry(archive)
        self.addCleanup(registry.close)
        self.assertIn("reuse: ", self.run_example("reuse", registry.address + "/acme/site", "1", self.project()))
        registry.status = 503
        self.run_example("reuse", registry.address + "/acme/site", "1", self.project(), expect=1)

    def test_a_runtime_image_is_built_once(self):
        for name, text in (("cooper.json", '{"images": {"app": {"base": "scratch", "version": "1.0.0", "template": "Dockerfile.j2", "sources": ["src"]}}}'),
                           ("Dockerfile.j2", "FROM {{ base_image }}\nCOPY src /src\n")):
            self.workspace.file("project/" + name, text, 0o644)
        with runtime_api.RuntimeApi(self.workspace.directory("contexts")) as api:
            first = self.run_example("runtime_image", self.project(), **api.environment)
            self.assertTrue(first.startswith(api.prefix + "/app:1.0.0_"), first)
            self.assertEqual([name.split("_")[0] for name in api.builds[0].names], [api.prefix + "/app:1.0.0"] * 3)
            self.assertEqual(self.run_example("runtime_image", self.project(), **api.environment), first)
            self.assertEqual(len(api.builds), 1)

    def test_copy_with_a_label(self):
        self.run_example("copy", "docker-archive:" + self.image(), "oci:%s:a" % self.path("layout"), "team=a")
        self.assertEqual(self.cooper("inspect", "--json", "oci:%s:a" % self.path("layout")).json["config"]["config"]["Labels"], {"team": "a"})
        self.run_example("copy", "docker-archive:" + self.path("site.tar"), "store:a:1", "team=a", expect=1)

    def test_a_directory_becomes_a_tarball(self):
        out = self.path("out.tar")
        self.run_example("directory_to_tarball", self.site(), "site:1", out)
        self.assertEqual(len(harness.Tarball(out).layers), 1)


if __name__ == "__main__":
    case.main()

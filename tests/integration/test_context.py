"""cooper context with a Runtime API: built on request or because the environment says so, under the right name, and the key stays secret."""

import json
import os

import harness
from runtime_api import Fault, RuntimeApi

PACKAGES = ["sdk", "tools", "workspace", "agent_server"]
SHA = "0506352abcdef0123456789012345678901234567"


class ContextUpload(harness.TestCase):
    @classmethod
    def prepare(cls):
        for package in PACKAGES:
            cls.workspace.file("checkout/openhands/%s/pyproject.toml" % package, "[project]\n", 0o644)
        cls.root = cls.workspace.directory("checkout")
        cls.workspace.file("app/Dockerfile", "FROM scratch\nCOPY a /a\n", 0o644)
        cls.workspace.file("app/a", "a" * 100_000, 0o644)
        cls.app = cls.workspace.directory("app")

    def setUp(self):
        self.api = RuntimeApi(self.path())
        self.addCleanup(self.api.close)

    def context(self, *arguments, root=None, expect=harness.DONE, **environment):
        said = self.cooper("context", "--root", root or self.root, "--output-dir", self.path("out"), "--poll-interval", "1s", *arguments,
                           expect=expect, GITHUB_SHA=SHA, **environment)
        self.assertNotIn(self.api.key, said.out + said.err)
        return said

    def test_the_environment_is_enough(self):
        said = self.context("--json", **self.api.environment)
        self.assertEqual(said.json["image"], "registry.example.com/project/agent-server:0506352-python")
        self.assertIn("--no-upload", said.err)
        build = self.api.builds[0]
        self.assertEqual((build.form, build.names), ("multipart", [said.json["image"]]))
        self.assertEqual("sha256:" + harness.sha256_of(build.path), said.json["digest"])

    def test_no_upload(self):
        self.context("--no-upload", **self.api.environment)
        self.assertEqual(self.api.seen, [])

    def test_the_url_alone_uploads_nothing(self):
        self.context(RUNTIME_API_URL=self.api.url)
        self.assertEqual(self.api.seen, [])

    def test_on_request_with_a_key_file(self):
        key = self.workspace.file("key", self.api.key + "\n", 0o600)
        said = self.context("--upload", "--runtime-api-url", self.api.url, "--api-key-file", key, "--tag", "nodejs,dev")
        self.assertIn("registry.example.com/project/agent-server:0506352-nodejs", said.out)

    def test_names_of_other_images(self):
        self.assertEqual(self.context("--json", root=self.app, **self.api.environment).json["image"], "registry.example.com/project/context:0506352-latest")
        said = self.context("--json", "--name", "ghcr.io/acme/app:dev", root=self.app, **self.api.environment)
        self.assertEqual(said.json["image"], "ghcr.io/acme/app:dev")
        self.assertEqual(self.api.count("/registry_prefix"), 1)

    def test_as_json(self):
        self.context("--api-dialect", "json", "--name", "acme/app:1", root=self.app, **self.api.environment)
        self.assertEqual((self.api.builds[0].form, self.api.builds[0].names), ("json", ["acme/app:1"]))

    def test_a_build_that_fails(self):
        self.api.end, self.api.error = "FAILURE", "step 2: no such file"
        said = self.context(expect=3, **self.api.environment)
        self.assertIn("no such file", said.err)
        self.assertTrue(any(name.endswith(".tar.gz") for name in os.listdir(self.path("out"))))

    def test_a_wrong_key(self):
        said = self.context(expect=harness.ACCESS_DENIED, RUNTIME_API_URL=self.api.url, RUNTIME_API_KEY="wrong-key-0123")
        self.assertNotIn("wrong-key-0123", said.out + said.err)

    def test_a_poll_that_fails_is_no_end(self):
        self.api.words = ["PENDING"]
        self.api.goes_wrong("/build_status", Fault(status=500, body=json.dumps({"detail": "a hiccup"}).encode()))
        self.assertIn("agent-server:0506352-python", self.context(**self.api.environment).out)


if __name__ == "__main__":
    harness.main()

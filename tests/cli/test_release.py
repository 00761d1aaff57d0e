"""cooper release without any server: which images, which version, what is refused before anything is written."""

import json
import os

import case

GATE_SAID_NO, GATE_BROKE = 6, 12


class Release(case.TestCase):
    def release(self, *arguments, **options):
        return self.cooper("release", *arguments, "--to", "dir:" + self.path("out"), "--branch", "main", "--commit", "abc1234def",
                           "--subject", "Fix login", "--json", **options)

    def record(self):
        with open(self.path("out/main/abc1234/release.json"), encoding="utf-8") as text:
            return json.load(text)

    def test_images_from_flags_and_from_files_of_any_kind(self):
        archive = self.image()
        lines = self.workspace.file("lines", "# images\n\n%s=b:1  # the second\n" % archive)
        said = self.release(archive + "=a:1", "--images", "@" + lines).json
        self.assertEqual([image["name"] for image in said["images"]], ["a", "b"])
        for number, document in enumerate(([archive + "=c:1"], {"images": [{"image": archive, "name": "c:1"}]},
                                           {"include": [{"runtime": "cpu", "image": archive + "=c:1"}]})):
            listed = self.workspace.file("list-%d.json" % number, json.dumps(document))
            said = self.release("--images", listed).json
            self.assertEqual(([image["name"] for image in said["images"]], said["changed"]), (["c"], number == 0))
        self.assertEqual([image["name"] for image in self.record()["images"]], ["a", "b", "c"])

    def test_outputs_for_later_steps(self):
        outputs = self.path("outputs")
        said = self.release(self.image(), "--github-output", GITHUB_OUTPUT=outputs).json
        with open(outputs, encoding="utf-8") as text:
            values = dict(line.split("=", 1) for line in text.read().splitlines())
        self.assertEqual(sorted(values), ["changed", "changelog", "expires", "place", "release", "tags", "tarballs"])
        tarball, = json.loads(values["tarballs"])
        self.assertEqual((tarball["sha256"], tarball["uri"]), (said["images"][0]["sha256"], values["place"] + "/main/abc1234/site:1.tar"))
        self.assertEqual((values["changed"], values["tags"]), ("true", "[]"))
        self.release(self.image("other.tar", tag="acme/other:1"), "--github-output", expect=2)
        self.assertFalse(os.path.exists(self.path("out/main/abc1234/other:1.tar")))

    def test_images_that_name_no_transport(self):
        self.image("one.tar")
        listed = self.workspace.file("list", "one.tar=one:1\n")
        self.release("--images", listed, "--from", "docker-archive:" + self.path(""))
        self.assertEqual([image["file"] for image in self.record()["images"]], ["one_1.tar"])

    def test_files_that_list_nothing(self):
        for content in ("", "# nothing\n", "[]", "{}", '{"images": [{"name": "a:1"}]}', "[1]", "{"):
            with self.subTest(content):
                self.fails(2, "release", "--images", self.workspace.file("list", content), "--to", "dir:" + self.path("out"), says="--images")
        self.assertFalse(os.path.exists(self.path("out")))

    def test_command_lines_that_say_too_little_or_too_much(self):
        archive = self.image()
        place = ("--to", "dir:" + self.path("out"), "--branch", "main", "--commit", "abc1234def")
        self.fails(2, "release", *place, says="which images")
        self.fails(2, "release", archive, says="where to")
        self.fails(2, "release", archive, *place, "--version", "v1.0.0", "--version-file", "VERSION", says="exclude each other")
        self.fails(2, "release", archive, *place, "--push", "registry.example/acme", "--latest", "always", says="of which version")
        self.fails(2, "release", archive, *place, "--cmd", "scan {tar} | tee log", says="|")
        self.fails(2, "release", archive, *place, "--undo", says="one argument too many")
        self.fails(7, "release", archive, *place, "--event", "pull_request", says="nothing is released")
        self.fails(7, "release", archive, *place, "--event", "pull_request_target", says="pull_request_target")
        self.assertFalse(os.path.exists(self.path("out")))

    def test_a_plan_writes_nothing(self):
        plan = self.release(self.image(), "--plan").json
        self.assertEqual([(image["name"], image["already_there"]) for image in plan["images"]], [("site", False)])
        self.assertFalse(os.path.exists(self.path("out")))

    def test_gates_tell_findings_and_broken_tools_apart(self):
        archive = self.image()
        for program, code in (("false {tar}", GATE_SAID_NO), ("no-such-scanner {tar}", GATE_BROKE)):
            self.release(archive, "--cmd", program, "--log-dir", self.path("logs"), expect=code)
            self.assertFalse(os.path.exists(self.path("out/main/CHANGELOG.md")))
        self.release(archive, "--cmd", "test -s {tar}", "--test", "test -n {id}", "--log-dir", self.path("logs"))
        self.assertEqual([gate["kind"] for gate in self.record()["images"][0]["gates"]], ["scan", "test"])

    def test_what_was_tested_is_what_is_released(self):
        tested, other = self.image("tested.tar"), self.image("other.tar", text="<p>changed\n")
        self.cooper("gate", "docker-archive:" + tested, "--record", self.path("digests"))
        refused = self.release(other, "--expect", self.path("digests"), expect=4)
        self.assertIn("srv/index.html", refused.out)
        self.assertFalse(os.path.exists(self.path("out/main/CHANGELOG.md")))
        self.release(tested, "--expect", self.path("digests"))

    def test_there_is_nothing_to_undo(self):
        said = self.cooper("release", "--undo", "--to", "dir:" + self.path("out"), "--branch", "main", "--commit", "abc1234def")
        self.assertIn("no release of this commit is half-done", said.out)


if __name__ == "__main__":
    case.main()

"""What a command says is kept in --log-dir, without secrets; and text from outside commands no runner of GitHub Actions."""

import glob
import json
import os
import re
import stat
import subprocess
import sys

import case

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "workflows"))
from annotations import obeyed  # noqa: E402

LINE = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ \S.*|  +\S.*")


class Logs(case.TestCase):
    def logs(self, directory="logs"):
        return sorted(glob.glob(os.path.join(self.path(directory), "*")))

    def read(self, path):
        with open(path, encoding="utf-8") as file:
            return file.read()

    def test_each_command_has_a_log_of_its_own(self):
        archive = self.image()
        directory = self.path("logs/of/this")
        for _ in range(3):
            self.publish("docker-archive:" + archive, "--log-dir", directory + "/")
        logs = self.logs("logs/of/this")
        self.assertEqual(len(logs), 3)
        self.assertEqual(stat.S_IMODE(os.stat(directory).st_mode), 0o700)
        for path in logs:
            self.assertRegex(os.path.basename(path), r"^cooper-20\d{6}T\d{6}Z-publish-[0-9a-f]{6}\.log$")
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            text = self.read(path)
            self.assertRegex(text.splitlines()[0], r"Z cooper \d+\.\d+\.\d+ publish, process \d+$")
            self.assertRegex(text.splitlines()[-1], r"Z ended with exit code 0$")
            self.assertEqual([line for line in text.splitlines() if not LINE.fullmatch(line)], [])
            self.assertNotIn("file://", text)

    def test_verbs_of_two_words_and_the_environments_default(self):
        self.cooper("store", "ls", "--store", self.path("s"), expect=None, COOPER_LOG_DIR=self.path("logs"))
        self.cooper("store", "ls", "--store", self.path("s"), "--log-dir", self.path("other"), expect=None, COOPER_LOG_DIR=self.path("logs"))
        self.assertIn("-store-ls-", self.logs()[0])
        self.assertEqual((len(self.logs()), len(self.logs("other"))), (1, 1))

    def test_a_failure_stands_in_the_log_and_says_where_the_log_is(self):
        failed = self.cooper("inspect", "docker-archive:" + self.path("x"), "--log-dir", self.path("logs"), expect=1)
        log = self.logs()[0]
        self.assertIn("  log: " + log + "\n", failed.err)
        self.assertIn("Z error: reading archive", self.read(log))
        self.assertRegex(self.read(log), r"ended with exit code 1\n\Z")

    def test_what_a_quiet_terminal_does_not_show_is_kept(self):
        said = self.publish("docker-archive:" + self.image(), "--quiet", "--log-dir", self.path("logs"))
        self.assertEqual(said.err, "")
        self.assertIn("Z site:1.tar: ", self.read(self.logs()[0]))

    def test_secrets_are_not_kept(self):
        self.cooper("pull", "http://user:hunter2@x.test/a:1", self.path("x.tar"), "--log-dir", self.path("logs"), expect=None)
        self.cooper("inspect", "docker-archive:" + self.path("ghp_0123456789abcdefghij"), "--log-dir", self.path("logs"), expect=1)
        for path in self.logs():
            self.assertNotRegex(self.read(path), "hunter2|0123456789abcdef")

    def test_a_directory_that_cannot_be_written_is_told_before_anything_is_done(self):
        self.workspace.file("file", "")
        failed = self.publish("docker-archive:" + self.image(), "--log-dir", self.path("file/logs"), expect=None)
        self.assertIn("cannot make the directory for logs", failed.err)
        self.assertIn("COOPER_LOG_DIR", failed.err)
        self.assertFalse(os.path.exists(self.path("out")))
        failed = self.publish("docker-archive:" + self.path("site.tar"), "--log-dir", self.path("file"), expect=None)
        self.assertIn("cannot write a log in", failed.err)

    def test_ci_is_named_in_the_first_line_as_text(self):
        self.cooper("version", "--log-dir", self.path("logs"), GITHUB_REPOSITORY="acme/app", GITHUB_RUN_ID="42", GITHUB_RUN_ATTEMPT="2",
                    GITHUB_JOB="build\n\x1b[31m")
        self.assertIn("acme/app, run 42 attempt 2, job build", self.read(self.logs()[0]))
        self.assertNotIn("\x1b", self.read(self.logs()[0]))


class InActions(case.TestCase):
    EVIL = ["::add-mask::x", "  ::error::boo", "\u00a0::set-output name=publish::true", "##[set-output name=publish;]true", "a\n::stop-commands::y\nb",
            "a\r::warning::b", "x ##[error]y"]

    def test_what_is_printed_about_things_from_outside_commands_nobody(self):
        archive = self.image()
        for number, text in enumerate(self.EVIL):
            with self.subTest(text):
                place = "dir:" + self.path("out%d" % number)
                said = self.cooper("publish", "docker-archive:" + archive, "--to", place, "--branch", "main", "--commit", "abc1234def", "--subject",
                                   text, "--notes", text, GITHUB_ACTIONS="true")
                self.assertEqual(obeyed(said.out, said.err), [])
                plain = self.cooper("changelog", place, "--branch", "main", GITHUB_ACTIONS="true")
                self.assertEqual(obeyed(plain.out, plain.err), [])
                as_json = self.cooper("changelog", place, "--branch", "main", "--json", GITHUB_ACTIONS="true")
                self.assertEqual(obeyed(as_json.out, as_json.err), [])
                self.assertEqual(as_json.json, self.cooper("changelog", place, "--branch", "main", "--json").json)
                failed = self.cooper("inspect", "docker-archive:" + self.path("x" + text), GITHUB_ACTIONS="true", expect=None)
                self.assertRegex(failed.err, r"(?m)^::error title=cooper inspect::")
                self.assertEqual([line.split("::")[1] for line in obeyed(failed.out, failed.err)], ["error title=cooper inspect"])

    def test_files_and_raw_documents_keep_their_bytes(self):
        self.workspace.file("context/Dockerfile.j2", "FROM scratch\n# ${x##[0-9]}\n::x\n")
        rendered = self.cooper("render", self.path("context/Dockerfile.j2"), GITHUB_ACTIONS="true")
        self.assertEqual(rendered.out, "FROM scratch\n# ${x##[0-9]}\n::x")
        archive = self.image()
        self.cooper("publish", "docker-archive:" + archive, "--to", "dir:" + self.path("out"), "--branch", "main", "--commit", "abc1234def", "--notes",
                    "::notice::x")
        with open(self.path("written"), "wb") as file:
            subprocess.run([self.cooper.path, "changelog", "dir:" + self.path("out"), "--branch", "main"], stdout=file, check=True, timeout=60,
                           env={**self.cooper.environment, "GITHUB_ACTIONS": "true"})
        with open(self.path("written"), "rb") as file, open(self.path("out/main/CHANGELOG.md"), "rb") as original:
            self.assertEqual(file.read(), original.read())

    def test_titles_and_messages_of_annotations_are_escaped(self):
        failed = self.cooper("inspect", "docker-archive:" + self.path("a%0Ab\nc"), GITHUB_ACTIONS="true", expect=None)
        annotation = [line for line in failed.err.splitlines() if line.startswith("::error")]
        self.assertEqual(len(annotation), 1)
        self.assertIn("a%250Ab%0Ac", annotation[0])
        error = self.cooper("inspect", "docker-archive:" + self.path("##[error]x"), "--json", GITHUB_ACTIONS="true", expect=None)
        self.assertNotIn("##[", error.out)
        self.assertIn("##[error]x", json.loads(error.out)["error"]["message"])


if __name__ == "__main__":
    case.main()

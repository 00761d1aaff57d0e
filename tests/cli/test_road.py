"""From directories to a delivery, with no registry and no server."""

import json
import os
import re

import case
import harness


class Append(case.TestCase):
    def test_the_same_input_makes_the_same_bytes(self):
        self.site()
        once_more = ("append", "scratch", "--layer", self.path("site") + ":/srv", "--tag", "acme/site:1", "-o")
        for archive in ("one.tar", "two.tar"):
            self.cooper(*once_more, self.path(archive))
        self.assertEqual(harness.sha256_of(self.path("one.tar")), harness.sha256_of(self.path("two.tar")))
        os.utime(self.path("site/index.html"), (1_600_000_000, 1_600_000_000))
        three = self.path("three.tar")
        os.utime(self.path("site/css/a.css"), (1_700_000_000, 1_700_000_000))
        self.cooper(*once_more, three, SOURCE_DATE_EPOCH="1000000")
        first = harness.sha256_of(three)
        os.utime(self.path("site/css/a.css"))
        self.cooper(*once_more, three, SOURCE_DATE_EPOCH="1000000")
        self.assertEqual(harness.sha256_of(three), first)
        self.assertEqual(harness.Tarball(three).config["created"], "1970-01-12T13:46:40Z")

    def test_flags_become_the_config(self):
        said = self.cooper("append", "scratch", "--layer", self.site() + ":/srv", "--layer", self.site("more"), "--tag", "a:1", "--tag",
                           "ghcr.io/acme/b:2", "--env", "LIST=a,b", "--env", "EMPTY=", "--entrypoint", '["/app","serve"]', "--cmd", "now",
                           "--workdir", "/srv", "--user", "1000", "--label", "k=v=w", "--created", "2024-01-16T09:15:42Z", "--platform",
                           "linux/arm64", "-o", self.path("x.tar"), "--json").json
        tarball = harness.Tarball(self.path("x.tar"))
        self.assertEqual(tarball.config["config"], {"Env": ["LIST=a,b", "EMPTY="], "Entrypoint": ["/app", "serve"], "Cmd": ["now"],
                                                    "WorkingDir": "/srv", "User": "1000", "Labels": {"k": "v=w"}})
        self.assertEqual(tarball.config["created"], "2024-01-16T09:15:42Z")
        self.assertEqual(tarball.config["architecture"], "arm64")
        self.assertEqual(tarball.repo_tags, ["docker.io/library/a:1", "ghcr.io/acme/b:2"])
        self.assertEqual(said["image_id"], tarball.config_digest)
        self.assertEqual([layer["diff_id"] for layer in said["new_layers"]], tarball.diff_ids)
        self.assertEqual(len(tarball.diff_ids), 2)

    def test_on_an_archive_as_base(self):
        base = self.image("base.tar")
        self.cooper("append", "docker-archive:" + base, "--layer", self.site("more", "more\n") + ":/more", "-o", self.path("x.tar"))
        below, above = harness.Tarball(base), harness.Tarball(self.path("x.tar"))
        self.assertEqual(above.diff_ids[:1], below.diff_ids)
        self.assertEqual(len(above.diff_ids), 2)
        self.assertEqual(above.repo_tags, None)

    def test_nothing_is_left_behind(self):
        self.image()
        self.assertEqual(os.listdir(self.cooper.temporary), [])
        self.assertEqual(sorted(os.listdir(self.root)), ["home", "site", "site.tar", "tmp"])


class Publish(case.TestCase):
    def test_what_looks_like_a_file_is_one(self):
        said = self.publish(self.image() + "=site:latest", "--json").json
        self.assertEqual([image["tag"] for image in said["images"]], ["latest"])
        self.fails(2, "publish", "./missing.tar=site:1", "--to", "dir:" + self.path("out"), says="there is no such file")

    def test_the_whole_road(self):
        archive = self.image()
        said = self.publish("docker-archive:" + archive, "docker-archive:" + archive + "=portal:latest", "--notes", "Please read.", "--json").json
        self.assertEqual([image["key"] for image in said["images"]], ["main/abc1234/site:1.tar", "main/abc1234/portal:latest.tar"])
        for image in said["images"]:
            path = self.path("out/" + image["key"])
            self.assertEqual(image["sha256"], harness.sha256_of(path))
            self.assertEqual(image["size"], os.path.getsize(path))
            self.assertEqual(image["image_id"], harness.Tarball(path).config_digest)
            self.assertTrue(image["url"].startswith("file://"))
            self.assertFalse(image["already_there"])
        self.assertEqual(harness.Tarball(self.path("out/main/abc1234/portal:latest.tar")).repo_tags, ["docker.io/library/portal:latest"])
        self.assertEqual(harness.Tarball(self.path("out/main/abc1234/site:1.tar")).repo_tags, ["docker.io/acme/site:1"])
        self.assertEqual(said["images"][0]["file"], "site_1.tar")

        changelog = self.cooper("changelog", "dir:" + self.path("out"), "--branch", "main").out
        self.assertRegex(changelog, r"## Build History\n\n### \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ - abc1234\n\*\*Commit\*\*: `abc1234` - Fix login\n"
                                    r"\*\*Images\*\*: portal, site\n\*\*Notes\*\*: Please read\.\n")
        with open(self.path("out/main/CHANGELOG.md"), encoding="utf-8") as document:
            self.assertEqual(changelog, document.read())
        self.assertEqual(self.cooper("changelog", "dir:" + self.path("out")).out, "main\n")
        self.assertEqual(self.cooper("changelog", "dir:" + self.path("out/main/CHANGELOG.md")).out, changelog)
        entries = self.cooper("changelog", "dir:" + self.path("out"), "--branch", "main", "--json").json["entries"]
        self.assertEqual([(entry["short_sha"], entry["images"]) for entry in entries], [("abc1234", ["portal", "site"])])

    def test_again_changes_nothing_and_says_so(self):
        archive = self.image()
        self.publish("docker-archive:" + archive)
        before = {name: os.stat(self.path("out/main/" + name)).st_mtime_ns for name in ("CHANGELOG.md", "abc1234/site:1.tar")}
        said = self.publish("docker-archive:" + archive)
        self.assertIn("already there, unchanged", said.out)
        self.assertEqual(before, {name: os.stat(self.path("out/main/" + name)).st_mtime_ns for name in before})

    def test_other_bytes_for_the_same_commit_are_refused(self):
        self.publish("docker-archive:" + self.image())
        first = harness.sha256_of(self.path("out/main/abc1234/site:1.tar"))
        other = self.image("other.tar", text="<p>changed\n")
        failed = self.publish("docker-archive:" + other, expect=harness.DIFFERENT_BYTES)
        self.assertIn("cooper: error: ", failed.err)
        self.assertEqual(harness.sha256_of(self.path("out/main/abc1234/site:1.tar")), first)

    def test_several_names_in_one_tarball(self):
        self.publish("docker-archive:%s=site:1=ghcr.io/acme/site:latest" % self.image())
        self.assertEqual(harness.Tarball(self.path("out/main/abc1234/site:1.tar")).repo_tags,
                         ["docker.io/library/site:1", "ghcr.io/acme/site:latest"])

    def test_an_image_without_a_name_needs_one(self):
        self.cooper("append", "scratch", "--layer", self.site(), "-o", self.path("x.tar"))
        failed = self.publish("docker-archive:" + self.path("x.tar"), expect=2)
        self.assertIn("=NAME:TAG", failed.err)

    def test_the_result_reads_well(self):
        said = self.publish("docker-archive:" + self.image())
        for words in (r"^site:1$", r"^  key +dir:.*/main/abc1234/site:1\.tar$", r"^  size +[\d.]+ kB \(\d+ bytes\)$", r"^  sha256 +[0-9a-f]{64}$",
                      r"^  image ID +sha256:[0-9a-f]{64}$", r"^  save as +site_1\.tar$", r"^  link +file:///", r"^  expires +never$",
                      r"^changelog +dir:.*/main/CHANGELOG\.md$"):
            self.assertRegex(said.out, re.compile(words, re.M))

    def test_notes_from_a_file_and_from_the_tree(self):
        archive = self.image()
        self.workspace.file("notes.txt", "from a file\n")
        self.publish("docker-archive:" + archive, "--notes-file", self.path("notes.txt"))
        self.assertIn("**Notes**: from a file\n", self.cooper("changelog", "dir:" + self.path("out"), "--branch", "main").out)
        self.workspace.file("tree/.doc/main/CHANGELOG.md", "from the tree\n")
        self.cooper("publish", "docker-archive:" + archive, "--to", "dir:" + self.path("out2"), "--branch", "main", "--commit", "abc1234def",
                    "--directory", self.path("tree"))
        self.assertIn("**Notes**: from the tree\n", self.cooper("changelog", "dir:" + self.path("out2"), "--branch", "main").out)


class GitHubActions(case.TestCase):
    def environment(self):
        return {"GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_REF_NAME": "jps/x", "GITHUB_SHA": "0123456789abcdef0123456789abcdef01234567",
                "GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/app", "GITHUB_RUN_ID": "42",
                "GITHUB_STEP_SUMMARY": self.path("summary.md")}

    def test_branch_and_commit_come_from_the_job_and_links_go_to_its_summary(self):
        said = self.cooper("publish", "docker-archive:" + self.image(), "--to", "dir:" + self.path("out"), "--subject", "s", "--directory", self.root,
                           "--json", **self.environment()).json
        self.assertEqual(said["images"][0]["key"], "jps/x/0123456/site:1.tar")
        with open(self.path("summary.md"), encoding="utf-8") as summary:
            text = summary.read()
        self.assertIn("site:1", text)
        self.assertIn(said["images"][0]["url"], text.replace("\\", ""))

    def test_text_from_outside_commands_nobody(self):
        evil = "::add-mask::x"
        failed = self.cooper("inspect", "docker-archive:" + self.workspace.file(evil, "no tar"), expect=None, **self.environment())
        self.assertNotEqual(failed.code, 0)
        lines = failed.err.splitlines()
        stop = re.fullmatch(r"::stop-commands::(cooper-[0-9a-f]{32})", lines[0])
        self.assertTrue(stop, failed.err)
        self.assertEqual(lines.count("::%s::" % stop[1]), 1)
        self.assertRegex(failed.err, r"(?m)^::error title=cooper inspect::")
        self.assertEqual([line for line in lines if line.startswith(evil)], [])

    def test_elsewhere_no_command_is_printed(self):
        self.assertNotIn("::", self.cooper("append", "scratch", "--layer", self.site(), "-o", self.path("x.tar")).err)


if __name__ == "__main__":
    case.main()

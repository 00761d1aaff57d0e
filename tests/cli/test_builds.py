"""Delivered builds by the command: withdrawn, linked to anew, and whose a customer's file is."""

import json
import os
import stat

import case

# Entries have whole seconds; of one second the lesser commit is the newer one.
OLD, NEW = "abc1234" + "1" * 33, "0def567" + "2" * 33


class Builds(case.TestCase):
    def setUp(self):
        super().setUp()
        self.place = "dir:" + self.path("out")
        for commit, text in ((OLD, "<p>old\n"), (NEW, "<p>new\n")):
            image = self.image("%s.tar" % commit[:7], text=text)
            self.cooper("publish", "docker-archive:" + image + "=site:1", "--to", self.place, "--branch", "main", "--commit", commit, "--subject", "Subject of " + commit[:7])

    def file(self, *parts):
        return self.path(os.path.join("out", "main", *parts))

    def text(self, *parts):
        with open(self.file(*parts), encoding="utf-8") as file:
            return file.read()

    def files(self):
        found = {}
        for folder, _, names in os.walk(self.path("out")):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    found[os.path.relpath(os.path.join(folder, name), self.path("out"))] = file.read()
        return found

    def withdraw(self, *more, commit="abc1234", reason="CVE-2024-1 in libfoo", **options):
        return self.cooper("withdraw", self.place, "--branch", "main", "--commit", commit, "--reason", reason, *more, **options)

    def links(self, *more, **options):
        return self.cooper("links", "refresh", self.place, "--branch", "main", *more, **options)


class Withdraw(Builds):
    def test_everything_says_so_and_nothing_is_removed(self):
        before = self.files()
        said = self.withdraw()
        self.assertIn("main/abc1234", said.out)
        self.assertIn("1 of 1 tarballs: cooper-status=withdrawn", said.out)
        self.assertIn("Links that are out work until they end", said.err)
        after = self.files()
        self.assertLessEqual(set(before), set(after))
        self.assertEqual([key for key in before if before[key] != after[key]], ["main/CHANGELOG.md"])
        self.assertRegex(after["main/CHANGELOG.md"].decode(), r"(?m)^\*\*Status\*\*: WITHDRAWN \d{4}-\d\d-\d\d - CVE-2024-1 in libfoo$")
        self.assertIn("Reason: CVE-2024-1 in libfoo\n", after["main/abc1234/WITHDRAWN.txt"].decode())
        self.assertEqual(json.loads(after["main/abc1234/.site:1.tar.labels.json"]), {"cooper-status": "withdrawn"})

        again = self.withdraw("--json").json
        self.assertEqual((again["changed"], again["folder"], again["withdrawn"]["reason"]), (False, "main/abc1234", "CVE-2024-1 in libfoo"))
        self.assertEqual(self.files(), after)
        statuses = {entry["short_sha"]: entry["status"] for entry in self.cooper("changelog", self.place, "--branch", "main", "--json").json["entries"]}
        self.assertIsNone(statuses["0def567"])
        self.assertIn("WITHDRAWN", statuses["abc1234"])

        os.remove(self.file("CHANGELOG.md"))
        self.cooper("changelog", self.place, "--branch", "main", "--rebuild")
        self.assertEqual(self.files(), after)

    def test_a_withdrawn_build_is_not_published_again(self):
        self.withdraw()
        before = self.files()
        self.fails(1, "publish", "docker-archive:" + self.path("abc1234.tar") + "=site:1", "--to", self.place, "--branch", "main", "--commit", OLD,
                   says=["WITHDRAWN", "CVE-2024-1", "stays withdrawn"])
        self.assertEqual(self.files(), before)

    def test_what_customers_check_by_hand_still_fits(self):
        sums = self.text("abc1234", "SHA256SUMS")
        self.withdraw()
        self.assertEqual(self.text("abc1234", "SHA256SUMS"), sums)
        self.cooper("publish", "docker-archive:" + self.path("0def567.tar") + "=site:1", "--to", self.place, "--branch", "main", "--commit", NEW)

    def test_reasons_forge_nothing(self):
        self.withdraw(reason="x\n\n### 2024-01-01 00:00:00Z - fffffff\n**Images**: evil `<b>` \x1b[31m")
        self.assertEqual(self.text("CHANGELOG.md").count("\n### "), 2)
        self.assertNotIn("\x1b", self.text("CHANGELOG.md") + self.text("abc1234", "WITHDRAWN.txt") + self.withdraw(reason="\x1b[31mred").out)
        self.assertIn(r"\<b>", self.text("CHANGELOG.md") + r"\<b>")

    def test_mistakes(self):
        place = ("withdraw", self.place)
        self.fails(2, *place, says="--branch NAME --commit SHA")
        self.fails(2, *place, "--branch", "main", "--commit", OLD, says="--reason TEXT")
        self.fails(2, *place, "--branch", "main", "--commit", OLD, "--reason", " ", says="--reason TEXT")
        self.fails(2, *place, "--branch", "a..b", "--commit", OLD, "--reason", "x", says="--branch: ")
        self.fails(2, *place, "--branch", "main", "--commit", "newest", "--reason", "x", says="--commit: ")
        self.fails(1, *place, "--branch", "main", "--commit", "0badbad", "--reason", "x", says=["no build of 0badbad", OLD[:7], NEW[:7]])
        self.fails(1, *place, "--branch", "other", "--commit", OLD, "--reason", "x", says="other has no build")
        self.fails(2, "withdraw", "/tmp/x", "--branch", "main", "--commit", OLD, "--reason", "x", says="neither s3://")


class Links(Builds):
    def test_of_the_newest_build_of_an_older_one_and_never_of_a_withdrawn_one(self):
        newest = self.links("--json").json
        self.assertEqual((newest["folder"], newest["commit"]), ("main/0def567", NEW))
        self.assertEqual(newest["images"][0]["url"], "file://" + self.file("0def567", "site%3A1.tar"))
        with open(self.file("abc1234", "site:1.tar"), "rb") as file:
            digest = case.sha256(file.read())
        self.assertEqual(self.links("--commit", OLD, "--json").json["images"][0]["sha256"], digest)
        said = self.links("--commit", "abc1234").out
        for words in ("main/abc1234", "site:1", digest, "site_1.tar", "never"):
            self.assertIn(words, said)

        self.withdraw(commit=NEW)
        self.fails(1, "links", "refresh", self.place, "--branch", "main", "--commit", NEW, says=["CVE-2024-1", "--withdrawn-too"])
        self.assertEqual(self.links("--json").json["folder"], "main/abc1234")
        forced = self.links("--commit", NEW, "--withdrawn-too")
        self.assertIn("was WITHDRAWN: CVE-2024-1", forced.err)
        self.withdraw()
        self.fails(1, "links", "refresh", self.place, "--branch", "main", says="not withdrawn")

    def test_as_a_file_for_its_owner_alone_and_on_the_page_of_a_job(self):
        file, page = self.path("LINKS.md"), self.path("summary.md")
        with open(file, "w", encoding="utf-8"):
            os.chmod(file, 0o644)
        self.links("--output", file, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=page)
        self.assertEqual(stat.S_IMODE(os.stat(file).st_mode), 0o600)
        with open(file, encoding="utf-8") as links, open(page, encoding="utf-8") as summary:
            text = links.read()
            self.assertEqual(summary.read().strip(), text.strip())
        self.assertIn("| site:1 | [site_1.tar](file://", text)
        self.assertIn("### Links: main, commit `%s`" % NEW, text)

    def test_only_what_is_there_is_linked_to(self):
        self.assertEqual(len(self.links("--image", "site", "--image", "site:1", "--json").json["images"]), 1)
        self.fails(1, "links", "refresh", self.place, "--branch", "main", "--image", "typo", says="has no image typo; it has site:1")
        os.remove(self.file("0def567", "site:1.tar"))
        self.fails(1, "links", "refresh", self.place, "--branch", "main", says="no tarball to link to")
        self.fails(2, "links", "refresh", self.place, says="--branch NAME")
        self.fails(2, "links", "refresh", self.place, "--branch", "main", "--expires", "soon", says="--expires: ")
        self.fails(2, "links", "refrech", says="try: cooper links refresh")

    def test_a_hostile_record_is_refused(self):
        os.symlink("/etc/passwd", self.file("0def567", "evil:1.tar"))
        record = {"schema": "cooper.release/v1", "branch": "main", "published": "2024-01-16T09:15:42Z", "status": "available", "commits": [],
                  "images": [{"name": "passwd", "tag": "1", "key": "main/0def567/../../passwd:1.tar", "file": "passwd_1.tar", "size": 1}]}
        for text in ("{}", "\x00", "[" * 100_000, json.dumps(record), json.dumps({**record, "branch": "../x"}), json.dumps({**record, "images": {}})):
            self.workspace.file("out/main/0def567/release.json", text)
            self.fails(1, "links", "refresh", self.place, "--branch", "main", says="release.json")
        self.withdraw(commit=NEW)  # no obstacle to what must be done now
        self.assertIn("WITHDRAWN", self.text("CHANGELOG.md"))


class Whose(Builds):
    def whose(self, *arguments, **options):
        return self.cooper("whose", *arguments, "--in", self.place, **options)

    def test_by_file_and_by_digest(self):
        tarball = self.file("abc1234", "site:1.tar")
        with open(tarball, "rb") as file:
            digest = case.sha256(file.read())
        for given in (tarball, digest, digest.upper(), "sha256:" + digest):
            said = self.whose(given)
            for words in (OLD, "main", "site_1.tar", "main/abc1234/site:1.tar"):
                self.assertIn(words, said.out)
            self.assertEqual(said.err, "")
        found = self.whose(digest, self.file("0def567", "SHA256SUMS"), self.file("0def567", "VERIFY.txt"), "--json", expect=1).json
        self.assertFalse(found["found"])
        self.assertEqual([[one["folder"] for one in file["delivered"]] for file in found["files"]], [["main/abc1234"], [], ["main/0def567"]])

        self.withdraw()
        said = self.whose(digest)
        self.assertIn("WITHDRAWN", said.out)
        self.assertIn("which was WITHDRAWN: CVE-2024-1", said.err)
        self.assertEqual(self.whose(digest, "--json").json["files"][0]["delivered"][0]["withdrawn"]["reason"], "CVE-2024-1 in libfoo")

    def test_what_was_never_delivered_from_there(self):
        self.workspace.file("stranger", "x")
        said = self.whose(self.path("stranger"), "0" * 64, expect=1)
        self.assertEqual(said.out.count("was not delivered from " + self.place), 2)
        self.assertEqual(self.whose("0" * 64, "--branch", "other", expect=1).err, "")

    def test_hostile_lists_hide_nothing(self):
        with open(self.file("0def567", "site:1.tar"), "rb") as file:
            digest = case.sha256(file.read())
        self.workspace.file("out/main/0000000/SHA256SUMS", "\x1b[31m%s  ../../x\n" % digest)
        self.workspace.file("out/main/1111111/SHA256SUMS", "x" * (17 << 20))
        said = self.whose(digest)
        self.assertIn("main/0def567/site:1.tar", said.out)
        self.assertEqual(said.err.count("not looked into"), 2)
        self.assertNotIn("\x1b[31m", said.out + said.err)

    def test_mistakes(self):
        self.fails(2, "whose", "0" * 64, says="--in s3://BUCKET")
        self.fails(2, "whose", "0" * 63, "--in", self.place, says=["neither a file nor a SHA-256", "sha256sum FILE"])
        self.fails(2, "whose", self.root, "--in", self.place, says="neither a file nor a SHA-256")
        self.fails(2, "whose", "--in", self.place, says="something is missing")
        self.fails(2, "whose", "0" * 64, "--in", self.place, "--branch", "a..b", says="--branch: ")


del Builds  # no tests of its own

if __name__ == "__main__":
    case.main()

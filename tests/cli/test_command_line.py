"""Verbs, flags, help, and what is said about mistakes."""

import json
import re

import case


def flags_of(help_text):
    """{"--flag": takes a value}, as the help lists them."""
    return {match[1]: bool(match[2]) for match in re.finditer(r"^  (?:-\w, )?(--[\w-]+)(?: (\S+))?  ", help_text, re.M)}


class Help(case.TestCase):
    def test_every_verb_explains_itself_within_a_screen_or_two(self):
        for verb in case.VERBS:
            with self.subTest(verb):
                said = self.cooper(*verb.split(), "--help")
                self.assertEqual(said.err, "")
                self.assertEqual(said.out, self.cooper("help", *verb.split()).out)
                lines = said.out.splitlines()
                self.assertLessEqual(len(lines), 130 if verb == "build" else 100)
                self.assertLessEqual(max(map(len, lines)), 110)
                self.assertTrue(said.out.startswith("Usage: cooper " + verb))
                self.assertIn("\nExamples\n", said.out)
                self.assertIn("\n  cooper " + (verb if verb != "version" else "--version"), said.out)

    def test_the_flags_in_the_help_are_those_that_are_taken(self):
        helps = {verb: flags_of(self.cooper("help", *verb.split()).out) for verb in case.VERBS}
        everything = {flag for flags in helps.values() for flag in flags}
        self.assertGreater(len(everything), 40)
        for verb, flags in helps.items():
            for flag in everything:
                with self.subTest(verb=verb, flag=flag):
                    if flag not in flags:
                        self.fails(2, *verb.split(), flag, says="has no flag " + flag)
                    elif flags[flag]:
                        self.fails(2, *verb.split(), flag, says=flag + " needs a value")
                    elif flag != "--help":
                        self.fails(2, *verb.split(), flag + "=x", says=flag + " takes no value")

    def test_the_overview_lists_all_verbs(self):
        said = self.cooper("help")
        for verb in case.VERBS:
            self.assertRegex(said.out, r"(?m)^  %s  +\w" % verb)
        self.assertEqual(said.out, self.cooper("--help").out)

    def test_exit_codes_are_a_topic(self):
        said = self.cooper("help", "exit-codes").out
        for code in (0, 1, 2, 4, 7, 8, 9, 10, 11, 130):
            self.assertRegex(said, r"(?m)^ +%d  " % code)

    def test_version(self):
        self.assertRegex(self.cooper("--version").out, r"\Acooper \d+\.\d+\.\d+ \(archive format \d+\)\n\Z")
        self.assertEqual(self.cooper("version").out, self.cooper("--version").out)
        self.assertEqual(self.cooper("version", "--json").json["archive_format"], 1)


class Mistakes(case.TestCase):
    def test_slips_of_the_fingers_are_recognised(self):
        self.fails(2, says="cooper help lists all")
        self.fails(2, "publsh", says=['no verb "publsh"', "try: cooper publish"])
        self.fails(2, "s3", "abort-orphan", says="try: cooper s3 abort-orphans")
        self.fails(2, "frobnicate", says="cooper help lists all")
        self.fails(2, "help", "pul", says="try: cooper pull")
        self.fails(2, "pull", "--platfrom", "arm64", says=["pull has no flag --platfrom", "try: --platform"])
        self.fails(2, "pull", "-x", says="pull has no flag -x")

    def test_flags_are_read_strictly(self):
        self.fails(2, "pull", "a", "b", "--layers=keep", "--layers", "keep", says="--layers is given twice")
        self.fails(2, "pull", "a", "b", "--layers=zip", says='--layers: "zip" is neither keep nor uncompressed')
        self.fails(2, "pull", "a", "b", "--format", "oci", says='--format: "oci"')
        self.fails(2, "pull", "a", "b", "--jobs", "0", says='--jobs: "0" is not a number from 1 to 64')
        self.fails(2, "pull", "a", "b", "--retries", "many", says='--retries: "many"')
        self.fails(2, "pull", "a", "b", "--platform", "a/b/c/d", says="--platform: ")
        self.fails(2, "presign", "s3://b/k", "--expires", "soon", says="--expires: ")
        self.fails(2, "presign", "s3://b/k", "--addressing-style", "dns", says="--addressing-style: ")

    def test_missing_and_extra_arguments_show_the_usage(self):
        self.fails(2, "pull", "a", says=["pull: something is missing", "try: cooper pull IMAGE"])
        self.fails(2, "inspect", "a", "b", says='inspect: "b" is one argument too many')
        self.fails(2, "publish", "a", says="--to s3://BUCKET")
        self.fails(2, "append", "scratch", says="-o OUT.tar")
        self.fails(2, "changelog", "s3://b", "--rebuild", says="--branch NAME")
        self.fails(2, "pull", "a", "-", says="goes to a file")
        self.fails(2, "inspect", "--raw", "--config", "a", says="--raw and --config exclude each other")

    def test_after_two_dashes_nothing_is_a_flag(self):
        self.fails(2, "inspect", "--", "--raw", says='"--raw"')

    def test_images_are_named_as_docker_names_them(self):
        self.fails(2, "pull", "Acme/App:1", "x.tar", says=['"Acme/App:1"', "lowercase"])
        self.fails(2, "pull", "app:1=other", "x.tar", says='"other" is not NAME:TAG')
        self.fails(2, "pull", "app:1", "x.tar", "=Other:1", says="lowercase")
        self.fails(2, "inspect", "app:1=other:2", says="no meaning here")
        self.fails(1, "pull", "docker-daemon:app:1", "x.tar", says=["no container engine was found", "DOCKER_HOST"], DOCKER_HOST="")
        self.fails(2, "copy", "./nothing.tar", "oci:x", says="./nothing.tar: there is no such file")
        self.fails(2, "copy", "nothing.tar", "oci:x", says="nothing.tar: there is no such file")
        self.fails(1, "copy", "dir:/tmp/x", "oci:x", says=["there are no places dir: here", "docker://dir:/tmp/x"])
        self.fails(2, "push", "app:1", "oci:x", says=["oci:x is no registry", "cooper copy app:1 oci:x"])
        self.fails(2, "copy", "--all-platforms", "--platform", "linux/arm64", "app:1", "oci:x", says="exclude each other")
        self.fails(2, "copy", "app:1", "docker-archive:x.tar:@1", says="NAME:TAG")

    def test_places(self):
        self.fails(2, "publish", "a:1", "--to", "/tmp/x", says="neither s3://BUCKET[/PREFIX] nor dir:PATH")
        self.fails(2, "publish", "a:1", "--to", "s3://", says="--to: ")
        self.fails(2, "presign", "https://b/k", says="presign: ")
        self.fails(2, "presign", "s3://bucket", says="names a bucket, not an object")

    def test_what_is_delivered_must_be_known_and_sound(self):
        archive = self.image()
        to = ("--to", "dir:" + self.path("out"), "--directory", self.root)
        self.fails(2, "publish", "docker-archive:" + archive, *to, says="--branch")
        self.fails(2, "publish", "docker-archive:" + archive, *to, "--branch", "main", says="--commit")
        self.fails(2, "publish", "docker-archive:" + archive, *to, "--branch", "a..b", "--commit", "abc1234", says="a..b")
        self.fails(2, "publish", "docker-archive:" + archive, *to, "--branch", "main", "--commit", "main", says="main")
        self.fails(2, "publish", "docker-archive:" + archive, *to, "--notes", "a", "--notes-file", "b", says="exclude each other")

    def test_the_layers_of_append(self):
        site = self.site()
        out = ("-o", self.path("x.tar"))
        self.fails(2, "append", "scratch", *out, "--layer", site + "x", says="is not a directory")
        self.fails(2, "append", "scratch", *out, "--env", "PATH", says='--env: "PATH" is not KEY=VALUE')
        self.fails(2, "append", "scratch", *out, "--label", "=x", says="--label: ")
        self.fails(2, "append", "scratch", *out, "--cmd", "a b", says="write it as JSON")
        self.fails(2, "append", "scratch", *out, "--cmd", '["a", 1]', says="no JSON array of strings")
        self.fails(2, "append", "scratch", *out, "--created", "yesterday", says="--created: ")
        self.fails(2, "append", "scratch", *out, "--tag", "a", says='--tag: "a" is not NAME:TAG')
        self.fails(2, "append", "scratch", *out, "--compression", "lz4", says='--compression: "lz4" is not gzip, zstd or none')
        self.fails(2, "append", "scratch", *out, "--compression-level", "9", says="fast or small with gzip, 1 to 19 with zstd")
        self.fails(2, "append", "scratch", "oci:x:1", "--compression", "zstd", "--compression-level", "20", says="--compression-level: ")
        self.fails(2, "append", "scratch", *out, "--compression", "zstd", says="not every engine loads zstd layers")
        self.fails(2, "append", "scratch", "oci:x:1", *out, says="-o and DESTINATION exclude each other")
        self.fails(2, "append", "scratch", *out, SOURCE_DATE_EPOCH="1e9", says="SOURCE_DATE_EPOCH: ")
        self.fails(2, "append", "scratch", *out, SOURCE_DATE_EPOCH="99999999999999999999", says="SOURCE_DATE_EPOCH: ")

    def test_a_login_goes_to_one_registry(self):
        self.fails(2, "pull", "a.test/a:1", "b.test/b:1", "x.tar", "--creds", "u:p", says="two registries, a.test and b.test")
        self.fails(2, "pull", "a.test/a:1", "x.tar", "--creds", "u", says="must be USER:PASSWORD")
        self.fails(2, "pull", "a.test/a:1", "x.tar", "--creds-stdin", stdin="secret", says="must be USER:PASSWORD")
        self.fails(2, "pull", "a.test/a:1", "x.tar", "--creds-stdin", "--creds", "u:p", says="exclude each other")
        said = self.fails(2, "pull", "a.test/a:1", "x.tar", COOPER_CREDS="hunter2", says="must be USER:PASSWORD")
        self.assertNotIn("hunter2", said.err)

    def test_with_json_mistakes_are_json_too(self):
        failed = self.cooper("pull", "--json", "--jobs", "x", expect=2)
        error = json.loads(failed.out)["error"]
        self.assertEqual((error["code"], error["exit_code"]), ("usage", 2))
        self.assertIn("--jobs", error["message"])
        self.assertIn("cooper: error: --jobs", failed.err)


if __name__ == "__main__":
    case.main()

"""Publishing from a registry to buckets and directories: keys, changelog, links, and what happens the second time."""

import os
import re
import subprocess

import harness
import images
from services import Registry, Swift

BRANCH, COMMIT, SUBJECT = "jps/publish-prerelease-images", "abc1234def5678900000000000000000000000aa", "Initial feature implementation"
ENTRY = re.compile(r"## Build History\n\n### \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ - abc1234\n\*\*Commit\*\*: `abc1234` - Initial feature implementation\n"
                   r"\*\*Images\*\*: openhands, runtime-api\n")


class PublishCase(harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.registry = harness.start(Registry, cls.workspace)
        layout = images.Layout(cls.workspace.directory("layout"))
        images.traits_image(layout, "one")
        # 12 MB that do not shrink: more than one part.
        big = layout.layer(images.layer_tar([images.file("data", os.urandom(12 << 20))]))
        layout.image([layout.layer(images.layer_tar(images.many_traits()[0][1])), big], tag="two")
        images.traits_image(layout, "zstd", (images.ZSTD, images.GZIP, images.ZSTD))
        for tag, name in (("one", "openhands:main-abc1234"), ("two", "runtime-api:main-abc1234"), ("zstd", "zstd:1")):
            images.push(layout, tag, cls.registry.address + "/acme/" + name)
        cls.sources = [cls.registry.address + "/acme/openhands:main-abc1234",
                       cls.registry.address + "/acme/runtime-api:main-abc1234=runtime-api:latest"]
        cls.prepare_place()

    def publish(self, *more, sources=None, branch=BRANCH, commit=COMMIT, subject=SUBJECT, **options):
        return self.cooper("publish", *(sources or self.sources), "--to", self.place, "--branch", branch, "--commit", commit, "--subject",
                           subject, "--json", *more, **options)

    def check_images(self, published):
        """Keys as in the design; what lies there is what was said about it."""
        self.assertEqual([image["key"] for image in published["images"]],
                         [BRANCH + "/abc1234/openhands:main-abc1234.tar", BRANCH + "/abc1234/runtime-api:latest.tar"])
        for image in published["images"]:
            path = self.save(image["key"])
            self.assertEqual(harness.sha256_of(path), image["sha256"])
            self.assertEqual(os.path.getsize(path), image["size"])
            self.assertEqual(harness.Tarball(path).config_digest, image["image_id"])

    def test_1_first_time(self):
        published = self.publish().json
        self.check_images(published)
        changelog = self.text(published["changelog"]["key"])
        self.assertEqual(published["changelog"]["key"], BRANCH + "/CHANGELOG.md")
        self.assertRegex(changelog, ENTRY)
        self.assert_no_temporary_files()

    def test_2_the_same_again_changes_nothing(self):
        before = self.state()
        published = self.publish().json
        self.assertTrue(all(image["already_there"] for image in published["images"]))
        self.assertFalse(published["changelog"]["changed"])
        self.assertEqual(self.state(), before)

    def test_3_other_bytes_for_the_same_commit_are_refused(self):
        before = self.state()
        # The same name and commit, but the image that zstd:1 is.
        other = [self.registry.address + "/acme/runtime-api:main-abc1234=openhands:main-abc1234"]
        failed = self.publish(sources=other, expect=harness.DIFFERENT_BYTES)
        self.assertIn("openhands:main-abc1234.tar", failed.err)
        self.assertEqual(self.state(), before)

    def test_4_a_second_build_goes_on_top_and_foreign_text_stays(self):
        key = BRANCH + "/CHANGELOG.md"
        harness.wait_for_next_second()  # entries have whole seconds; two of the same second are in order of their commits
        foreign = "# Builds for Acme\n\nAsk Jo.  \r\n\n" + self.text(key) + "\n## Known issues\n\n- none"
        self.put_text(key, foreign)
        self.publish(sources=[self.registry.address + "/acme/zstd:1"], commit="def5678000", subject="Fix `login` ### 2020-01-01 00:00:00Z - fffffff")
        text = self.text(key)
        self.assertLess(text.index("- def5678"), text.index("- abc1234"))
        self.assertEqual(len(re.findall(r"^### ", text, re.M)), 2)
        self.assertTrue(text.startswith("# Builds for Acme\n\nAsk Jo.  \r\n\n## Build History\n"))
        self.assertTrue(text.endswith("\n## Known issues\n\n- none"))

    def test_5_notes_and_odd_branch_names(self):
        published = self.publish("--notes", "line one\n### 2020-01-01 00:00:00Z - 0000000\nline three", sources=self.sources[:1],
                                 branch="fix/ü-100%&more").json
        self.assertEqual(published["images"][0]["key"].split("/abc1234/")[0], "fix/%C3%BC-100%25%26more")
        text = self.text(published["changelog"]["key"])
        self.assertEqual(len(re.findall(r"^### ", text, re.M)), 1)
        self.assertIn("> line three", text)

    def test_6_uncompressed_layers_deeply_checked(self):
        published = self.publish("--layers", "uncompressed", "--deep", sources=self.sources[:1], branch="plain").json
        tarball = harness.Tarball(self.save(published["images"][0]["key"]))
        self.assertEqual(tarball.layers, tarball.diff_ids)
        self.assertTrue(published["images"][0]["diff_ids_checked"])
        self.assert_no_temporary_files()

    def test_7_the_changelog_command_prints_what_is_there(self):
        self.assertEqual(self.cooper("changelog", self.place, "--branch", BRANCH).out, self.text(BRANCH + "/CHANGELOG.md"))

    def test_8_a_build_is_withdrawn_the_newer_is_linked_to_and_files_are_recognised(self):
        older = self.publish(branch="two").json["images"]
        harness.wait_for_next_second()
        newer = self.publish(branch="two", commit="def5678000", sources=self.sources[:1]).json["images"]
        of_two = (self.place, "--branch", "two")
        withdrawn = self.cooper("withdraw", *of_two, "--commit", "abc1234", "--reason", "CVE-2024-1", "--json").json
        self.assertEqual(withdrawn["labels_supported"], self.has_labels)
        self.check_labels([image["key"] for image in older] if self.has_labels else [])
        before = self.state()
        self.assertFalse(self.cooper("withdraw", *of_two, "--commit", "abc1234", "--reason", "CVE-2024-1", "--json").json["changed"])
        self.assertEqual(self.state(), before)
        self.assertIn("CVE-2024-1", self.cooper("links", "refresh", *of_two, "--commit", "abc1234", expect=1).err)

        logs = self.path("logs")
        links = self.cooper("links", "refresh", *of_two, "--expires", "1h", "--log-dir", logs, "--json").json
        self.assertEqual([image["sha256"] for image in links["images"]], [image["sha256"] for image in newer])
        out = self.path("got.tar")
        subprocess.run(["curl", "--silent", "--fail", "--noproxy", "*", "-o", out, links["images"][0]["url"]], check=True, timeout=120)
        found = self.cooper("whose", out, older[1]["sha256"], "--in", self.place, "--branch", "two", "--json").json["files"]
        self.assertEqual([[one["folder"] for one in file["delivered"]] for file in found], [["two/def5678", "two/abc1234"], ["two/abc1234"]])
        self.assertEqual(found[1]["delivered"][0]["withdrawn"]["reason"], "CVE-2024-1")

        self.put_text("two/CHANGELOG.md", "")
        self.cooper("changelog", *of_two, "--rebuild")
        self.assertRegex(self.text("two/CHANGELOG.md"), r"(?m)^\*\*Status\*\*: WITHDRAWN \d{4}-\d\d-\d\d - CVE-2024-1$")
        for key in self.state():  # a link is for one reader, for a while
            if "/two/" in "/" + key and not key.endswith(".tar"):
                self.assertNotRegex(self.text(key), "(?i)x-amz-signature|x-amz-security-token")
        for name in os.listdir(logs):
            with open(os.path.join(logs, name), encoding="utf-8", errors="replace") as log:
                self.assertNotRegex(log.read(), "(?i)x-amz-signature|x-amz-security-token")


class Directory(PublishCase):
    has_labels = True

    def check_labels(self, tarballs):
        for key in tarballs:
            folder, name = os.path.split(key)
            self.assertEqual(self.text(os.path.join(folder, "." + name + ".labels.json")), '{"cooper-status":"withdrawn"}\n')

    @classmethod
    def prepare_place(cls):
        cls.root = cls.workspace.directory("out")
        cls.place = "dir:" + cls.root

    def save(self, key):
        return os.path.join(self.root, key)

    def text(self, key):
        with open(os.path.join(self.root, key), newline="", encoding="utf-8") as changelog:
            return changelog.read()

    def put_text(self, key, text):
        with open(os.path.join(self.root, key), "w", newline="", encoding="utf-8") as changelog:
            changelog.write(text)

    def state(self):
        found = {}
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(folder, name)
                found[path] = (harness.sha256_of(path), os.stat(path).st_mtime_ns)
        return found

    def test_8_links_are_file_urls_that_curl_opens(self):
        published = self.publish(branch="links").json
        for image in published["images"]:
            self.assertIsNone(image["expires"])
            out = self.path("got.tar")
            subprocess.run(["curl", "--silent", "--fail", "-o", out, image["url"]], check=True)
            self.assertEqual(harness.sha256_of(out), image["sha256"])


class BucketCase(PublishCase):
    bucket = "releases"
    has_labels = False  # Swift has no tags, and to the conditional store `?tagging` is the object itself

    def check_labels(self, tarballs):
        for key in tarballs:
            self.assertEqual(self.client.get_object_tagging(Bucket=self.bucket, Key=key)["TagSet"], [{"Key": "cooper-status", "Value": "withdrawn"}])

    @classmethod
    def prepare_place(cls):
        cls.store = cls.make_store()
        cls.client = harness.s3_client(cls.store)
        cls.make_bucket()
        cls.cooper = cls.cooper.with_store(cls.store)
        cls.place = "s3://" + cls.bucket

    @classmethod
    def make_bucket(cls):
        cls.client.create_bucket(Bucket=cls.bucket)

    def save(self, key):
        path = self.path("object.tar")
        with open(path, "wb") as out:
            for chunk in self.client.get_object(Bucket=self.bucket, Key=key)["Body"].iter_chunks(1 << 20):
                out.write(chunk)
        return path

    def text(self, key):
        return harness.read_object(self.client, self.bucket, key).decode()

    def put_text(self, key, text):
        self.client.put_object(Bucket=self.bucket, Key=key, Body=text.encode())

    def state(self):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return {found["Key"]: (found["ETag"], found["LastModified"]) for page in pages for found in page.get("Contents", [])}

    def test_8_links_work_with_curl_and_give_the_printed_bytes(self):
        published = self.publish("--expires", "2h", branch="links").json
        for image in published["images"]:
            self.assertEqual(harness.fetch(image["url"], "-r", "0-0"), 206)
            out, headers = self.path("got.tar"), self.path("headers")
            self.assertEqual(harness.fetch(image["url"], "--dump-header", headers, out=out), 200)
            self.assertEqual(harness.sha256_of(out), image["sha256"])
            with open(headers, encoding="latin-1") as said:
                self.assertIn('attachment; filename="%s"' % image["file"], said.read())
            self.assertNotIn(":", image["file"])
            self.assertEqual(harness.fetch(image["url"][:-1] + ("0" if image["url"][-1] != "0" else "1")), 403)

    def test_9_a_week_is_the_most_and_it_is_said(self):
        self.publish(branch="week", sources=self.sources[:1])
        key = "s3://%s/week/abc1234/openhands:main-abc1234.tar" % self.bucket
        self.assertEqual(harness.fetch(self.cooper("presign", key).out.split()[0], "-r", "0-0"), 206)
        failed = self.cooper("presign", key, "--expires", "30d", expect=None)
        self.assertRegex(failed.err, "7 ?d|seven days|604.?800")

    def test_9_wrong_credentials_have_their_own_exit_code(self):
        failed = self.publish(branch="denied", expect=harness.ACCESS_DENIED, AWS_SECRET_ACCESS_KEY="wrong-secret")
        self.assertNotIn("wrong-secret", failed.err)
        self.assertFalse([key for key in self.state() if key.startswith("denied/")])

    def test_9_no_upload_is_left_pending(self):
        self.assertEqual(self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", []), [])


class ToSwift(BucketCase):
    """No conditional writes; the strictest signature check among the small servers."""

    @classmethod
    def make_store(cls):
        return harness.start(Swift, cls.workspace)

    def test_9_every_build_has_its_entry_object(self):
        entries = [key for key in self.state() if key.startswith(BRANCH + "/.entries/")]
        self.assertEqual(len(entries), 2)


class ToConditionalStore(BucketCase):
    @classmethod
    def make_store(cls):
        from conditional_s3 import ConditionalS3
        store = ConditionalS3()
        cls.addClassCleanup(store.close)
        return store

    @classmethod
    def make_bucket(cls):
        pass

    def test_9_slow_down_and_errors_inside_a_200_are_survived(self):
        self.store.faults.busy = {"upload part": 2, "PUT object": 1, "create upload": 1, "complete": 1, "HEAD object": 1}
        self.store.faults.error_in_200 = {"complete": 1}
        published = self.publish(branch="faults").json
        for image in published["images"]:
            self.assertEqual(harness.sha256_of(self.save(image["key"])), image["sha256"])


class ToMotoOptional(BucketCase):
    """moto_server knows both conditional writes; it takes any signature, so those two tests are not for it."""

    has_labels = True

    @classmethod
    def make_store(cls):
        from services import Moto
        return harness.start_optional(Moto, cls.workspace)

    test_8_links_work_with_curl_and_give_the_printed_bytes = None
    test_9_wrong_credentials_have_their_own_exit_code = None


del PublishCase, BucketCase

if __name__ == "__main__":
    harness.main()

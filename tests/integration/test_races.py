"""Twenty publishers and one changelog: every build is in it, each once."""

import json
import re

import harness
import images
from conditional_s3 import ConditionalS3
from services import Swift, call, program

PUBLISHERS = 20
BRANCH = "race"


class RaceCase(harness.TestCase):
    bucket = "releases"

    @classmethod
    def prepare(cls):
        layout = images.Layout(cls.workspace.directory("layout"))
        images.traits_image(layout, "one")
        cls.archive = cls.workspace.path + "/one.tar"
        call(program("skopeo"), "--insecure-policy", "copy", "--quiet", "oci:%s:one" % layout.path, "docker-archive:%s:app:1" % cls.archive)
        cls.store = cls.make_store()
        cls.client = harness.s3_client(cls.store)
        cls.cooper = cls.cooper.with_store(cls.store)

    @staticmethod
    def commit(number):
        return "%07x%033x" % (0xa000000 + number, number)

    def arguments(self, number):
        return ["publish", "docker-archive:" + self.archive, "--to", "s3://" + self.bucket, "--branch", BRANCH, "--commit", self.commit(number),
                "--subject", "Build %d" % number, "--json"]

    def race(self):
        """All at once; the output of each."""
        running = [self.cooper.start(*self.arguments(number)) for number in range(PUBLISHERS)]
        ended = [(process, *process.communicate(timeout=280)) for process in running]
        for process, out, err in ended:
            self.assertEqual(process.returncode, 0, err)
        return [json.loads(out) for _, out, _ in ended]

    def shown(self):
        text = harness.read_object(self.client, self.bucket, BRANCH + "/CHANGELOG.md").decode()
        return re.findall(r"^### \S+ \S+ - ([0-9a-f]{7})$", text, re.M)

    def assert_all_are_there(self):
        shown = self.shown()
        self.assertEqual(sorted(shown), sorted(self.commit(number)[:7] for number in range(PUBLISHERS)))
        tarballs = [key for key in harness.keys(self.client, self.bucket) if key.endswith(".tar")]
        self.assertEqual(len(tarballs), PUBLISHERS)


class WithConditionalWrites(RaceCase):
    @classmethod
    def make_store(cls):
        store = ConditionalS3(cls.bucket)
        cls.addClassCleanup(store.close)
        return store

    def test_every_build_is_in_the_changelog_once(self):
        faults = self.store.faults
        faults.jitter = 0.05
        # What real stores do under load: 409 for a race that is still on, and replies that get lost after the write.
        faults.conflict = {"PUT object": 0.1}
        faults.lost = {"PUT object": 0.05}
        # Twenty publishers that each try out the store would now and then see three unlucky rounds.
        faults.spared = (".cooper/",)
        self.race()
        self.assert_all_are_there()
        self.assertEqual(self.store.uploads, {})


class WithoutConditionalWrites(RaceCase):
    """Swift answers 501 to conditions. No entry may be lost; the shown document may be behind until the next write or rebuild."""

    @classmethod
    def make_store(cls):
        store = harness.start(Swift, cls.workspace)
        harness.s3_client(store).create_bucket(Bucket=cls.bucket)
        return store

    def test_no_entry_is_lost(self):
        self.race()
        entries = [key for key in harness.keys(self.client, self.bucket) if key.startswith(BRANCH + "/.entries/")]
        self.assertEqual(len(entries), PUBLISHERS)
        self.cooper("changelog", "s3://" + self.bucket, "--branch", BRANCH, "--rebuild")
        self.assert_all_are_there()


del RaceCase

if __name__ == "__main__":
    harness.main()

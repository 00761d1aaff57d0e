"""Releases: fourteen images into a bucket and a registry, all of them or none; killed at any moment, finished or taken back."""

import concurrent.futures
import hashlib
import json
import os
import random
import re
import shutil
import time
import urllib.error
import urllib.request

import harness
import images
from conditional_s3 import ConditionalS3
from services import Containerd, Dockerd, Registry, Swift

GATE_SAID_NO, GATE_BROKE = 6, 12
KILLS = 50
RELEASERS = 20


def commit_of(number):
    return hashlib.sha1(b"commit %d" % number).hexdigest()


class Tags:
    """The tags of a registry, as a client without cooper sees them."""

    def __init__(self, registry):
        self.base = "http://%s/v2/" % registry.address

    def digest(self, repository, tag):
        request = urllib.request.Request(self.base + "%s/manifests/%s" % (repository, tag), method="HEAD", headers={
            "Accept": ", ".join([images.MANIFEST, images.INDEX, "application/vnd.docker.distribution.manifest.v2+json"])})
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.headers["Docker-Content-Digest"]
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 404:
                raise
            return None

    def all(self, repository):
        try:
            with urllib.request.urlopen(self.base + repository + "/tags/list", timeout=30) as reply:
                names = json.load(reply)["tags"] or []
        except urllib.error.HTTPError as error:
            error.close()
            names = []
        return {name: self.digest(repository, name) for name in names}


class ReleaseCase(harness.TestCase):
    """A store with atomic conditional writes, and a registry."""

    bucket = "releases"
    names = ["app", "api", "worker", "web"]

    @classmethod
    def prepare(cls):
        cls.registry = harness.start(Registry, cls.workspace)
        cls.tags = Tags(cls.registry)
        cls.store = ConditionalS3(cls.bucket)
        cls.addClassCleanup(cls.store.close)
        cls.client = harness.s3_client(cls.store)
        cls.cooper = cls.cooper.with_store(cls.store)

    def setUp(self):
        # A branch and repositories of its own for each test.
        self.branch = self.team = self.id().rsplit(".", 1)[1].replace("_", "-")

    def layout(self, number, size=60_000, names=None):
        """Images of a build; other bytes for each number."""
        path = self.path("layout-%d" % number)
        layout = images.Layout(path)
        base = layout.layer(images.layer_tar([images.file("base", b"base" * 1000)]))
        for name in names or self.names:
            content = random.Random("%s %d" % (name, number)).randbytes(size)
            layer = layout.layer(images.layer_tar([images.file("srv/" + name, content)]))
            layout.image([base, layer], tag=name)
        return path

    def arguments(self, number, names=None, team=None, version=None, layout=None):
        version, team = version or "v1.0.%d" % number, team or self.team
        layout = layout or self.layout(number)
        return ["release", *["oci:%s:%s=%s:%s" % (layout, name, name, version) for name in names or self.names],
                "--to", "s3://" + self.bucket, "--push", self.registry.address + "/" + team, "--branch", self.branch, "--commit", commit_of(number),
                "--subject", "Build %d" % number, "--repository", "https://git.example/" + team, "--version", version, "--json"]

    def objects(self):
        """What lies in the bucket for readers: names that begin with a dot are records of cooper's own."""
        return {key: found.data for key, found in self.store.objects(self.bucket).items()
                if not any(part.startswith(".") for part in key.split("/"))}

    def journals(self):
        return [key for key in self.store.objects(self.bucket) if "/.releases/" in key]

    def changelog(self):
        return self.objects().get(self.branch + "/CHANGELOG.md", b"").decode()

    def tags_of(self, name):
        return self.tags.all("%s/%s" % (self.team, name))

    def everything(self):
        return self.objects(), {name: self.tags_of(name) for name in self.names}

    def assert_released(self, number, names=None, team=None, version=None):
        """All of it is there, by four ways of looking."""
        version, team = version or "v1.0.%d" % number, team or self.team
        short, objects = commit_of(number)[:7], self.objects()
        self.assertEqual(len(re.findall("^### .* - %s$" % short, self.changelog(), re.M)), 1)
        record = json.loads(objects["%s/%s/release.json" % (self.branch, short)])
        self.assertEqual(sorted(image["name"] for image in record["images"]), sorted(names or self.names))
        sums = objects["%s/%s/SHA256SUMS" % (self.branch, short)].decode()
        for image in record["images"]:
            self.assertEqual(hashlib.sha256(objects[image["key"]]).hexdigest(), image["sha256"])
            self.assertIn("%s  %s\n" % (image["sha256"], image["file"]), sums)
            self.assertEqual(self.tags.digest(team + "/" + image["name"], version), image["manifest"])
        return record


class Story(ReleaseCase):
    """Seven versions of Python, two runtimes: built and tested on one machine, released from another."""

    versions = ["3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"]

    def setUp(self):
        self.branch, self.team = "main", "braindotai"
        self.names = ["opencrate-%s-py%s" % (runtime, python) for runtime in ("cpu", "cuda") for python in self.versions]

    @classmethod
    def prepare(cls):
        super().prepare()
        cls.docker = harness.start(Dockerd, cls.workspace, harness.start(Containerd, cls.workspace))
        cls.cooper.environment["DOCKER_HOST"] = "unix://" + cls.docker.socket

    def matrix(self, version):
        versions = self.workspace.file("PYTHON_VERSIONS", "# one a line\n" + "\n".join(self.versions) + "\n")
        found = self.cooper("matrix", "--axis", "runtime=cpu,cuda", "--axis", "python=@" + versions,
                            "--make", "image=%s/opencrate-{runtime}-py{python}:{version}" % self.team, "--set", "version=" + version)
        self.jobs = self.workspace.file("matrix.json", found.out)
        return [job["image"] for job in json.loads(found.out)["include"]]

    def build_all(self, version, number):
        """A build job for each cell: the image in the engine, tested, with evidence of what was tested."""
        shutil.rmtree(self.path("digests"), ignore_errors=True)
        built = self.matrix(version)
        self.assertEqual(len(built), 14)
        self.assertEqual(len(set(built)), 14)
        layout = images.Layout(self.path("built-%d" % number))
        for image in built:
            content = random.Random("%s %d" % (image, number)).randbytes(20_000)
            layers = [layout.layer(images.layer_tar([images.file("srv/content", content), images.file("etc/version", version)]))]
            layout.image(layers, tag=image)
            self.cooper("copy", "oci:%s:%s" % (layout.path, image), "docker-daemon:" + image)
            self.cooper("gate", "docker-daemon:" + image, "--record", self.path("digests"))
        return built

    def release(self, number, version, *more, **options):
        return self.cooper("release", "--images", "@" + self.jobs, "--from", "docker-daemon:", "--to", "s3://" + self.bucket,
                           "--push", self.registry.address + "/" + self.team, "--expect", self.path("digests"), "--version", version,
                           "--branch", self.branch, "--commit", commit_of(number), "--repository", "https://git.example/crate",
                           "--log-dir", self.path("logs"), "--json", *more, **options)

    def assert_nothing_happened(self, before):
        self.assertEqual(self.everything(), before)
        self.assertEqual(self.store.uploads, {})
        self.assertEqual(self.journals(), [])

    def test_fourteen_images(self):
        built = self.build_all("v0.1.0", 1)
        released = self.release(1, "v0.1.0").json
        self.assertEqual(len(released["images"]), 14)
        record = self.assert_released(1, version="v0.1.0")
        self.assertEqual({gate["kind"] for image in record["images"] for gate in image["gates"]}, {"digest"})
        for name in self.names:
            tags = self.tags_of(name)
            self.assertEqual(tags["latest"], tags["v0.1.0"])

        with self.subTest("the same again changes nothing"):
            before = self.everything()
            self.assertFalse(self.release(1, "v0.1.0").json["changed"])
            self.assert_nothing_happened(before)

        with self.subTest("a pre-release does not move latest"):
            self.build_all("v0.2.0-rc1", 2)
            self.release(2, "v0.2.0-rc1")
            self.assert_released(2, version="v0.2.0-rc1")
            for name in self.names:
                tags = self.tags_of(name)
                self.assertEqual(tags["latest"], tags["v0.1.0"])

        built = self.build_all("v0.2.0", 3)
        before = self.everything()
        with self.subTest("an image that is not the tested one stops all of them"):
            victim = built[8]
            layout = images.Layout(self.path("victim"))
            layout.image([layout.layer(images.layer_tar([images.file("srv/content", b"untested"), images.file("etc/version", "v0.2.0")]))],
                         tag=victim)
            self.cooper("copy", "oci:%s:%s" % (layout.path, victim), "docker-daemon:" + victim)
            refused = self.release(3, "v0.2.0", expect=harness.INTEGRITY)
            self.assertIn("srv/content", refused.out + refused.err)
            self.assert_nothing_happened(before)
            self.cooper("copy", "oci:%s:%s" % (self.path("built-3"), victim), "docker-daemon:" + victim)

        scanner = self.workspace.file("scanner", "#!/bin/sh\necho \"looked at $1\"; case $1 in *cuda-py3.9*) exit $2;; esac\n", 0o755)
        for status, code in ((1, GATE_SAID_NO), (3, GATE_BROKE)):
            with self.subTest("a scanner that ends with %d" % status):
                self.release(3, "v0.2.0", "--cmd", "%s {tar} %d" % (scanner, status), expect=code)
                self.assert_nothing_happened(before)
        with self.subTest("a scanner that finds nothing"):
            self.release(3, "v0.2.0", "--cmd", "%s {tar} 0" % scanner)
            record = self.assert_released(3, version="v0.2.0")
            for image in record["images"]:
                self.assertIn({"kind": "scan", "command": "scanner", "subject": image["sha256"]}, image["gates"])
            self.assertTrue([name for name in os.listdir(self.path("logs")) if "scan" in name])
        for name in self.names:
            tags = self.tags_of(name)
            self.assertEqual(tags["latest"], tags["v0.2.0"])


class Killed(ReleaseCase):
    """kill -9 at random moments: a reader sees the old release or the new one, and the next run makes it the new one."""

    def reader_sees(self, number, before):
        """"old" or "new"; anything else fails."""
        short, objects = commit_of(number)[:7], self.objects()
        record = objects.get("%s/%s/release.json" % (self.branch, short))
        if record is not None:
            self.assert_complete(json.loads(record), number)
        if re.search("^### .* - %s$" % short, self.changelog(), re.M):
            self.assertIsNotNone(record)
            return "new"
        self.assertEqual(self.changelog(), before)
        return "old"

    def assert_complete(self, record, number):
        objects = self.objects()
        self.assertEqual(sorted(image["name"] for image in record["images"]), sorted(self.names))
        for image in record["images"]:
            self.assertEqual(hashlib.sha256(objects[image["key"]]).hexdigest(), image["sha256"])
            tags = self.tags_of(image["name"])
            self.assertEqual((tags["v1.0.%d" % number], tags["latest"]), (image["manifest"],) * 2)

    def test_killed_at_random_moments(self):
        self.cooper(*self.arguments(0))
        began = time.monotonic()
        self.cooper(*self.arguments(1))
        whole = time.monotonic() - began
        rolls, seen, journals = random.Random(7), [], 0
        for number in range(2, 2 + KILLS):
            arguments, before = self.arguments(number), self.changelog()
            running = self.cooper.start(*arguments)
            time.sleep(rolls.uniform(0, 1.1 * whole))
            running.kill()
            running.communicate()
            seen.append(self.reader_sees(number, before))
            journals += len(self.journals())
            self.cooper(*arguments)
            self.assertEqual(self.reader_sees(number, before), "new")
            self.assert_released(number)
            self.assertEqual(self.journals(), [])
            shutil.rmtree(self.path("layout-%d" % number))
        print("killed %d times: %d old, %d new, %d with a journal" % (KILLS, seen.count("old"), seen.count("new"), journals))
        self.assertIn("old", seen)
        self.assertEqual(len(re.findall("^### ", self.changelog(), re.M)), KILLS + 2)

    def test_killed_at_each_write_of_the_last_phase(self):
        """From the journal on: after each request that changes something, in turn."""
        number, steps = 100, []
        self.cooper(*self.arguments(number))
        while True:
            number += 1
            arguments, before = self.arguments(number), self.changelog()
            running = self.cooper.start(*arguments)
            killed = self.store.kill_after(running, len(steps), "/.releases/")
            running.communicate()
            state = self.reader_sees(number, before)
            if not killed():
                self.assertEqual(state, "new")
                break
            steps.append(state)
            self.cooper(*arguments)
            self.assert_released(number)
            self.assertEqual(self.journals(), [])
        self.assertGreater(len(steps), 10)
        self.assertEqual(steps, sorted(steps, reverse=True), "old until it is new")


class Hindered(ReleaseCase):
    """What is in the way of a release."""

    def test_a_tag_that_names_another_image(self):
        self.cooper(*self.arguments(1, version="v2.0.0"))
        before = self.everything()
        refused = self.cooper(*self.arguments(2, version="v2.0.0"), expect=harness.DIFFERENT_BYTES)
        self.assertIn("--replace-tags", refused.out)
        self.assertEqual(self.everything(), before)
        self.assertEqual(self.store.uploads, {})
        self.cooper(*self.arguments(2, version="v2.0.0"), "--replace-tags")
        self.assert_released(2, version="v2.0.0")

    def test_a_registry_that_refuses_latest_gets_nothing(self):
        """Names appear, one of them for good not: what appeared is taken back."""
        self.cooper(*self.arguments(10))
        before = self.everything()
        directory = os.path.join(self.registry.root, "docker/registry/v2/repositories", self.team, "web/_manifests/tags/latest")
        os.rename(directory, directory + ".away")
        with open(directory, "w", encoding="ascii"):  # the registry can neither read nor write this tag
            pass
        try:
            refused = self.cooper(*self.arguments(11), expect=None, timeout=240)
        finally:
            os.remove(directory)
            os.rename(directory + ".away", directory)
        self.assertNotEqual(refused.code, 0)
        if self.journals():  # a failure that may pass, as far as the registry says
            self.cooper("release", "--undo", "--to", "s3://" + self.bucket, "--branch", self.branch, "--commit", commit_of(11))
        self.assertEqual(self.everything(), before)
        self.assertEqual(self.store.uploads, {})
        self.cooper(*self.arguments(11))
        self.assert_released(11)

    def test_undo_of_one_that_was_cut(self):
        self.cooper(*self.arguments(20))
        before = self.everything()
        running = self.cooper.start(*self.arguments(21))
        killed = self.store.kill_after(running, 9, "/.releases/")
        running.communicate()
        self.assertTrue(killed())
        self.assertEqual(len(self.journals()), 1)
        self.assertNotEqual(self.objects(), before[0])

        with self.subTest("another commit goes through, and is told"):
            later = self.cooper(*self.arguments(22, names=["app"], layout=self.layout(22, names=["app"])))
            self.assert_released(22, names=["app"])
            self.assertIn(commit_of(22)[:7], self.changelog())
            self.assertEqual(later.code, 0)
        undone = self.cooper("release", "--undo", "--to", "s3://" + self.bucket, "--branch", self.branch, "--commit", commit_of(21), "--json")
        self.assertEqual(undone.json["undone"], 1)
        self.assertEqual([key for key in self.objects() if commit_of(21)[:7] in key], [])
        self.assertEqual(self.store.uploads, {})
        self.assertEqual(self.journals(), [])
        for name in self.names:
            self.assertNotIn("v1.0.21", self.tags_of(name))
        self.cooper("release", "--undo", "--to", "s3://" + self.bucket, "--branch", self.branch, "--commit", commit_of(21))

    def test_a_half_done_release_is_finished_although_the_images_are_gone(self):
        running = self.cooper.start(*self.arguments(30))
        killed = self.store.kill_after(running, 4, "/.releases/")
        running.communicate()
        self.assertTrue(killed())
        shutil.rmtree(self.path("layout-30"))
        layout = self.layout(31, names=["other"])
        arguments = self.arguments(30, names=["other"], layout=layout)
        self.cooper(*arguments)
        objects = self.objects()
        record = json.loads(objects["%s/%s/release.json" % (self.branch, commit_of(30)[:7])])
        self.assertEqual(sorted(image["name"] for image in record["images"]), sorted([*self.names, "other"]))

    def test_withdrawn(self):
        self.cooper(*self.arguments(40))
        self.cooper("withdraw", "s3://" + self.bucket, "--branch", self.branch, "--commit", commit_of(40), "--reason", "CVE-2024-1")
        self.assertIn("WITHDRAWN", self.changelog())
        refused = self.cooper(*self.arguments(40), expect=1)
        self.assertIn("CVE-2024-1", refused.out)


class Together(ReleaseCase):
    """Twenty releases of two repositories into one branch at once."""

    def race(self):
        with concurrent.futures.ThreadPoolExecutor(RELEASERS) as pool:
            def one(number):
                team = "left" if number % 2 else "right"
                names = ["app-" + team]
                arguments = self.arguments(number, team=team, names=names, layout=self.layout(number, 2000, names))
                return self.cooper(*arguments, timeout=280, expect=None)
            return list(pool.map(one, range(RELEASERS)))

    def test_every_release_is_there_once(self):
        self.store.faults.jitter = 0.02
        results = self.race()
        # All but one of a repository lose the race for `latest`, and are told so when they can see it; the release stands.
        self.assertLessEqual({result.code for result in results}, {harness.DONE, harness.LOST_RACE})
        shown = re.findall(r"^### \S+ \S+ - ([0-9a-f]{7})$", self.changelog(), re.M)
        self.assertEqual(sorted(shown), sorted(commit_of(number)[:7] for number in range(RELEASERS)))
        for number in range(RELEASERS):
            team = "left" if number % 2 else "right"
            self.assert_released(number, ["app-" + team], team)
        self.assertEqual(self.store.uploads, {})
        self.assertEqual(self.journals(), [])
        for number in (RELEASERS - 2, RELEASERS - 1):
            team = "left" if number % 2 else "right"
            names = ["app-" + team]
            self.cooper(*self.arguments(number, team=team, names=names, layout=self.layout(number, 2000, names)))
            tags = self.tags.all(team + "/app-" + team)
            self.assertEqual(tags["latest"], tags["v1.0.%d" % number])

    def test_the_same_release_from_two_machines(self):
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            arguments = self.arguments(90)
            results = list(pool.map(lambda _: self.cooper(*arguments, timeout=280), range(3)))
        self.assertTrue(any(result.json["changed"] for result in results))
        self.assert_released(90)
        self.assertEqual(self.store.uploads, {})


class WithoutConditionalWrites(ReleaseCase):
    """Swift refuses conditions: no entry is lost, and a release is whole all the same."""

    @classmethod
    def prepare(cls):
        cls.registry = harness.start(Registry, cls.workspace)
        cls.tags = Tags(cls.registry)
        cls.store = harness.start(Swift, cls.workspace)
        cls.client = harness.s3_client(cls.store)
        cls.client.create_bucket(Bucket=cls.bucket)
        cls.cooper = cls.cooper.with_store(cls.store)

    def objects(self):
        return {key: harness.read_object(self.client, self.bucket, key) for key in harness.keys(self.client, self.bucket)
                if not any(part.startswith(".") for part in key.split("/"))}

    def test_release(self):
        self.cooper(*self.arguments(1))
        self.assert_released(1)
        self.assertFalse(self.cooper(*self.arguments(1)).json["changed"])


class InDirectory(ReleaseCase):
    """dir: places and registries, without any store."""

    @classmethod
    def prepare(cls):
        cls.registry = harness.start(Registry, cls.workspace)
        cls.tags = Tags(cls.registry)

    def test_release_and_gate(self):
        place = self.path("out")
        arguments = [("dir:" + place if part == "s3://" + self.bucket else part) for part in self.arguments(1)]
        no = self.workspace.file("no", "#!/bin/sh\nexit 1\n", 0o755)
        self.cooper(*arguments, "--cmd", "%s {tar}" % no, "--log-dir", self.path("logs"), expect=GATE_SAID_NO)
        self.assertEqual([name for _, _, names in os.walk(place) for name in names if name != ".cooper.lock"], [])
        self.assertEqual(self.tags_of("app"), {})
        plan = self.cooper(*arguments, "--plan").json
        self.assertEqual([tag["before"] for tag in plan["tags"]], [None] * 8)
        self.assertEqual(sorted(image["name"] for image in plan["images"]), sorted(self.names))
        self.assertEqual(self.tags_of("app"), {})
        released = self.cooper(*arguments).json
        self.assertEqual(len(released["images"]), 4)
        self.assertEqual([tag["reference"] for tag in released["tags"]], [tag["reference"] for tag in plan["tags"]])
        self.assertFalse(os.path.exists(os.path.join(place, self.branch, commit_of(1)[:7], ".staged")))
        self.assertFalse(self.cooper(*arguments).json["changed"])
        self.assertIn(commit_of(1)[:7], self.cooper("changelog", "dir:" + place, "--branch", self.branch).out)

    def test_to_registries_alone(self):
        arguments = self.arguments(5)
        at = arguments.index("--to")
        del arguments[at:at + 2]
        self.assertEqual(len(self.cooper(*arguments).json["tags"]), 8)
        for name in self.names:
            tags = self.tags_of(name)
            self.assertEqual(tags["latest"], tags["v1.0.5"])


del ReleaseCase

if __name__ == "__main__":
    harness.main()

"""The local store under fire: killed processes, failing and full disks, many processes at once, other tools."""

import glob
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
import unittest

import harness
import images
import services
from services import Registry
from slow_proxy import SlowProxy

ENOSPC, EIO = 28, 5
DAMAGED = 11


class StoreUnderFire(harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.registry = harness.start(Registry, cls.workspace)
        cls.layout = images.Layout(cls.workspace.directory("layout"))
        cls.random = random.Random(4)
        shared = cls.layer("shared", 150_000)
        cls.blobs = set()
        for name in ("a", "b"):
            layers = [shared, *(cls.layer("%s-%d" % (name, n), size) for n, size in enumerate((3_000, 60_000, 200_000)))]
            cls.layout.image(layers, tag=name)
            images.push(cls.layout, name, cls.registry.address + "/acme/%s:1" % name)
        cls.layout.image([cls.layer("big", 8 << 20)], tag="big")
        images.push(cls.layout, "big", cls.registry.address + "/acme/big:1")

    @classmethod
    def layer(cls, name, size):
        return cls.layout.layer(images.layer_tar([images.file(name, cls.random.randbytes(size))]), images.GZIP)

    def setUp(self):
        self.store = self.path("store")
        self.a, self.b, self.big = (self.registry.address + "/acme/%s:1" % name for name in ("a", "b", "big"))

    def fill(self, image, **options):
        return self.cooper("copy", image, "store:" + image, "--store", self.store, **options)

    def verify(self, expect=harness.DONE):
        return self.cooper("store", "verify", "--json", "--store", self.store, expect=expect).json

    def check_with_own_eyes(self):
        """Whatever is among the blobs is what its name says; index.json is whole. Not by the code under test."""
        for path in glob.glob(os.path.join(self.store, "blobs", "sha256", "*")):
            self.assertEqual(harness.sha256_of(path), os.path.basename(path))
        if os.path.exists(os.path.join(self.store, "index.json")):
            with open(os.path.join(self.store, "index.json"), "rb") as index:
                self.assertEqual(json.load(index)["schemaVersion"], 2)

    def check_whole(self, *image_list):
        """All of the images is there, and after gc nothing is left of killed processes."""
        self.cooper("store", "gc", "--grace", "0s", "--store", self.store)
        self.assertEqual([os.listdir(os.path.join(self.store, part)) for part in ("ingest", "leases")], [[], []])
        listed = self.cooper("store", "ls", "--json", "--store", self.store).json["images"]
        self.assertEqual([each["name"] for each in listed], sorted(image_list))
        self.assertEqual([each["missing"] for each in listed], [0] * len(image_list))
        checked = self.verify()
        self.assertEqual((checked["damaged"], checked["missing"]), ([], []))

    def test_killed_at_random_moments(self):
        proxy = SlowProxy(self.registry.port, 12 << 20)
        self.addCleanup(proxy.close)
        sources = {name: "127.0.0.1:%d/acme/%s:1" % (proxy.port, name) for name in ("a", "b")}
        kills = 0
        deadline = time.monotonic() + 15
        while kills < 240 and time.monotonic() < deadline:
            started = [self.cooper.start("copy", sources[name], "store:" + sources[name], "--store", self.store) for name in ("a", "a", "b")]
            for process in started:
                time.sleep(self.random.uniform(0, 0.05))
                process.kill()
            for process in started:
                process.communicate()
                kills += process.returncode == -signal.SIGKILL
            self.check_with_own_eyes()
            if kills % 30 < 3 and os.path.exists(os.path.join(self.store, "index.json")):
                checked = self.verify()
                self.assertEqual((checked["damaged"], checked["missing"]), ([], []))
            if len(glob.glob(os.path.join(self.store, "blobs", "sha256", "*"))) > 9:
                shutil.rmtree(self.store)
        print("killed %d processes" % kills)
        self.assertGreater(kills, 20)  # of a machine with much else to do
        for source in sources.values():
            self.fill(source)
        self.check_whole(*sources.values())

    def preloaded(self, *arguments, at, how, on=False):
        """Runs cooper with its call number `at` below the store failing; the exit code."""
        environment = {**self.cooper.environment, "LD_PRELOAD": os.environ["COOPER_FAILING_CALLS"], "FAIL_BELOW": self.store,
                       "FAIL_AT": str(at), "FAIL_WITH": str(how), **({"FAIL_ON": "1"} if on else {})}
        return subprocess.run([self.cooper.path, *arguments], env=environment, capture_output=True, timeout=60, text=True)

    def needs_preload(self):
        if harness.SANITIZED or not os.path.exists(os.environ.get("COOPER_FAILING_CALLS", "")):
            self.skipTest("calls can be made to fail in builds without sanitizers only")

    def test_killed_at_each_call(self):
        """How many calls a copy makes depends on how its bytes arrive: the first 120 one by one, then further and further apart."""
        self.needs_preload()
        at, times = 0, 0
        while at < 20_000:
            at += 1 + max(0, at - 120) // 4
            times += 1
            shutil.rmtree(self.store, ignore_errors=True)
            killed = self.preloaded("copy", self.a, "store:" + self.a, "--store", self.store, at=at, how="kill")
            self.check_with_own_eyes()
            self.fill(self.a)
            self.check_with_own_eyes()
            if times % 10 == 0 or killed.returncode == 0:
                self.check_whole(self.a)
            if killed.returncode == 0:
                break
        self.assertEqual(killed.returncode, 0, "it makes more calls than were tried")
        print("killed at %d of fewer than %d calls" % (times - 1, at))
        self.assertGreater(at, 20)

    def test_a_disk_that_fails_or_is_full_at_each_call(self):
        self.needs_preload()
        tarball = self.path("a.tar")
        warned = refused = 0
        for how, on in ((ENOSPC, True), (EIO, False)):
            for at in range(1, 50, 1 if on else 3):
                shutil.rmtree(self.store, ignore_errors=True)
                if os.path.exists(tarball):
                    os.unlink(tarball)
                pulled = self.preloaded("pull", self.a, tarball, "--store", self.store, at=at, how=how, on=on)
                self.check_with_own_eyes()
                if pulled.returncode == 0:
                    self.assertEqual(len(harness.Tarball(tarball).layers), 4)
                    self.assertLessEqual(pulled.stderr.count("nothing more is kept"), 1, pulled.stderr)
                    warned += "nothing more is kept" in pulled.stderr
                else:
                    self.assertIn(self.store, pulled.stderr)
                    refused += 1
            self.fill(self.a)
            self.check_whole(self.a)
        print("%d pulls went on without the store, %d were refused" % (warned, refused))
        self.assertGreater(warned, 20)

    def test_a_disk_that_is_too_small(self):
        harness.start(services.needs_root, "mounting a small file system")
        os.makedirs(self.store)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", self.store], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", self.store], check=True)
        tarball = self.path("a.tar")
        pulled = self.cooper("pull", self.a, tarball, "--store", self.store)
        self.assertEqual(len(harness.Tarball(tarball).layers), 4)
        self.assertEqual(pulled.err.count("No space left on device"), 1, pulled.err)
        self.check_with_own_eyes()
        self.assertEqual(self.verify()["damaged"], [])
        full = self.fill(self.b, expect=None)
        self.assertEqual(full.code, 11, full)
        subprocess.run(["mount", "-o", "remount,size=16m", self.store], check=True)
        self.fill(self.a)
        self.fill(self.b)
        self.check_whole(self.a, self.b)

    def blob_requests(self):
        with open(os.path.join(self.workspace.path, "registry.log"), encoding="utf-8", errors="replace") as log:
            return re.findall(r'"GET /v2/acme/\w+/blobs/(sha256:\w+) HTTP', log.read())

    def test_eight_processes_want_the_same_images(self):
        before = len(self.blob_requests())
        started = [self.cooper.start("copy", image, "store:" + image, "--store", self.store) for image in (self.a, self.b) * 4]
        for process in started:
            _, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, err)
        self.check_with_own_eyes()
        self.check_whole(self.a, self.b)
        self.assertEqual(os.listdir(os.path.join(self.store, "ingest")), [])
        wanted = self.blob_requests()[before:]
        print("%d blobs, asked for %d times" % (len(set(wanted)), len(wanted)))
        self.assertEqual(len(set(wanted)), 9)
        self.assertLessEqual(len(wanted), 12)
        before = len(self.blob_requests())
        self.cooper("pull", self.a, self.path("again.tar"), "--store", self.store)
        self.assertEqual(self.blob_requests()[before:], [])

    def test_gc_while_others_pull(self):
        tarballs = [self.path("gc-%d.tar" % n) for n in range(4)]
        commands = [("copy", image, "store:" + image) for image in (self.a, self.b)] + \
                   [("pull", image, tarball) for image, tarball in zip((self.a, self.b), tarballs)]
        rounds, deadline = 0, time.monotonic() + 5
        while time.monotonic() < deadline:
            started = [self.cooper.start(*command, "--store", self.store) for command in commands]
            while any(process.poll() is None for process in started):
                limit = ["--max-size", str(self.random.choice((0, 200_000, 10_000_000)))] if rounds % 2 else []
                self.cooper("store", "gc", "--grace", "0s", *limit, "--store", self.store)
            for process in started:
                _, err = process.communicate(timeout=60)
                self.assertEqual(process.returncode, 0, err)
            rounds += 1
        self.check_with_own_eyes()
        self.assertEqual(self.verify()["missing"], [])
        self.fill(self.a)
        self.fill(self.b)
        self.cooper("store", "gc", "--grace", "0s", "--store", self.store)
        self.check_whole(self.a, self.b)
        print("%d rounds" % rounds)

    def test_an_interrupted_pull_goes_on_where_it_stopped(self):
        proxy = SlowProxy(self.registry.port, 8 << 20)
        self.addCleanup(proxy.close)
        source = "127.0.0.1:%d/acme/big:1" % proxy.port
        pulling = self.cooper.start("pull", source, self.path("big.tar"), "--store", self.store)
        deadline = time.monotonic() + 30
        while proxy.forwarded < (3 << 20):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        pulling.kill()
        pulling.communicate()
        kept = sum(os.path.getsize(path) for path in glob.glob(os.path.join(self.store, "ingest", "*")))
        self.assertGreater(kept, 1 << 20)
        before = proxy.forwarded
        self.cooper("pull", source, self.path("big.tar"), "--store", self.store)
        again = proxy.forwarded - before
        print("%d of %d bytes were kept, %d came again" % (kept, 8 << 20, again))
        self.assertLess(again, (8 << 20) - kept + (64 << 10))
        self.check_whole(source)

    def test_other_tools_read_the_store(self):
        self.fill(self.a)
        inspected = json.loads(services.call(services.program("skopeo"), "inspect", "oci:%s:%s" % (self.store, self.a)))
        self.assertEqual(len(inspected["Layers"]), 4)
        copied = self.path("copied")
        services.call(services.program("skopeo"), "--insecure-policy", "copy", "--quiet", "oci:%s:%s" % (self.store, self.a), "dir:" + copied)
        with open(os.path.join(copied, "manifest.json"), "rb") as manifest:
            digest = "sha256:" + hashlib.sha256(manifest.read()).hexdigest()
        self.assertEqual(digest, self.cooper("store", "ls", "--json", "--store", self.store).json["images"][0]["digest"])
        try:
            umoci = services.program("umoci")
        except services.Unavailable as reason:
            raise unittest.SkipTest(str(reason)) from reason
        self.assertIn(self.a, services.call(umoci, "ls", "--layout", self.store))

    def test_damage_is_named_and_repaired(self):
        self.fill(self.a)
        self.fill(self.b)
        layer = max(glob.glob(os.path.join(self.store, "blobs", "sha256", "*")), key=os.path.getsize)
        with open(layer, "r+b") as data:
            data.seek(1000)
            data.write(b"?")
        found = self.cooper("store", "verify", "--store", self.store, expect=DAMAGED)
        self.assertIn(layer, found.out)
        self.assertRegex(found.out, "acme/[ab]:1")
        used = [self.cooper("copy", "store:" + image, "oci:" + self.path("out-%d" % n), "--store", self.store, expect=None)
                for n, image in enumerate((self.a, self.b))]
        self.assertEqual(sorted(each.code for each in used), [harness.DONE, harness.INTEGRITY])
        self.fill(self.a)
        self.fill(self.b)
        self.check_whole(self.a, self.b)


if __name__ == "__main__":
    harness.main()

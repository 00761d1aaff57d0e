"""Deltas between tarballs that real tools wrote, and files in parts that a bare shell puts together again."""

import json
import os
import random
import signal
import subprocess
import time

import engines
import harness
import images
from services import Containerd, Dockerd, Podman, call, needs_root, program

NAME = "docker.io/acme/app:1"
BASE, MIDDLE, TOP = 3 << 20, 1 << 20, 200 << 10  # bytes of noise in the layers
SLACK = 64 << 10  # head, headers, configs and manifests of a delta
LARGE = 256 << 20


def layer(layout, seed, size):
    return layout.layer(images.layer_tar([images.file("srv/%d" % seed, random.Random(seed).randbytes(size))]))


class Case(harness.TestCase):
    def delta(self, old, new):
        """Makes it, applies it, and returns its size."""
        delta, out = new + ".cooper", new + ".again"
        made = self.cooper("delta", old, new, "-o", delta, "--json").json
        applied = self.cooper("apply", old, delta, "-o", out, "--json").json
        self.assertEqual(harness.sha256_of(out), harness.sha256_of(new))
        self.assertEqual(applied["new"]["sha256"], harness.sha256_of(new))
        self.assertEqual(applied["old"], made["old"])
        self.assertEqual(made["delta_size"], os.path.getsize(delta))
        with open(delta, "rb") as data:
            self.assertNotIn(self.workspace.path.encode(), data.readline())
        return os.path.getsize(delta)


class Tarballs(Case):
    """Version 2 of an image differs from version 1 in its top layer."""

    @classmethod
    def prepare(cls):
        cls.layout = images.Layout(cls.workspace.directory("layout"))
        shared = [layer(cls.layout, 1, BASE), layer(cls.layout, 2, MIDDLE)]
        for version in (1, 2):
            cls.layout.image([*shared, layer(cls.layout, 10 + version, TOP)], tag="v%d" % version, config={"Env": ["V=%d" % version]})

    def check(self, write):
        """`write(version, path)` makes the tarball of a version."""
        old, new = self.path("old.tar"), self.path("new.tar")
        write(1, old)
        write(2, new)
        size = self.delta(old, new)
        self.assertGreater(size, TOP)
        self.assertLess(size, TOP + SLACK)
        self.assertLess(self.delta(new, new + ".again"), 1000)

    def ours(self, version, path, *flags):
        self.cooper("copy", "oci:%s:v%d" % (self.layout.path, version), "docker-archive:%s:%s" % (path, NAME), *flags)

    def test_of_cooper(self):
        self.check(self.ours)

    def test_of_cooper_with_plain_layers(self):
        self.check(lambda version, path: self.ours(version, path, "--layers", "uncompressed"))

    def test_of_skopeo(self):
        for kind in ("docker-archive:%s:acme/app:1", "oci-archive:%s:v1"):
            with self.subTest(kind):
                self.check(lambda version, path, kind=kind: skopeo_copy("oci:%s:v%d" % (self.layout.path, version), kind % path))
                for name in os.listdir(self.path()):
                    os.unlink(self.path(name))

    def test_of_podman(self):
        podman = harness.start(Podman, self.workspace)

        def write(version, path):
            self.ours(version, path + ".ours")
            engines.load_with_podman(podman, path + ".ours", NAME)
            podman("save", "--quiet", "-o", path, NAME)

        self.check(write)

    def test_of_docker_save(self):
        docker = harness.start(Dockerd, self.workspace, harness.start(Containerd, self.workspace))

        def write(version, path):
            self.ours(version, path + ".ours")
            engines.load_with_dockerd(docker, path + ".ours", NAME)
            status, saved = docker.request("GET", "/images/get?names=acme/app:1")
            self.assertEqual(status, 200)
            with open(path, "wb") as out:
                out.write(saved)

        self.check(write)

    def test_without_a_network_and_from_the_lock_of_the_old_tarball(self):
        harness.start(needs_root, "a network namespace")
        old, new, delta = self.path("old.tar"), self.path("new.tar"), self.path("d.cooper")
        for version, path in ((1, old), (2, new)):
            self.cooper("pull", "oci:%s:v%d=acme/app:1" % (self.layout.path, version), path, "--lock", path + ".lock.json")
        self.cooper("delta", old + ".lock.json", new, "-o", delta)
        self.assertLess(os.path.getsize(delta), TOP + SLACK)
        call(program("unshare"), "-n", self.cooper.path, "apply", old, delta, "-o", self.path("out.tar"), env=self.cooper.environment)
        self.assertEqual(harness.sha256_of(self.path("out.tar")), harness.sha256_of(new))
        self.cooper("delta", new + ".lock.json", new, "-o", delta)
        self.assertLess(os.path.getsize(delta), 1000)

    def test_a_full_disk_leaves_nothing(self):
        harness.start(needs_root, "a small file system")
        old, new, small = self.path("old.tar"), self.path("new.tar"), self.path("small")
        self.ours(1, old)
        self.ours(2, new)
        self.delta(old, new)
        self.cooper("split", new, "--size", "3M", "-o", self.path("parts"))
        os.makedirs(small)
        call("mount", "-t", "tmpfs", "-o", "size=1m", "none", small)
        try:
            for arguments in (["apply", old, new + ".cooper", "-o", small + "/x"], ["delta", self.path("parts/SHA256SUMS"), new, "-o", small + "/x"],
                              ["join", self.path("parts/new.tar.parts.json"), "-o", small + "/x"], ["split", new, "--size", "512K", "-o", small]):
                failed = self.cooper(*arguments, expect=11)
                self.assertIn("No space left on device", failed.err)
                self.assertEqual(os.listdir(small), [])
        finally:
            call("umount", small)


class Large(Case):
    @classmethod
    def prepare(cls):
        """A quarter of a gigabyte of zeros and a little noise: reading it takes long enough to be stopped."""
        cls.old, cls.new, cls.patch = (cls.workspace.path + name for name in ("/old", "/new", "/patch"))
        for path, noise in ((cls.old, b"1"), (cls.new, b"2")):
            write_sparse_archive(path, noise)
        cls.cooper("delta", cls.old, cls.new, "-o", cls.patch)

    def start(self, out):
        process = self.cooper.start("apply", self.old, self.patch, "-o", out, "--quiet")
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline and threads(process) < 5:
            time.sleep(0.001)
        return process

    def test_killed_or_stopped_apply_leaves_nothing(self):
        for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                process = self.start(self.path("out"))
                process.send_signal(number)
                process.communicate(timeout=30)
                self.assertEqual(process.returncode, -number if number == signal.SIGKILL else 128 + number)
                self.assertEqual(os.listdir(self.path()), [])

    def test_memory_stays_small(self):
        if harness.SANITIZED:
            self.skipTest("sanitizers multiply memory")
        out = self.path("out")
        for arguments in (["apply", self.old, self.patch, "-o", out], ["delta", self.old, self.new, "-o", out],
                          ["split", self.new, "--size", "100M", "-o", self.path()], ["join", self.path("new.parts.json"), "-o", out]):
            self.assertLess(self.cooper.measured(*arguments).peak_kib, 40 << 10, arguments)
        self.assertEqual(harness.sha256_of(out), harness.sha256_of(self.new))


class Parts(Case):
    def shell(self, script, expect=0):
        """As at a customer: no environment, no cooper."""
        done = subprocess.run(["/bin/sh", "-c", script], cwd=self.path(), env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout

    def test_cat_and_sha256sum_are_enough(self):
        source = self.path("app:latest.tar")
        with open(source, "wb") as out:
            out.write(random.Random(5).randbytes(1_000_000))
        said = self.cooper("split", source, "--size", "300K", "--json").json
        self.assertEqual([part["name"] for part in said["parts"]], ["app_latest.tar.part00%dof004" % n for n in (1, 2, 3, 4)])
        with open(self.path("app_latest.tar.parts.json"), encoding="ascii") as listed:
            self.assertEqual({**json.load(listed), "directory": self.path()}, said)
        self.shell("sha256sum --ignore-missing -c SHA256SUMS")
        self.shell("cat app_latest.tar.part*of004 > app_latest.tar")
        self.assertEqual(self.shell("sha256sum -c SHA256SUMS").count(": OK\n"), 6)
        self.shell("cmp app:latest.tar app_latest.tar")
        os.unlink(self.path("app_latest.tar"))
        said = self.cooper("join", *(self.path(name) for name in sorted(os.listdir(self.path())) if ".part" in name), "--json").json
        self.assertEqual((said["parts"], said["parts_proved"], said["whole_proved"]), (4, True, True))
        self.shell("cmp app:latest.tar app_latest.tar && printf x | dd of=app_latest.tar.part002of004 conv=notrunc bs=1 seek=9 status=none")
        self.assertIn("part002of004: FAILED", self.shell("sha256sum -c SHA256SUMS", expect=1))
        failed = self.cooper("join", self.path("app_latest.tar.parts.json"), expect=harness.INTEGRITY)
        self.assertIn("app_latest.tar.part002of004 is damaged", failed.err)


def skopeo_copy(source, destination):
    call(program("skopeo"), "--insecure-policy", "copy", "--quiet", source, destination)


def threads(process):
    try:
        return len(os.listdir("/proc/%d/task" % process.pid))
    except OSError:
        return 0


def write_sparse_archive(path, noise):
    import tarfile
    with open(path, "wb") as out:
        for name, size, content in (("zeros", LARGE, b""), ("noise", 4096, noise * 4096)):
            entry = tarfile.TarInfo(name)
            entry.size = size
            out.write(entry.tobuf())
            out.write(content)
            out.seek(size - len(content), os.SEEK_CUR)
        out.truncate(out.tell() + 1024)


if __name__ == "__main__":
    harness.main()

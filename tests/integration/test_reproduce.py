"""The same tarball again, far from where it was made: no network, another user, time zone and locale, years later, nothing in store or home."""

import json
import os
import shutil
import subprocess
import tarfile

import harness
import images
from services import Registry, needs_root, program

NOBODY = 65534
NOT_REPRODUCIBLE = 5
FIVE_YEARS = "+1826d"
# Every way to the network that a process has.
SOCKET_CALLS = "socket,socketpair,connect,bind,sendto,recvfrom,sendmsg,recvmsg,socketcall"


class Elsewhere(harness.TestCase):
    """Three deliveries, made here with a registry and a store; one kit of all."""

    @classmethod
    def prepare(cls):
        harness.start(needs_root, "a network namespace of another user")
        for tool in ("unshare", "setpriv", "strace", "faketime", "skopeo"):
            harness.start(program, tool)
        cls.registry = harness.start(Registry, cls.workspace)
        cls.layout = images.Layout(cls.workspace.directory("layout"))
        images.traits_image(cls.layout, "traits", (images.GZIP, images.PLAIN, images.ZSTD))
        shared = cls.layout.layer(images.layer_tar([images.directory("etc"), images.file("etc/a", b"a" * 100_000)]))
        platforms = {"linux/" + each: cls.layout.image([shared, cls.layout.layer(images.layer_tar([images.file("arch", each)]))], each)
                     for each in ("amd64", "arm64")}
        cls.layout.index(platforms, "both")
        images.push(cls.layout, "traits", cls.registry.address + "/acme/traits:1")
        images.push(cls.layout, "both", cls.registry.address + "/acme/both:1", everything=True)
        cls.out = cls.workspace.directory("out")
        cls.deliver(platforms)
        cls.kit = os.path.join(cls.out, "kit.tar")
        cls.cooper("kit", "export", *(cls.lock(name) for name in cls.names), "-o", cls.kit)
        cls.open_to_others()

    @classmethod
    def deliver(cls, platforms):
        cls.names = ("traits.tar", "app.tar", "both.tar")
        cls.workspace.file("app/run", "#!/bin/sh\n" + "echo\n" * 5000, 0o755)
        cls.cooper("pull", cls.registry.address + "/acme/traits:1", os.path.join(cls.out, "traits.tar"), "--lock", cls.lock("traits.tar"))
        cls.cooper("append", cls.registry.address + "/acme/traits:1", "--layer", os.path.join(cls.workspace.path, "app") + ":/srv", "--tag", "acme/app:1",
                   "-o", os.path.join(cls.out, "app.tar"), "--lock", cls.lock("app.tar"))
        cls.cooper("pull", *("%s/acme/both@%s=acme/both:%s" % (cls.registry.address, platforms["linux/" + each]["digest"], each) for each in ("amd64", "arm64")),
                   os.path.join(cls.out, "both.tar"), "--lock", cls.lock("both.tar"))

    @classmethod
    def open_to_others(cls):
        cls.command = shutil.copy(cls.cooper.path, os.path.join(cls.workspace.path, "cooper"))
        for path, _, names in os.walk(cls.out):
            os.chmod(path, 0o755)
            for name in names:
                os.chmod(os.path.join(path, name), 0o644)
        os.chmod(cls.workspace.path, 0o755)
        os.chmod(cls.command, 0o755)

    @classmethod
    def lock(cls, name):
        return os.path.join(cls.out, name + ".lock.json")

    def text_of_lock(self, name):
        with open(self.lock(name), encoding="utf-8") as file:
            return file.read()

    def elsewhere(self, *arguments, expect=0, years_on=True):
        """The command in a network namespace without an interface that is up, as nobody, with nothing of ours."""
        home = self.path("home")
        os.makedirs(home, exist_ok=True)
        os.chown(home, NOBODY, NOBODY)
        os.chmod(os.path.dirname(home), 0o755)
        environment = {"PATH": os.environ["PATH"], "HOME": home, "TMPDIR": home, "TZ": "Pacific/Kiritimati", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}
        # A sanitizer's library must be loaded before any other.
        later = [program("faketime"), "-f", FIVE_YEARS] if years_on and not harness.SANITIZED else []
        command = [program("unshare"), "--net", program("setpriv"), "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups",
                   *later, self.command, *arguments]
        done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, expect, done.stderr[-3000:])
        return done

    def test_each_delivery_comes_out_of_the_kit_with_its_sha256(self):
        self.check_clock()
        for name in self.names:
            with self.subTest(name):
                said = json.loads(self.elsewhere("reproduce", "@" + name, "--from", self.kit, "--offline", "-o", name, "--json").stdout)
                self.assertEqual(said["sha256"], harness.sha256_of(os.path.join(self.out, name)))
                made = self.path("home", name)
                self.assertEqual(harness.sha256_of(made), said["sha256"])
                self.assertEqual(os.stat(made).st_uid, NOBODY)
                self.elsewhere("verify", name, "--lock", self.lock(name))
        self.assertEqual(len(harness.Tarball(self.path("home", "both.tar")).manifest), 2)

    def check_clock(self):
        """It does stand years on, for programs that are linked as ours is."""
        if not harness.SANITIZED:
            year = ["date", "+%Y"]
            here, there = (int(subprocess.run([*before, *year], capture_output=True, text=True, check=True).stdout)
                           for before in ([], [program("faketime"), "-f", FIVE_YEARS]))
            self.assertEqual(there, here + 5)

    def test_no_socket_is_opened_offline(self):
        trace = self.path("trace")
        for arguments, code in ((["reproduce", "@app.tar", "--from", self.kit, "--offline", "-o", self.path("app.tar")], 0),
                                (["reproduce", self.lock("app.tar"), "--offline", "--no-store", "-o", self.path("app.tar")], NOT_REPRODUCIBLE),
                                (["verify", os.path.join(self.out, "app.tar"), "--lock", self.lock("app.tar")], 0),
                                (["kit", "export", self.lock("app.tar"), "--from", self.kit, "--offline", "-o", self.path("kit.tar")], 0)):
            with self.subTest(arguments[0]):
                done = subprocess.run([program("strace"), "-f", "-e", "trace=" + SOCKET_CALLS, "-o", trace, self.cooper.path, *arguments],
                                      env={**self.cooper.environment, "ASAN_OPTIONS": "detect_leaks=0"}, capture_output=True, timeout=120, check=False)
                self.assertEqual(done.returncode, code, done.stderr)
                with open(trace, encoding="utf-8") as calls:
                    self.assertNotRegex(calls.read(), r"(?m)^\d+ +(%s)\(" % SOCKET_CALLS.replace(",", "|"))

    def test_a_blob_that_the_kit_lacks_is_named_and_comes_from_the_registry_when_it_may(self):
        with open(self.lock("app.tar"), encoding="utf-8") as file:
            lock = json.load(file)
        missing = lock["layers"][0]["digest"]
        less = self.path("less.tar")
        with tarfile.open(self.kit) as whole, tarfile.open(less, "w", format=tarfile.USTAR_FORMAT) as tar:
            for member in whole:
                if not member.name.endswith(missing.split(":")[1]):
                    tar.addfile(member, whole.extractfile(member))
        failed = self.cooper("reproduce", "@app.tar", "--from", less, "--offline", "--no-store", "-o", self.path("x.tar"), expect=NOT_REPRODUCIBLE)
        for words in (missing, "docker.io/acme/app:1, layer 1 of 4, of its base %s/acme/traits:1" % self.registry.address, less):
            self.assertIn(words, failed.err)
        said = self.cooper("reproduce", "@app.tar", "--from", less, "--no-store", "-o", self.path("x.tar"), "--json").json
        self.assertEqual([use["blobs"] for use in said["from"]], [3, 1])
        self.assertEqual(said["from"][1]["place"], self.registry.address + "/acme/traits")
        self.assertEqual(harness.sha256_of(self.path("x.tar")), lock["output"]["sha256"])

    def test_a_blob_damaged_here_comes_from_there(self):
        damaged = shutil.copy(self.kit, self.path("damaged.tar"))
        with tarfile.open(damaged) as tar:
            largest = max((member for member in tar if member.name.startswith("blobs/")), key=lambda member: member.size)
        with open(damaged, "r+b") as file:
            file.seek(largest.offset_data + largest.size // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 255]))
        name = next(each for each in self.names if largest.name.split("/")[-1] in self.text_of_lock(each))
        alone = self.cooper("reproduce", "@" + name, "--from", damaged, "--offline", "--no-store", "-o", self.path("x.tar"), expect=harness.INTEGRITY)
        self.assertIn("in " + damaged, alone.err)
        self.assertIn(largest.name.split("/")[-1], alone.err)
        self.cooper("reproduce", "@" + name, "--from", damaged, "--from", self.kit, "--offline", "--no-store", "-o", self.path("x.tar"))
        self.assertEqual(harness.sha256_of(self.path("x.tar")), harness.sha256_of(os.path.join(self.out, name)))

    def test_other_tools_archives_are_piles_too(self):
        saved = self.path("saved.tar")
        subprocess.run([program("skopeo"), "--insecure-policy", "copy", "--quiet", "docker-archive:" + os.path.join(self.out, "app.tar"),
                        "docker-archive:" + saved + ":acme/app:1"], check=True, capture_output=True)
        # Its layers are plain: what cooper compressed can be compressed again, what the registry gave cannot.
        failed = self.cooper("reproduce", self.lock("app.tar"), "--from", saved, "--offline", "--no-store", "-o", self.path("x.tar"), expect=NOT_REPRODUCIBLE)
        self.assertIn("1 of the 4 layers of app.tar is nowhere", failed.err)
        self.assertIn("its tar is at hand in " + saved, failed.err)
        said = self.cooper("reproduce", self.lock("app.tar"), "--from", saved, "--from", os.path.join(self.out, "traits.tar"), "--offline", "--no-store",
                           "-o", self.path("x.tar"), "--json").json
        self.assertEqual(said["sha256"], harness.sha256_of(os.path.join(self.out, "app.tar")))
        self.assertTrue(any(use["place"] == "made again from " + saved for use in said["from"]), said["from"])


if __name__ == "__main__":
    harness.main()

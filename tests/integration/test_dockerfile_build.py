"""cooper build CONTEXT from the outside: caches, reproducibility, secrets, failures, outputs, platforms, contexts, locks."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import harness
from services import Registry, program

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "dockerfile" / "build-cases"
STEP_FAILED = 3
BASE = "docker.io/cooper-test/base:latest"


class DockerfileBuild(harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.store = cls.workspace.directory("store")
        cls.cooper.environment["COOPER_STORE"] = cls.store
        cls.bases = cls.workspace.directory("bases")
        subprocess.run([sys.executable, "-B", str(GOLDEN / "make_base.py"), cls.bases, program("busybox")], check=True)
        cls.add_base(cls.store)

    @classmethod
    def add_base(cls, store):
        cls.cooper("copy", "oci:%s/base" % cls.bases, "store:" + BASE, COOPER_STORE=store)

    def fresh_store(self, name="other"):
        store = self.path(name)
        self.add_base(store)
        return store

    def context(self, dockerfile, **files):
        root = pathlib.Path(self.path("context"))
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        (root / "Dockerfile").write_text(dockerfile)
        for name, content in files.items():
            (root / name).write_text(content)
        return root

    def build(self, context, *flags, tag="t/app:1", **options):
        return self.cooper("build", "--json", "-t", tag, *flags, context, **options).json

    # -- the same bytes

    def test_hit_miss_machine_and_time_make_no_difference(self):
        text = "FROM cooper-test/base\nCOPY a /srv/a\nRUN date > /dev/null; echo made > /srv/b; mkdir /srv/d\nWORKDIR /w\nUSER app\nRUN touch /tmp/x\n"
        context = self.context(text, a="one\n")
        first = self.build(context)
        again = self.build(context)
        self.assertEqual((first["cached"], again["cached"]), (0, 4))
        self.assertEqual(again["manifest"], first["manifest"])
        os.utime(context / "a", (2_000_000_000, 2_000_000_000))
        self.assertEqual(self.build(context)["cached"], 4)
        self.assertEqual(self.build(context, "--no-cache")["manifest"], first["manifest"])
        elsewhere = self.build(context, COOPER_STORE=self.fresh_store(), TZ="Pacific/Kiritimati", LANG="tr_TR.UTF-8")
        self.assertEqual((elsewhere["cached"], elsewhere["manifest"]), (0, first["manifest"]))

    def test_a_changed_file_runs_only_what_depends_on_it(self):
        text = "FROM cooper-test/base AS one\nCOPY a /a\nRUN cat /a > /A\nFROM cooper-test/base\nCOPY b /b\nRUN cat /b > /B\nCOPY --from=one /A /A\n"
        context = self.context(text, a="1\n", b="1\n")
        self.build(context)
        (context / "b").write_text("2\n")
        self.assertEqual(self.build(context)["cached"], 2)

    # -- commands that fail or are stopped

    def test_a_failed_step_is_named_with_its_last_lines(self):
        context = self.context("FROM cooper-test/base\n\nRUN echo first && \\\n    echo oh no >&2 && exit 42\n")
        failed = self.cooper("build", context, expect=STEP_FAILED)
        for said in ("Dockerfile:3", "exit status 42", "oh no"):
            self.assertIn(said, failed.err)

    def test_a_stopped_build_leaves_no_process(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            mark = "31%03d" % (os.getpid() % 1000)
            context = self.context("FROM cooper-test/base\nRUN setsid sleep %s & echo started; sleep %s\n" % (mark, mark))
            started = self.cooper.start("build", "--no-cache", context)
            while "started" not in started.stderr.readline():
                self.assertIsNone(started.poll())
            started.send_signal(number)
            started.communicate(timeout=20)
            self.assertEqual(started.returncode, 128 + number)
            time.sleep(0.05)
            self.assertFalse([pid for pid in os.listdir("/proc") if pid.isdigit() and mark.encode() in self.command_line(pid)])

    @staticmethod
    def command_line(pid):
        try:
            return pathlib.Path("/proc", pid, "cmdline").read_bytes()
        except OSError:
            return b""

    # -- secrets

    def test_secrets_leave_no_trace(self):
        secret = "hunter2-" + "x1y2z3" * 4
        (file := pathlib.Path(self.path("secret"))).write_text(secret + "\n")
        context = self.context("FROM cooper-test/base\n"
                               "RUN --mount=type=secret,id=one test -s /run/secrets/one && cat /run/secrets/one | wc -c > /size; cat /run/secrets/one\n"
                               "RUN --mount=type=secret,id=two,env=TOKEN test -n \"$TOKEN\" && echo ${#TOKEN} > /length\n"
                               "RUN test ! -e /run/secrets && test -z \"$TOKEN\"\n")
        store = self.fresh_store()
        said = self.cooper("build", "-t", "t/secret:1", "--secret", "id=one,src=%s" % file, "--secret", "id=two,env=MY_TOKEN", "-o",
                           "docker-archive:" + self.path("out.tar"), "--log-dir", self.path("log"), context, COOPER_STORE=store, MY_TOKEN=secret)
        self.assertNotIn(secret, said.out + said.err)
        for place in (store, self.path("out.tar"), self.path("log")):
            found = subprocess.run(["grep", "-r", "-l", "-a", "-F", secret, place], capture_output=True, text=True, check=False).stdout
            self.assertEqual(found, "")
        missing = self.cooper("build", self.context("FROM cooper-test/base\nRUN --mount=type=secret,id=no,required=true true\n"), expect=1)
        self.assertIn("--secret id=no", missing.err)

    # -- outputs

    def test_outputs(self):
        context = self.context("FROM scratch\nCOPY a /dir/a\nENTRYPOINT [\"/dir/a\"]\n", a="content\n")
        out = self.path("out")
        said = self.cooper("build", "-q", "-t", "t/out:1", "-o", "docker-archive:%s.tar" % out, "-o", "type=oci,dest=%s.oci,tar=false" % out, "-o",
                           "type=local,dest=%s.dir" % out, "-o", "type=tar,dest=%s.root.tar" % out, "--iidfile", out + ".id", "--metadata-file",
                           out + ".json", context)
        archive = harness.Tarball(out + ".tar")
        self.assertEqual(said.out.strip(), archive.config_digest)
        self.assertEqual(pathlib.Path(out + ".id").read_text(), archive.config_digest)
        self.assertEqual(archive.repo_tags, ["docker.io/t/out:1"])
        self.assertEqual(json.loads(pathlib.Path(out + ".json").read_text())["containerimage.config.digest"], archive.config_digest)
        self.assertEqual(pathlib.Path(out + ".dir/dir/a").read_text(), "content\n")
        with tarfile.open(out + ".root.tar") as tar:
            self.assertEqual(tar.extractfile("dir/a").read(), b"content\n")
        self.cooper("inspect", "oci:%s.oci" % out)
        self.assertIn("t/out:1", self.cooper("store", "ls").out)

    def test_several_platforms_are_an_index(self):
        context = self.context("FROM --platform=$BUILDPLATFORM cooper-test/base AS cross\nARG TARGETARCH\nRUN echo for $TARGETARCH > /made\n"
                               "FROM scratch\nCOPY --from=cross /made /made\n")
        layout = self.path("index")
        made = self.build(context, "--platform", "linux/amd64,linux/arm64", "-o", "oci:" + layout)
        self.assertEqual([image["platform"] for image in made["images"]], ["linux/amd64", "linux/arm64"])
        root = json.loads(pathlib.Path(layout, "blobs/sha256", made["manifest"].split(":")[1]).read_text())
        self.assertEqual([entry["platform"]["architecture"] for entry in root["manifests"]], ["amd64", "arm64"])

    # -- contexts

    def test_contexts(self):
        context = self.context("FROM scratch\nCOPY a /a\n", a="same\n")
        wanted = self.build(context)["image_id"]
        archive = self.path("context.tar.gz")
        subprocess.run(["tar", "-C", context, "-czf", archive, "."], check=True)
        self.assertEqual(self.build(archive)["image_id"], wanted)
        with open(archive, "rb") as data:
            done = subprocess.run([self.cooper.path, "build", "-q", "-t", "t/stdin:1", "-"], stdin=data, capture_output=True, text=True, check=True,
                                  env=self.cooper.environment)
        self.assertEqual(done.stdout.strip(), wanted)
        self.assertEqual(self.cooper("build", "-q", "-t", "t/dash:1", "-f", "-", context, stdin="FROM scratch\nCOPY a /a\n").out.strip(), wanted)
        git = ["git", "-C", str(context), "-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "commit.gpgsign=false"]
        for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "one"]):
            subprocess.run(git + command, check=True, env={**self.cooper.environment, "GIT_CONFIG_NOSYSTEM": "1"})

    def test_named_contexts(self):
        other = self.path("named")
        os.makedirs(other)
        pathlib.Path(other, "f").write_text("named\n")
        context = self.context("FROM lib AS base\nRUN test -e /bin/busybox\nFROM scratch\nCOPY --from=files f /f\n")
        made = self.build(context, "--target", "base", "--build-context", "lib=oci-layout://%s/base" % self.bases)
        self.assertTrue(made["image_id"])
        made = self.build(context, "--build-context", "files=" + other, "--build-context", "lib=oci-layout://%s/base" % self.bases)
        self.assertTrue(made["image_id"])

    # -- caches elsewhere

    def test_caches_in_a_registry_and_a_directory(self):
        registry = harness.start(Registry, self.workspace)
        text = "FROM cooper-test/base AS tool\nRUN echo tool > /tool\nFROM cooper-test/base\nCOPY --from=tool /tool /tool\nRUN cat /tool > /used\n"
        context = self.context(text)
        reference = "%s/t/cache:1" % registry.address
        places = {"max": ("type=registry,ref=%s,mode=max" % reference, reference),
                  "min": ("type=local,dest=" + self.path("cache"), "type=local,src=" + self.path("cache"))}
        for mode, (to, back) in places.items():
            with self.subTest(mode):
                made = self.build(context, "--cache-to", to, "--no-cache")
                elsewhere = self.build(context, "--cache-from", back, COOPER_STORE=self.fresh_store(mode))
                self.assertEqual(elsewhere["manifest"], made["manifest"])
                self.assertEqual(elsewhere["cached"], 3 if mode == "max" else 2)
        self.assertIn("warning", self.cooper("build", "--cache-from", "%s/t/none:1" % registry.address, context).err)

    def test_a_read_only_cache_remembers_nothing(self):
        context = self.context("FROM cooper-test/base\nRUN echo read only > /x\n")
        self.build(context, "--cache-read-only")
        self.assertEqual(self.build(context)["cached"], 0)
        self.assertEqual(self.build(context)["cached"], 1)

    # -- locks

    def test_locks(self):
        context = self.context("FROM cooper-test/base\nRUN echo 1 > /x\n")
        lock = self.path("build.lock.json")
        made = self.build(context, "--lock", lock)
        document = json.loads(pathlib.Path(lock).read_text())
        self.assertEqual([base["reference"] for base in document["bases"]], ["docker.io/cooper-test/base"])
        self.assertEqual(self.build(context, "--locked", lock, "--no-cache")["manifest"], made["manifest"])
        refused = self.cooper("build", "--locked", lock, self.context("FROM cooper-test/full\n"), expect=1)
        self.assertIn("is not in the lock", refused.err)

    # -- checks

    def test_check(self):
        context = self.context("from cooper-test/base as Base\nMAINTAINER me\nENV a b\n")
        said = self.cooper("build", "--check", context)
        for rule in ("MaintainerDeprecated", "LegacyKeyValueFormat", "StageNameCasing"):
            self.assertIn(rule, said.err)
        wrong = self.cooper("build", self.context("FORM cooper-test/base\n"), expect=1)
        for part in ("Dockerfile:1", "FORM", "^", "FROM"):
            self.assertIn(part, wrong.err)


if __name__ == "__main__":
    harness.main()

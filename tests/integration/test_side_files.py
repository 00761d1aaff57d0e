"""What customers get beside a tarball, used as they would: each command of VERIFY.txt in a bare shell without cooper, load.sh in several shells,
good files and tampered ones; keys and signatures to and from openssl."""

import hashlib
import os
import re
import shutil
import stat
import subprocess

import harness
import services
from services import Podman, program

PASSPHRASE = "correct horse"
TOOLS = ["sha256sum", "cat", "mv", "rm", "wc", "df", "grep", "openssl"]  # all that the texts may ask for, besides a shell and an engine
FOLDER = "main/abc1234"


def shells():
    """Command lines of shells that read scripts as POSIX has them."""
    found = [[program("dash")], [program("bash"), "--posix"]]
    return found + ([[shutil.which("busybox"), "sh"]] if shutil.which("busybox") else [])


def flip(path, at=None):
    with open(path, "r+b") as file:
        size = os.path.getsize(path)
        file.seek(size // 2 if at is None else at)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


class Bench:
    """A customer's directory, and a PATH with nothing but what VERIFY.txt says is needed."""

    def __init__(self, workspace, delivery, root, shell, engines=("docker", "podman")):
        self.shell, self.bin, self.files = shell, os.path.join(root, "bin"), os.path.join(root, "from the bank's gateway")
        os.makedirs(self.bin)
        for tool in TOOLS:
            os.symlink(program(tool), os.path.join(self.bin, tool))
        self.script("sh", 'exec %s "$@"' % " ".join(shell))
        for engine in engines:
            self.engine(engine)
        shutil.copytree(delivery, self.files, ignore=lambda _, names: [name for name in names if name.startswith(".")])

    def script(self, name, text):
        path = os.path.join(self.bin, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + text + "\n")
        os.chmod(path, 0o755)

    def engine(self, name, code=0, storage="/nowhere"):
        self.script(name, 'printf "%%s\\n" "%s $*" >> "${0%%/*}/calls"\nif [ "$1" = info ]; then echo "%s"; exit 0; fi\nexit %d' % (name, storage, code))

    def calls(self, verb="load"):
        path = os.path.join(self.bin, "calls")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [line.strip() for line in file if line.split()[1] == verb]

    def path(self, name):
        return os.path.join(self.files, name)

    def run(self, command, **environment):
        return subprocess.run([*self.shell, "-c", command], cwd=self.files, env={"PATH": self.bin, **environment}, capture_output=True,
                              text=True, timeout=60, check=False)

    def split(self, name, size=3000, total=None):
        """As `cooper split` and split(1) would."""
        with open(self.path(name), "rb") as file:
            data = file.read()
        os.remove(self.path(name))
        parts = [data[at:at + size] for at in range(0, len(data), size)]
        names = ["%s.part%03dof%03d" % (name, number + 1, total or len(parts)) for number in range(len(parts))]
        for part, part_name in zip(parts, names):
            with open(self.path(part_name), "wb") as file:
                file.write(part)
        return names


class SideFiles(harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.cooper.environment["COOPER_KEY_PASSWORD"] = PASSPHRASE
        cls.root = cls.workspace.path
        cls.key = os.path.join(cls.root, "cooper.key")
        cls.fingerprint = cls.cooper("keys", "generate", "-o", cls.key, "--json").json["fingerprint"]
        for name in ("site", "app"):
            cls.workspace.file(name + "/index.html", name * 1000, 0o644)
            cls.cooper("append", "scratch", "--layer", os.path.join(cls.root, name) + ":/srv", "--tag", "acme/%s:1" % name,
                       "-o", os.path.join(cls.root, name + ".tar"), "--no-store")
        cls.publish("site", "app")
        cls.delivery = os.path.join(cls.root, "out", FOLDER)
        cls.count = 0

    @classmethod
    def publish(cls, *names, to="out", **options):
        return cls.cooper("publish", *["docker-archive:" + os.path.join(cls.root, name + ".tar") for name in names], "--to",
                          "dir:" + os.path.join(cls.root, to), "--branch", "main", "--commit", "abc1234def", "--subject", "Fix login",
                          "--sign-key", cls.key, "--json", **options)

    def bench(self, shell=None, colons=False, **options):
        type(self).count += 1
        bench = Bench(self.workspace, self.delivery, self.path("%d" % self.count), shell or shells()[0], **options)
        if not colons:
            for name in os.listdir(bench.files):
                os.rename(bench.path(name), bench.path(name.replace(":", "_")))
        return bench

    def commands(self):
        with open(os.path.join(self.delivery, "VERIFY.txt"), encoding="ascii") as text:
            lines = text.read().splitlines()
        self.assertLessEqual(max(map(len, lines)), 100)
        return [line[4:] for line in lines if re.match(r"    \S", line)]

    def verdicts(self, bench):
        """What the commands of VERIFY.txt that check something say: (fingerprint is right, signature is right, files are right)."""
        key, signature, sums = [bench.run(command) for command in self.commands() if command.startswith(("openssl", "sha256sum -c SHA"))]
        return self.fingerprint[7:] in key.stdout, (signature.returncode, signature.stdout) == (0, "Verified OK\n"), sums.returncode == 0


class VerifyText(SideFiles):
    def test_each_command_works_as_it_stands_in_every_shell(self):
        for shell in shells():
            with self.subTest(shell=shell[0]):
                bench, done = self.bench(shell, colons=True), set()
                for command in self.commands():
                    if command.startswith("cat "):
                        tarball = command.split()[-1]
                        with open(bench.path(tarball), "rb") as file:
                            before = file.read()
                        bench.split(tarball)
                    ran = bench.run(command)
                    if "--ignore-missing" in command and "unrecognized option" in ran.stderr:
                        continue  # as the text says of busybox
                    self.assertEqual(ran.returncode, 0, (command, ran))
                    done.add(" ".join(command.split()[:2]))
                    if command.startswith("cat "):
                        self.assertEqual(harness.sha256_of(bench.path(tarball)), hashlib.sha256(before).hexdigest())
                self.assertLessEqual({"openssl pkey", "openssl dgst", "sha256sum -c", "grep '", "sh load.sh", "docker load"}, done)
                self.assertEqual(self.verdicts(bench), (True, True, True))
                self.assertEqual(bench.calls(), ["docker load -i app_1.tar", "docker load -i site_1.tar", "podman load -i app_1.tar",
                                                 "podman load -i site_1.tar", "docker load -i app_1.tar", "docker load -i app_1.tar",
                                                 "docker load -i site_1.tar"])

    def test_one_changed_byte_anywhere_is_found(self):
        names = [name.replace(":", "_") for name in os.listdir(self.delivery) if not name.startswith(".")]
        self.assertEqual(len(names), 9)
        for name in names:
            with self.subTest(name):
                bench = self.bench()
                flip(bench.path(name))
                fingerprint, signature, sums = self.verdicts(bench)
                if name in ("SHA256SUMS", "SHA256SUMS.sig"):
                    self.assertFalse(signature)
                elif name == "cooper.pub":
                    self.assertFalse(fingerprint)
                    self.assertFalse(signature)
                else:
                    self.assertEqual((fingerprint, signature, sums), (True, True, False))

    def test_checksums_that_were_made_anew_are_not_the_senders(self):
        bench = self.bench()
        flip(bench.path("site_1.tar"))
        bench.run("rm SHA256SUMS; sha256sum *.tar *.json VERIFY.txt load.sh > SHA256SUMS")
        self.assertEqual(self.verdicts(bench), (True, False, True))

    def test_another_key_is_not_the_senders(self):
        bench, other = self.bench(), self.path("other.key")
        self.cooper("keys", "generate", "--no-passphrase", "-o", other)
        bench.run('openssl dgst -sha256 -sign "$KEY" -out SHA256SUMS.sig SHA256SUMS; openssl pkey -in "$KEY" -pubout -out cooper.pub', KEY=other)
        self.assertEqual(self.verdicts(bench), (False, True, True))


class LoadScript(SideFiles):
    def loads(self, bench, *names, command="sh load.sh"):
        done = bench.run(command)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(bench.calls(), ["docker load -i " + name for name in names])
        return done

    def refuses(self, bench, *words, command="sh load.sh", loaded=(), **environment):
        done = bench.run(command, **environment)
        self.assertEqual(done.returncode, 1, done)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertEqual(bench.calls(), ["docker load -i " + name for name in loaded])
        self.assertEqual([name for name in os.listdir(bench.files) if name.endswith(".joining")], [])
        return done

    def test_from_anywhere_with_any_names_in_every_shell(self):
        for shell in shells():
            with self.subTest(shell=shell[0]):
                self.loads(self.bench(shell, colons=True), "app_1.tar", "site_1.tar", command='cd /; sh "%s/load.sh"' % "$OLDPWD")

    def test_of_two_only_the_one_that_is_here(self):
        bench = self.bench()
        os.remove(bench.path("app_1.tar"))
        self.assertIn("app_1.tar: not here", self.loads(bench, "site_1.tar").stdout)
        self.refuses(bench, "app_1.tar is not here", command="sh load.sh app_1.tar", loaded=["site_1.tar"])
        self.refuses(bench, "none.tar is no tarball of this delivery", command="sh load.sh none.tar", loaded=["site_1.tar"])

    def test_only_what_is_asked_for(self):
        self.loads(self.bench(), "site_1.tar", command="sh load.sh site:1.tar")

    def test_nothing_is_loaded_when_one_is_wrong(self):
        for shell in shells():
            with self.subTest(shell=shell[0]):
                bench = self.bench(shell)
                flip(bench.path("site_1.tar"))
                self.refuses(bench, "site_1.tar: SHA-256 is", "nothing is loaded")
                bench = self.bench(shell)
                os.truncate(bench.path("app_1.tar"), 1000)
                self.refuses(bench, "app_1.tar: 1000 bytes, not ")
        bench = self.bench()
        for name in ("site_1.tar", "app_1.tar"):
            os.remove(bench.path(name))
        self.refuses(bench, "no tarball of this delivery is here")

    def test_parts_are_joined_in_every_shell(self):
        for shell in shells():
            with self.subTest(shell=shell[0]):
                bench = self.bench(shell)
                self.assertGreater(len(bench.split("site_1.tar", 700)), 9)  # a count of 010 is ten, not eight
                bench.split("app_1.tar", 100000)
                self.loads(bench, "app_1.tar", "site_1.tar")

    def test_parts_that_do_not_fit_are_refused(self):
        bench = self.bench()
        os.remove(bench.path("app_1.tar"))
        names = bench.split("site_1.tar", 2000)
        os.rename(bench.path(names[1]), bench.path("kept"))
        self.refuses(bench, "site_1.tar: its part %s is missing" % names[1])
        os.rename(bench.path("kept"), bench.path(names[1]))
        flip(bench.path(names[2]))
        self.refuses(bench, "site_1.tar (joined from parts): SHA-256 is")
        self.assertFalse(os.path.exists(bench.path("site_1.tar")))
        os.truncate(bench.path(names[2]), 10)
        self.refuses(bench, "site_1.tar (joined from parts): ", "bytes, not")

    def test_a_part_of_an_older_split_does_no_harm_and_two_whole_sets_are_refused(self):
        bench = self.bench()
        os.remove(bench.path("app_1.tar"))
        shutil.copy(bench.path("site_1.tar"), bench.path("again"))
        bench.split("site_1.tar", 2000)
        shutil.copy(bench.path("again"), bench.path("site_1.tar.part003of009"))
        self.loads(bench, "site_1.tar")
        os.rename(bench.path("again"), bench.path("site_1.tar"))
        bench.split("site_1.tar", 3000)
        self.refuses(bench, "parts of two splits", loaded=["site_1.tar"])

    def test_the_engine(self):
        self.refuses(self.bench(engines=[]), "there is no docker, podman or nerdctl here")
        self.refuses(self.bench(), "there is no nonesuch here", ENGINE="nonesuch")
        bench = self.bench(engines=[])
        bench.engine("docker", code=3)
        self.refuses(bench, "app_1.tar: docker could not load it", "site_1.tar: NOT loaded", loaded=["app_1.tar"])
        bench = self.bench(engines=["nerdctl"])
        self.assertIn("2 loaded with nerdctl", bench.run("sh load.sh").stdout)

    def test_a_full_disk_is_found_before_the_engine_finds_it(self):
        bench = self.bench(engines=[])
        bench.engine("docker", storage=bench.files)
        os.remove(os.path.join(bench.bin, "df"))
        bench.script("df", "echo 'Filesystem 1024-blocks Used Available Capacity Mounted on'; echo '/dev/x 10 7 3 70% /'")
        self.refuses(bench, "loading app_1.tar needs", "SPACE_CHECK=no")
        self.loads(bench, "app_1.tar", "site_1.tar", command="SPACE_CHECK=no sh load.sh")
        bench.split("app_1.tar")
        self.refuses(bench, "app_1.tar (its parts joined) needs", loaded=["app_1.tar", "site_1.tar"])

    def test_without_sha256sum_openssl_does(self):
        bench = self.bench()
        os.remove(os.path.join(bench.bin, "sha256sum"))
        self.loads(bench, "app_1.tar", "site_1.tar")
        flip(bench.path("app_1.tar"))
        self.refuses(bench, "app_1.tar: SHA-256 is", loaded=["app_1.tar", "site_1.tar"])

    def test_a_shell_linter_has_nothing_to_say(self):
        linter = shutil.which("shellcheck")
        if linter is None:
            self.skipTest("optional: shellcheck is not installed")
        services.call(linter, "--shell=sh", "--exclude=SC2034,SC2017", os.path.join(self.delivery, "load.sh"))

    def test_podman_itself_loads_what_passed(self):
        podman = harness.start(Podman, self.workspace)
        bench = self.bench(colons=True)
        engine = self.path("engine")
        with open(engine, "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\nPATH=%s exec %s "$@"\n' % (os.environ["PATH"], " ".join(podman.options)))
        os.chmod(engine, 0o755)
        done = bench.run("sh load.sh", ENGINE=engine, HOME=self.path())
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("docker.io/acme/site:1", podman("images", "--format", "{{.Repository}}:{{.Tag}}"))


class Keys(SideFiles):
    def openssl(self, *arguments):
        return services.call(program("openssl"), *arguments)

    def test_openssl_reads_our_keys(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.key).st_mode), 0o600)
        with open(os.path.join(self.root, "cooper.pub"), encoding="ascii") as public:
            self.assertEqual(self.openssl("pkey", "-in", self.key, "-passin", "pass:" + PASSPHRASE, "-pubout"), public.read())
        plain = self.path("plain.key")
        self.cooper("keys", "generate", "--no-passphrase", "-o", plain)
        self.assertIn("prime256v1", self.openssl("pkey", "-in", plain, "-noout", "-text"))

    def test_openssls_keys_are_read(self):
        sec1, plain, sealed, scrypt, made = map(self.path, ["sec1.key", "plain.key", "sealed.key", "scrypt.key", "made.key"])
        self.openssl("ecparam", "-name", "prime256v1", "-genkey", "-out", sec1)
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", made)
        self.openssl("pkcs8", "-topk8", "-nocrypt", "-in", sec1, "-out", plain)
        self.openssl("pkcs8", "-topk8", "-passout", "pass:" + PASSPHRASE, "-in", sec1, "-out", sealed)
        self.openssl("pkcs8", "-topk8", "-scrypt", "-passout", "pass:" + PASSPHRASE, "-in", sec1, "-out", scrypt)
        for key in (sec1, plain, sealed, scrypt, made):
            with self.subTest(key):
                public = self.openssl("pkey", "-in", key, "-passin", "pass:" + PASSPHRASE, "-pubout")
                self.assertEqual(self.cooper("keys", "public", key).out, public)

    def test_what_openssl_signed_stays_and_the_rest_is_signed_again(self):
        """A signature by the same key is as good as ours: nothing is written."""
        key = self.path("same.key")
        self.openssl("pkey", "-in", self.key, "-passin", "pass:" + PASSPHRASE, "-out", key)
        sums, signature = (os.path.join(self.delivery, name) for name in ("SHA256SUMS", "SHA256SUMS.sig"))
        self.openssl("dgst", "-sha256", "-sign", key, "-out", signature, sums)
        before = harness.sha256_of(signature)
        self.publish("site", "app")
        self.assertEqual(harness.sha256_of(signature), before)
        flip(signature)
        self.publish("site", "app")
        self.assertIn("Verified OK", self.openssl("dgst", "-sha256", "-verify", os.path.join(self.delivery, "cooper.pub"), "-signature", signature, sums))

    def test_no_secret_is_written_or_said(self):
        said = self.publish("site", to="secrets")
        for text in (said.out, said.err):
            self.assertNotIn(PASSPHRASE, text)
        for directory, _, names in os.walk(os.path.join(self.root, "secrets")):
            for name in names:
                with open(os.path.join(directory, name), "rb") as file:
                    content = file.read()
                self.assertNotIn(PASSPHRASE.encode(), content)
                self.assertNotIn(b"PRIVATE KEY", content)
                self.assertNotIn(self.root.encode(), content)


if __name__ == "__main__":
    harness.main()

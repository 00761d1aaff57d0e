"""cooper gate: what was tested is what is published; scanners and tests that find, break, hang, cheat and spy."""

import json
import os
import re
import signal
import subprocess
import time
import unittest

import case

SECRETS = {"AWS_SECRET_ACCESS_KEY": "hunter2-aws", "GITHUB_TOKEN": "hunter2-github", "COOPER_CREDS": "a:hunter2-creds",
           "DOCKER_AUTH_CONFIG": '{"hunter2": 1}', "REGISTRY_AUTH_FILE": "/tmp/hunter2", "NPM_TOKEN": "hunter2-npm",
           "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "hunter2-oidc"}


class Gate(case.TestCase):
    def gate(self, *arguments, expect=0, **options):
        return self.cooper("gate", *arguments, "--log-dir", self.path("logs"), expect=expect, **options)

    def archive(self, name):
        return "docker-archive:" + self.path(name)

    def image(self, name="site.tar", *flags, **options):
        super().image(name, *flags, **options)
        return self.archive(name)

    def script(self, text, name="scanner"):
        return self.workspace.file(name, "#!/bin/sh\n" + text + "\n", 0o755)

    def text(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def log(self, name="scan-site_1.log"):
        return self.text("logs/" + name)


class Digests(Gate):
    def record(self, *flags, **options):
        archive = self.image(**options)
        return self.gate(archive, "--record", self.path("digests"), *flags).out

    def test_the_tested_image_passes(self):
        self.record()
        self.assertEqual(sorted(os.listdir(self.path("digests"))), ["acme_site_1.evidence.json", "acme_site_1.files.zst"])
        said = self.gate(self.archive("site.tar"), "--expect", self.path("digests"), "--json").json
        self.assertTrue(said["passed"])
        self.assertEqual([gate["verdict"] for gate in said["images"][0]["gates"]], ["passed"])

    def test_an_image_rebuilt_with_one_changed_file_is_stopped_and_the_file_named(self):
        self.record()
        self.image("other.tar", text="<p>HELLO\n")
        failed = self.gate(self.archive("other.tar"), "--expect", self.path("digests"), expect=4)
        self.assertIn("acme/site:1 is not the image that was tested", failed.err)
        self.assertIn("layer 1: srv/index.html: content", failed.err)  # before files of which the time alone differs
        self.assertIn("differs", failed.out)
        self.assertNotIn("css/a.css", failed.err)

    def test_a_change_of_the_config_alone_is_caught(self):
        self.record()
        self.cooper("config", self.archive("site.tar"), "docker-archive:" + self.path("other.tar") + ":acme/site:1", "--env", "DEBUG=hunter2", "--no-store")
        failed = self.gate(self.archive("other.tar"), "--expect", self.path("digests"), expect=4)
        self.assertRegex(failed.err, r"config: /config(/Env)?.* added")
        self.assertNotIn("hunter2", failed.err + failed.out)
        self.assertNotIn("layer 1", failed.err)

    def test_other_compression_is_the_same_image(self):
        self.record()
        self.cooper("save", self.archive("site.tar"), "--layers", "uncompressed", "-o", self.path("plain.tar"))
        self.gate(self.archive("plain.tar"), "--expect", self.path("digests"))

    def test_what_was_tested_from_an_archive_may_come_from_a_registry(self):
        """Engines and archives keep no manifest; a test {image} is then exactly the one of the registry."""
        self.cooper("save", self.image(), "--layers", "uncompressed", "-o", self.path("plain.tar"))
        self.gate(self.archive("plain.tar"), "--record", self.path("digests"))
        registry = case.FakeRegistry(self.path("site.tar"))
        self.addCleanup(registry.close)
        source = registry.address + "/acme/site:1=acme/site:1"
        self.gate(source, "--expect", self.path("digests"), "--test", self.script('echo "$1"') + " {image}")
        self.assertIn(registry.address + "/acme/site:1@" + registry.manifest["digest"] + "\n", self.log("test-site_1.log"))

    def test_without_lists_of_files_digests_decide(self):
        self.record("--no-files")
        self.assertEqual(os.listdir(self.path("digests")), ["acme_site_1.evidence.json"])
        self.image("other.tar", text="<p>HELLO\n")
        self.assertIn("no list of files", self.gate(self.archive("other.tar"), "--expect", self.path("digests"), expect=4).err)

    def test_all_images_are_looked_at_and_each_needs_evidence(self):
        self.record()
        self.image("a.tar", tag="acme/a:1", text="a")
        self.gate(self.archive("a.tar"), "--record", self.path("digests/more"))
        self.image("a2.tar", tag="acme/a:1", text="A")
        self.image("new.tar", tag="acme/new:1", text="n")
        failed = self.gate(self.archive("a2.tar"), self.archive("site.tar"), self.archive("new.tar"), "--expect", self.path("digests"), expect=4)
        self.assertIn("acme/a:1 is not the image", failed.err)
        self.assertIn("acme/new:1 was not tested", failed.err)
        self.assertEqual(re.findall(r"digest +(\w+)", failed.out), ["differs", "passed", "differs"])
        unused = self.gate(self.archive("site.tar"), "--expect", self.path("digests"))
        self.assertIn("acme/a:1 was tested, but is not among", unused.err)

    def test_hostile_evidence_is_refused(self):
        self.record()
        archive, digests = self.archive("site.tar"), self.path("digests")
        good = json.loads(self.text("digests/acme_site_1.evidence.json"))
        for change in ({"schema": "cooper.evidence/v9"}, {"name": "a\x1b[2J:1"}, {"diff_ids": "x"}, {"surprise": 1}):
            self.workspace.file("digests/acme_site_1.evidence.json", json.dumps({**good, **change}), 0o644)
            failed = self.cooper("gate", archive, "--expect", digests, expect=1)
            self.assertNotIn("\x1b", failed.err)
        self.workspace.file("digests/acme_site_1.evidence.json", "[" * 100_000, 0o644)
        self.cooper("gate", archive, "--expect", digests, expect=1)
        os.remove(self.path("digests/acme_site_1.evidence.json"))
        os.symlink("/etc/passwd", self.path("digests/acme_site_1.evidence.json"))
        self.cooper("gate", archive, "--expect", digests, expect=1)
        self.cooper("gate", archive, "--expect", self.path("nowhere"), expect=1)

    def test_an_inflating_list_of_files_is_bounded(self):
        self.record()
        bomb = subprocess.run(["sh", "-c", "head -c 300000000 /dev/zero | zstd -q -19"], capture_output=True).stdout
        if not bomb:
            self.skipTest("zstd is not installed")
        evidence = json.loads(self.text("digests/acme_site_1.evidence.json"))
        evidence["files"] = "sha256:" + case.sha256(bomb)
        with open(self.path("digests/acme_site_1.files.zst"), "wb") as file:
            file.write(bomb)
        self.workspace.file("digests/acme_site_1.evidence.json", json.dumps(evidence), 0o644)
        self.image("other.tar", text="<p>HELLO\n")
        self.assertIn("could not be told", self.gate(self.archive("other.tar"), "--expect", self.path("digests"), expect=4).err)


class Scans(Gate):
    def test_a_scanner_sees_the_tarball_that_publish_delivers(self):
        archive = self.image()
        scanner = self.script('sha256sum "$1"; stat -c "%a" "$1" "$(dirname "$1")"; echo "{}" > "$2"; echo "$3"')
        said = self.gate(archive, "--cmd", scanner + " {tar} {out} '{name} {tag} {{x}}'", "--json", "--record", self.path("digests")).json
        image = said["images"][0]
        self.publish(archive)
        delivered = self.path("out/main/abc1234/site:1.tar")
        with open(delivered, "rb") as file:
            digest = case.sha256(file.read())
        self.assertEqual(image["tarball"]["sha256"], digest)
        self.assertEqual(image["gates"][0]["subject"], digest)
        self.assertEqual(self.log().split()[0], digest)
        self.assertIn("\n400\n700\nsite 1 {{x}}\n", self.log())
        self.assertEqual(os.listdir(self.cooper.temporary), [])
        self.assertTrue(image["gates"][0]["report"].endswith("logs/scan-site_1.report"))
        with open(scanner, "rb") as file:
            self.assertEqual(image["gates"][0]["tool"]["digest"], "sha256:" + case.sha256(file.read()))
        self.assertEqual(json.loads(self.text("digests/acme_site_1.evidence.json"))["tarball"]["digest"], "sha256:" + digest)

    def test_findings_stop_and_nothing_is_recorded(self):
        failed = self.gate(self.image(), "--cmd", self.script("echo CVE-2024-1; exit 1") + " {tar}", "--record", self.path("digests"), expect=6)
        self.assertIn("found something", failed.err)
        self.assertIn("CVE-2024-1", failed.err)
        self.assertFalse(os.path.exists(self.path("digests")))
        self.gate(self.archive("site.tar"), "--cmd", self.script("exit 3") + " {tar}", "--findings-exit", "2,3", expect=6)

    def test_a_scanner_that_breaks_is_another_failure(self):
        archive = self.image()
        for script in ("exit 2", "kill -SEGV $$", "exit 127", 'cp "$1" "$1.2"; echo x >> "$1.2"; mv -f "$1.2" "$1"'):
            with self.subTest(script):
                self.gate(archive, "--cmd", self.script(script) + " {tar}", expect=12)
        self.gate(archive, "--cmd", "no-such-scanner {tar}", expect=12)
        begin = time.monotonic()
        self.gate(archive, "--cmd", self.script("sleep 60") + " {tar}", "--time-limit", "1s", expect=12)
        self.assertLess(time.monotonic() - begin, 20)

    def test_no_credentials_are_seen(self):
        os.makedirs(self.path("home/.docker"))
        self.workspace.file("home/.docker/config.json", '{"auths": {"x": {"auth": "hunter2-auth"}}}', 0o600)
        scanner = self.script('env; cat "$HOME/.docker/config.json" 2>&1; exit 0')
        self.gate(self.image(), "--cmd", scanner + " {tar}", HOME=self.path("home"), **SECRETS)
        self.assertNotIn("hunter2", self.log())
        self.assertIn("PATH=", self.log())
        self.gate(self.archive("site.tar"), "--cmd", scanner, "--pass-env", "NPM_TOKEN", HOME=self.path("home"), **SECRETS)
        self.assertEqual(re.findall("hunter2-[a-z]+", self.log()), ["hunter2-npm"])

    def test_much_output_is_bounded_and_children_end_too(self):
        scanner = self.script("(sleep 300; :) & echo child $!; head -c 100000000 /dev/zero | tr '\\0' 'x'")
        self.gate(self.image(), "--cmd", scanner + " {tar}")
        self.assertLess(os.path.getsize(self.path("logs/scan-site_1.log")), 65 * 2**20 + 1000)
        child = re.match(r"child (\d+)", self.log()).group(1)
        self.assertFalse(self.runs(child))

    def test_ctrl_c_ends_the_gate_with_its_children(self):
        self.image()
        scanner = self.script("sleep 300 & echo child $!; wait")
        process = self.cooper.start("gate", self.archive("site.tar"), "--cmd", scanner + " {tar}", "--log-dir", self.path("logs"))
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and not (os.path.exists(self.path("logs/scan-site_1.log")) and "child" in self.log()):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        self.assertEqual(process.returncode, 130)
        self.assertFalse(self.runs(re.match(r"child (\d+)", self.log()).group(1)))
        self.assertEqual(os.listdir(self.cooper.temporary), [])

    @staticmethod
    def runs(process):
        try:
            with open("/proc/%s/stat" % process) as stat:
                return ") Z" not in stat.read()
        except FileNotFoundError:
            return False


class Templates(Gate):
    def test_shells_are_refused_and_names_are_harmless(self):
        archive = self.image()
        for template in ("a | b", "a; b", "a > b", "a $(id)", "a `id`", "a 'b", "a {what}", "", "{tar}"):
            self.fails(2, "gate", archive, "--cmd", template, says="--cmd")
        self.gate(archive + "=acme/x.y-z__1:1.0-a", "--test", self.script('echo "<$1>"') + " {image}")
        self.assertIn("<docker.io/acme/x.y-z__1:1.0-a>\n", self.log("test-x.y-z__1_1.0-a.log"))

    def test_the_command_line_is_checked(self):
        archive = self.image()
        self.fails(2, "gate", archive, says="what is to be checked")
        self.fails(2, "gate", archive, "--cmd", "true", "--time-limit", "0s", says="--time-limit")
        self.fails(2, "gate", archive, "--cmd", "true", "--findings-exit", "0", says="--findings-exit")
        self.fails(2, "gate", archive, archive, "--cmd", "true", says="two images are called site:1")

    def test_a_test_of_the_users(self):
        archive = self.image()
        test = self.script('[ "$1" = good ] || exit 3', "test")
        self.gate(archive, "--test", test + " good {id}", "--record", self.path("digests"))
        self.assertEqual(json.loads(self.text("digests/acme_site_1.evidence.json"))["passed"], [test + " good {id}"])
        self.assertIn("the test of site:1 failed: ended with exit status 3", self.gate(archive, "--test", test + " bad", expect=6).err)
        self.gate(archive, "--test", self.script("exit 125"), expect=12)

    def test_the_gravest_failure_decides_and_all_are_told(self):
        archive = self.image()
        failed = self.gate(archive, "--cmd", self.script("exit 9") + " {tar}", "--cmd", self.script("exit 1", "second"), "--test", self.script("exit 0", "third"), expect=6)
        self.assertIn("exit status 9", failed.err)
        self.assertEqual(re.findall(r"(?m)^  (scan|test) +(\w+), ", failed.out), [("scan", "broken"), ("scan", "findings"), ("test", "passed")])
        said = self.gate(archive, "--cmd", self.script("exit 9"), "--json", expect=12)
        self.assertEqual(said.json["images"][0]["gates"][0]["verdict"], "broken")
        self.assertIn("exit status 9", said.err)

    def test_the_job_summary_has_a_table(self):
        summary = self.path("summary.md")
        self.gate(self.image(), "--cmd", self.script("echo '| <b>::error::'; exit 1") + " {tar}", "--test", "true", expect=6,
                  GITHUB_STEP_SUMMARY=summary, GITHUB_ACTIONS="true")
        text = self.text("summary.md")
        self.assertIn("| acme/site:1 | scan: scanner | findings |", text)
        self.assertIn("| acme/site:1 | test: true | passed | ", text)
        self.assertNotIn(" <b>", text)

    def test_logs_go_below_the_working_directory_by_default(self):
        archive = self.image()
        subprocess.run([self.cooper.path, "gate", archive, "--test", "true"], cwd=self.root, env=self.cooper.environment, check=True, stdout=subprocess.DEVNULL)
        self.assertEqual(self.text("cooper-logs/test-site_1.log"), "[cooper: exit status 0]\n")


if __name__ == "__main__":
    case.main()

"""What happens while the command runs: signals, terminals, servers that refuse, disks that are full; exit codes."""

import os
import pty
import re
import select
import signal
import socket
import subprocess
import time
import unittest

import case
import harness


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited %d s in vain" % seconds)
        time.sleep(0.01)


class Registry(case.TestCase):
    """An image with a layer of two megabytes that does not compress, on a registry of our own."""

    def registry(self, **options):
        os.makedirs(self.path("big"), exist_ok=True)
        with open(self.path("big/noise"), "wb") as noise:
            noise.write(os.urandom(2_000_000))
        self.cooper("append", "scratch", "--layer", self.path("big"), "--tag", "acme/big:1", "-o", self.path("big.tar"), "--no-store")
        registry = case.FakeRegistry(self.path("big.tar"), **options)
        self.addCleanup(registry.close)
        return registry


class Pull(Registry):
    def test_a_pulled_image_is_the_image(self):
        registry = self.registry()
        said = self.cooper("pull", registry.address + "/acme/big:1=acme/big:1", self.path("out.tar"), "--deep", "--checksum", "--json").json
        self.assertEqual(harness.sha256_of(self.path("out.tar")), harness.sha256_of(self.path("big.tar")))
        self.assertEqual(said["sha256"], harness.sha256_of(self.path("out.tar")))
        self.assertTrue(said["diff_ids_checked"])
        self.assertEqual(said["images"][0]["repo_tags"], ["docker.io/acme/big:1"])

    def test_names_default_to_the_source_and_may_follow_the_file(self):
        registry = self.registry()
        self.cooper("pull", registry.address + "/acme/big:1", self.path("one.tar"))
        self.assertEqual(harness.Tarball(self.path("one.tar")).repo_tags, [registry.address + "/acme/big:1"])
        self.cooper("pull", "docker://" + registry.address + "/acme/big:1", self.path("two.tar"), "=a:1", "=b:2")
        self.assertEqual(harness.Tarball(self.path("two.tar")).repo_tags, ["docker.io/library/a:1", "docker.io/library/b:2"])
        self.cooper("pull", registry.address + "/acme/big@" + registry.manifest["digest"], self.path("three.tar"))
        self.assertEqual(harness.Tarball(self.path("three.tar")).repo_tags, None)

    def test_what_was_not_checked_is_said(self):
        registry = self.registry()
        self.assertIn("diff IDs were not", self.cooper("pull", registry.address + "/a/b:1", self.path("out.tar")).out)
        self.assertIn("digests and diff IDs", self.cooper("pull", registry.address + "/a/b:1", self.path("out.tar"), "--deep").out)

    def test_inspect_shows_the_bytes_of_the_registry(self):
        registry = self.registry()
        raw = self.cooper("inspect", registry.address + "/a/b:1", "--raw").out.encode()
        self.assertEqual("sha256:" + case.sha256(raw), registry.manifest["digest"])
        config = self.cooper("inspect", registry.address + "/a/b:1", "--config").out.encode()
        self.assertEqual("sha256:" + case.sha256(config), self.cooper("inspect", registry.address + "/a/b:1", "--json").json["image_id"])

    def test_a_login_may_come_from_standard_input_or_the_environment(self):
        registry = self.registry()
        registry.status = 401
        for options in ({"stdin": "alice:pass:word\n"}, {"COOPER_CREDS": "alice:pass:word"}):
            registry.requests.clear()
            flags = ["--creds-stdin"] if "stdin" in options else []
            self.fails(7, "pull", registry.address + "/a/b:1", self.path("out.tar"), *flags, says="error: ", **options)
            self.assertIn("Basic YWxpY2U6cGFzczp3b3Jk", [login for _, login in registry.requests])

    def test_quiet_says_nothing_and_verbose_says_what_is_asked(self):
        registry = self.registry()
        self.assertEqual(self.cooper("pull", "-q", registry.address + "/a/b:1", self.path("out.tar")).err, "")
        self.assertIn("/v2/a/b/manifests/", self.cooper("pull", "-v", registry.address + "/a/b:1", self.path("out.tar")).err)


class Signals(Registry):
    def stop(self, *signals, expect):
        registry = self.registry(seconds_per_chunk=0.2)
        process = self.cooper.start("pull", registry.address + "/a/b:1", self.path("out.tar"), "--json")
        wait_for(lambda: registry.body_bytes > 100_000)
        begin = time.monotonic()
        for number in signals:
            process.send_signal(number)
        out, err = process.communicate(timeout=20)
        self.assertEqual(process.returncode, expect, err)
        self.assertLess(time.monotonic() - begin, 5)
        return out, err

    def test_the_first_ctrl_c_cleans_up(self):
        out, err = self.stop(signal.SIGINT, expect=130)
        self.assertIn("cooper: stopped on request", err)
        self.assertIn('"exit_code": 130', out)
        self.assertEqual([name for name in os.listdir(self.root) if "out" in name], [])
        self.assertEqual(os.listdir(self.cooper.temporary), [])

    def test_so_do_sigterm_and_sighup(self):
        self.stop(signal.SIGTERM, expect=143)
        self.stop(signal.SIGHUP, expect=129)
        self.assertEqual([name for name in os.listdir(self.root) if "out" in name], [])

    def test_the_second_ctrl_c_ends_at_once_whatever_hangs(self):
        os.mkfifo(self.path("pipe"))  # opening it waits for a writer that never comes
        process = self.cooper.start("presign", "s3://bucket/key", AWS_CONFIG_FILE=self.path("pipe"))
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        self.assertEqual(process.poll(), None)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(10), 130)
        process.communicate()

    def test_under_nohup_a_hangup_is_ignored(self):
        registry = self.registry(seconds_per_chunk=0.01)
        process = subprocess.Popen(["/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh", self.cooper.path, "pull", registry.address + "/a/b:1",
                                    self.path("out.tar")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.cooper.environment)
        wait_for(lambda: registry.body_bytes > 10_000)
        process.send_signal(signal.SIGHUP)
        self.assertEqual(process.wait(60), 0)


class Terminal(Registry):
    def on_a_terminal(self, *arguments, **environment):
        """Runs with standard error on a terminal; returns what was drawn there."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen([self.cooper.path, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs,
                                   env={**self.cooper.environment, "TERM": "xterm", **environment})
        os.close(theirs)
        drawn = b""
        while True:
            ready, _, _ = select.select([ours], [], [], 30)
            try:
                chunk = os.read(ours, 65536) if ready else b""
            except OSError:  # the other end is closed
                chunk = b""
            if not chunk:
                break
            drawn += chunk
        os.close(ours)
        out, _ = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 0, drawn)
        return out.decode(), drawn.decode()

    def test_bars_are_drawn_and_removed(self):
        registry = self.registry(seconds_per_chunk=0.005)
        out, drawn = self.on_a_terminal("pull", registry.address + "/a/b:1", self.path("out.tar"))
        self.assertRegex(drawn, r"out\.tar +\[=+ +\] +\d+%  .*MB of 2\.0 MB")
        self.assertEqual(drawn.count("\x1b[1A\x1b[2K"), len(re.findall(r"\[=* *\]", drawn)), "each bar is removed once")
        self.assertRegex(drawn, r"cooper: out\.tar: done, 2\.0 MB in ")
        self.assertNotIn("\x1b", out)

    def test_plain_lines_where_bars_are_not_wanted(self):
        registry = self.registry()
        for arguments, environment in (((), {"NO_COLOR": "1"}), ((), {"CI": "true"}), ((), {"TERM": "dumb"}), (("--no-progress",), {})):
            _, drawn = self.on_a_terminal("pull", registry.address + "/a/b:1", self.path("out.tar"), *arguments, **environment)
            self.assertNotIn("\x1b", drawn)
            self.assertIn("cooper: out.tar: 2.0 MB", drawn)

    def test_without_a_terminal_a_line_per_task(self):
        registry = self.registry()
        said = self.cooper("pull", registry.address + "/a/b:1", self.path("out.tar"))
        self.assertNotIn("\x1b", said.err)
        self.assertLess(len(said.err.splitlines()), 5)


class ExitCodes(case.TestCase):
    def test_access_denied_is_7(self):
        registry = case.FakeRegistry(self.image(), status=401)
        self.addCleanup(registry.close)
        said = self.fails(7, "pull", registry.address + "/a/b:1", self.path("x.tar"), "--creds", "alice:hunter2", says=registry.address)
        self.assertNotIn("hunter2", said.err)

    def test_no_such_image_is_1(self):
        registry = case.FakeRegistry(None, status=404)
        registry.manifest = {"digest": "sha256:" + 64 * "0", "mediaType": "application/vnd.oci.image.manifest.v1+json"}
        self.addCleanup(registry.close)
        self.fails(1, "pull", registry.address + "/a/b:1", self.path("x.tar"), says="a/b:1")

    def test_wrong_bytes_are_4(self):
        registry = case.FakeRegistry(self.image())
        self.addCleanup(registry.close)
        digest = next(name for name, blob in registry.blobs.items() if blob[:2] == b"\x1f\x8b")
        registry.blobs[digest] = registry.blobs[digest][:-1] + bytes([registry.blobs[digest][-1] ^ 1])
        self.fails(4, "pull", registry.address + "/a/b:1", self.path("x.tar"), says=digest[7:19])
        self.assertFalse(os.path.exists(self.path("x.tar")))

    def test_nobody_there_is_8(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
        self.fails(8, "pull", "127.0.0.1:%d/a/b:1" % port, self.path("x.tar"), "--retries", "0", says="127.0.0.1:%d" % port)

    def test_a_full_disk_is_11(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([self.cooper.path, "--version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 11)
        self.assertIn("standard output", done.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "only root may mount a small file system")
    def test_a_full_file_system_is_11_and_nothing_is_left(self):
        archive = self.image(text="x" * 100)
        with open(self.path("site/noise"), "wb") as noise:
            noise.write(os.urandom(300_000))
        os.makedirs(self.path("small"))
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", self.path("small")], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            self.skipTest("mounting is not allowed here")
        try:
            self.fails(11, "append", "docker-archive:" + archive, "--layer", self.path("site"), "-o", self.path("small/x.tar"), says="No space left")
            self.assertEqual(os.listdir(self.path("small")), [])
        finally:
            subprocess.run(["umount", self.path("small")], check=True)

    def test_a_reader_that_went_away_is_no_success(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        done = subprocess.run([self.cooper.path, "help"], stdout=write_end, stderr=subprocess.PIPE, text=True, check=False)
        os.close(write_end)
        self.assertEqual(done.returncode, 1)

    def test_no_credentials_for_s3_is_7(self):
        self.fails(7, "presign", "s3://bucket/key", says="error: ")


class Presign(case.TestCase):
    KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-central-1"}

    def test_a_link_alone_on_standard_output(self):
        said = self.cooper("presign", "s3://bucket/main/abc1234/app:1.tar", "--expires", "90m", **self.KEYS)
        self.assertRegex(said.out, r"\Ahttps://[^\s]*X-Amz-Expires=5400[^\s]*X-Amz-Signature=[0-9a-f]{64}\n\Z")
        self.assertIn("app_1.tar", said.out)
        self.assertRegex(said.err, r"cooper: expires \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ \(in 1 h (30|29) min\)")

    def test_as_json_and_under_another_name(self):
        said = self.cooper("presign", "s3://bucket/k", "--name", "for you.tar", "--endpoint-url", "http://127.0.0.1:9", "--json", **self.KEYS).json
        self.assertEqual(said["file"], "for you.tar")
        self.assertTrue(said["url"].startswith("http://127.0.0.1:9/bucket/k?"))
        self.assertIn("for%20you.tar", said["url"])


if __name__ == "__main__":
    case.main()

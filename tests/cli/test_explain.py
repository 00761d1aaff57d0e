"""cooper explain: one difference injected for every row of the table of causes, by other writers of tar than cooper's own."""

import gzip
import io
import json
import os
import struct
import subprocess
import tarfile
import zipfile
import zlib

import case

TIME = 1_600_000_000


def entry(name, content=b"", **members):
    """A TarInfo with its content; `members` are set on it."""
    info = tarfile.TarInfo(name)
    info.mtime, info.mode = TIME, 0o644
    for member, value in members.items():
        setattr(info, member, value)
    info.size = len(content) if info.isreg() else 0
    return info, content


def link(name, target, kind=tarfile.LNKTYPE):
    return entry(name, type=kind, linkname=target)


def tar(*entries, form=tarfile.PAX_FORMAT):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=form) as out:
        for info, content in entries:
            out.addfile(info, io.BytesIO(content))
    end = packed.getvalue().rstrip(b"\0")
    return end + b"\0" * (-len(end) % 512) + b"\0" * 1024


def pax(name, content=b"", **records):
    return entry(name, content, pax_headers={key.replace("__", "."): value for key, value in records.items()})


def pyc(mtime, code=b"code"):
    return struct.pack("<4sIII", b"\x61\x0d\r\n", 0, mtime, 3) + code


def packed_zip(year):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr(zipfile.ZipInfo("a", (year, 1, 1, 0, 0, 0)), "content")
    return out.getvalue()


def gzip_bytes(data, mtime=0, name=b"", level=6, system=255):
    head = b"\x1f\x8b\x08" + bytes([8 if name else 0]) + struct.pack("<I", mtime) + b"\0" + bytes([system]) + (name + b"\0" if name else b"")
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15)
    return head + deflate.compress(data) + deflate.flush() + struct.pack("<II", zlib.crc32(data), len(data))


def ar(mtime):
    return b"!<arch>\n" + b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (b"a.o/", mtime, 0, 0, b"100644", 4) + b"body"


def elf(build_id):
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    note = struct.pack("<III", 4, len(build_id), 3) + b"GNU\0" + build_id
    return header + struct.pack("<IIQQQQQQ", 4, 4, 120, 0, 0, len(note), len(note), 4) + note


def file_pair(path, a=b"a\n", b=b"b\n"):
    return tar(entry(path, a)), tar(entry(path, b))


def member_pair(member, a, b, form=tarfile.GNU_FORMAT):
    return tar(entry("f", b"x", **{member: a}), form=form), tar(entry("f", b"x", **{member: b}), form=form)


# What is injected, both layers, and what must be named: level, path, field, cause.
FILES = [(path, "content", path, "content", cause) for path, cause in (
    ("var/log/dpkg.log", "dpkg-log"), ("var/log/alternatives.log", "alternatives-log"), ("var/log/apt/term.log", "apt-log"),
    ("var/log/bootstrap.log", "log-files"), ("var/cache/ldconfig/aux-cache", "aux-cache-inodes"), ("var/lib/apt/lists/x_InRelease", "apt-lists"),
    ("root/.wget-hsts", "wget-hsts"), ("tmp/x", "temporary-files"), ("etc/apk/world", "apk-world"), ("etc/machine-id", "machine-id"),
    ("var/cache/fontconfig/a.cache-7", "fontconfig-cache"), ("usr/lib/python3/site-packages/a-1.dist-info/RECORD", "pip-record"),
    ("etc/ld.so.cache", "ld-so-cache"), ("etc/hosts", "runtime-files"), ("var/cache/apt/pkgcache.bin", "package-cache"),
    ("etc/ssh/ssh_host_rsa_key", "ssh-host-keys"), ("root/.bash_history", "shell-history"), ("var/lib/dpkg/info/a.list", "package-database"))]

DPKG = b"Package: libc6\nVersion: 2.36-9\n\nPackage: same\nVersion: 1\n\n"

LAYERS = [
    ("order", (tar(entry("a"), entry("b"), entry("c")), tar(entry("b"), entry("a"), entry("c"))), "entries", "a", "order", "readdir-order"),
    ("mtime", member_pair("mtime", TIME, TIME + 1), "entries", "f", "mtime", "mtime"),
    ("mtime of a directory", (tar(entry("d", type=tarfile.DIRTYPE)), tar(entry("d", type=tarfile.DIRTYPE, mtime=1))), "entries", "d", "mtime", "mtime"),
    ("sub-second mtime", (tar(pax("f", mtime="1600000000.5")), tar(pax("f", mtime="1600000000.25"))), "entries", "f", "mtime-fraction", "mtime-fraction"),
    ("atime", (tar(pax("f", atime="1")), tar(pax("f", atime="2"))), "entries", "f", "atime", "atime-ctime"),
    ("ctime", (tar(pax("f", ctime="1")), tar(pax("f", ctime="2"))), "entries", "f", "ctime", "atime-ctime"),
    ("uid", member_pair("uid", 0, 1000), "entries", "f", "uid", "builder-ids"),
    ("gid", member_pair("gid", 0, 1000), "entries", "f", "gid", "builder-ids"),
    ("uname", member_pair("uname", "root", "me"), "entries", "f", "uname", "user-names"),
    ("gname", member_pair("gname", "root", "me"), "entries", "f", "gname", "user-names"),
    ("umask", member_pair("mode", 0o644, 0o664), "entries", "f", "mode", "umask"),
    ("SELinux", (tar(pax("f", SCHILY__xattr__security__selinux="a")), tar(pax("f", SCHILY__xattr__security__selinux="b"))),
     "entries", "f", "xattr security.selinux", "xattr-selinux"),
    ("ACL", (tar(pax("f", SCHILY__xattr__system__posix_acl_access="a")), tar(pax("f", SCHILY__xattr__system__posix_acl_access="b"))),
     "entries", "f", "xattr system.posix_acl_access", "xattr-acl"),
    ("capability", (tar(pax("f", SCHILY__xattr__security__capability="a")), tar(pax("f", SCHILY__xattr__security__capability="b"))),
     "entries", "f", "xattr security.capability", "xattr-capability"),
    ("user's attribute", (tar(pax("f", SCHILY__xattr__user__x="a")), tar(pax("f", SCHILY__xattr__user__x="b"))), "entries", "f", "xattr user.x", "xattrs"),
    ("order of pax records", (tar(pax("f", comment="c", atime="1")), tar(pax("f", atime="1", comment="c"))), "entries", "f", "pax-order", "pax-key-order"),
    ("pax comment", (tar(pax("f", comment="a")), tar(pax("f", comment="b"))), "entries", "f", "pax comment", "pax-records"),
    ("hard link order", (tar(entry("a", b"x"), link("b", "a")), tar(link("a", "b"), entry("b", b"x"))), "entries", "a", "hard-link", "hard-link-order"),
    ("hard link or copy", (tar(entry("a", b"x"), link("b", "a")), tar(entry("a", b"x"), entry("b", b"x"))), "entries", "b", "type", "hard-link-lost"),
    ("dialect", (tar(entry("f"), form=tarfile.GNU_FORMAT), tar(entry("f"), form=tarfile.USTAR_FORMAT)), "entries", "f", "dialect", "tar-dialect"),
    ("prefix", (tar(entry("f")), tar(entry("./f"))), "entries", "f", "prefix", "path-prefix"),
    ("duplicate", (tar(entry("f", b"x")), tar(entry("f", b"x"), entry("f", b"x"))), "entries", "f", "duplicate", "duplicate-entries"),
    ("device", (tar(entry("n", type=tarfile.CHRTYPE, devmajor=1)), tar(entry("n", type=tarfile.CHRTYPE, devmajor=2))), "entries", "n", "device", "devices"),
    ("end padding", (tar(entry("f")), tar(entry("f")) + bytes(8192)), "entries", "", "end", "end-padding"),
    ("trailing bytes", (tar(entry("f")), tar(entry("f")) + b"x"), "entries", "", "trailing", "end-padding"),
    ("pyc", (tar(entry("m.pyc", pyc(1))), tar(entry("m.pyc", pyc(2)))), "content", "m.pyc", "content", "pyc-mtime"),
    ("other byte code", (tar(entry("m.pyc", pyc(1))), tar(entry("m.pyc", pyc(1, b"edoc")))), "content", "m.pyc", "content", "pycache"),
    ("gzip file", (tar(entry("f.gz", gzip_bytes(b"x", 1))), tar(entry("f.gz", gzip_bytes(b"x", 2)))), "content", "f.gz", "content", "gzip-file-header"),
    ("zip file", (tar(entry("f.jar", packed_zip(2020))), tar(entry("f.jar", packed_zip(2021)))), "content", "f.jar", "content", "zip-times"),
    ("static library", (tar(entry("l.a", ar(1))), tar(entry("l.a", ar(2)))), "content", "l.a", "content", "ar-times"),
    ("program", (tar(entry("p", elf(b"1" * 20))), tar(entry("p", elf(b"2" * 20)))), "content", "p", "content", "build-id"),
    ("shadow's day", (tar(entry("etc/shadow", b"root:*:19000:0:::::\n")), tar(entry("etc/shadow", b"root:*:19001:0:::::\n"))),
     "content", "etc/shadow", "content", "shadow-date"),
    ("shadow's salt", (tar(entry("etc/shadow", b"me:$6$aaaa$x:1:0:::::\n")), tar(entry("etc/shadow", b"me:$6$bbbb$y:1:0:::::\n"))),
     "content", "etc/shadow", "content", "shadow-salt"),
    ("__pycache__", (tar(entry("m.py")), tar(entry("m.py"), entry("__pycache__", type=tarfile.DIRTYPE))), "entries", "__pycache__", "entry", "pycache"),
] + [(title, file_pair(path), level, path, field, cause) for title, level, path, field, cause in FILES]


class Explain(case.TestCase):
    def archive(self, name, layers, config=None, tag="acme/app:1", indent=None):
        """A docker-archive by Python: blobs under their digests, uncompressed unless `layers` says otherwise: (blob, tar) or tar."""
        pairs = [each if isinstance(each, tuple) else (each, each) for each in layers]
        document = {"architecture": "amd64", "os": "linux", "created": "2020-01-01T00:00:00Z", "config": {"Env": ["A=1"]},
                    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + case.sha256(content) for _, content in pairs]}, **(config or {})}
        raw = json.dumps(document, indent=indent).encode()
        members = [(case.sha256(raw) + ".json", raw)] + [("layer-%d.tar" % i, blob) for i, (blob, _) in enumerate(pairs)]
        table = [{"Config": members[0][0], "RepoTags": [tag], "Layers": [name for name, _ in members[1:]]}]
        return case.write_archive(self.path(name), members + [("manifest.json", json.dumps(table).encode())])

    def explained(self, a, b, *flags, expect=1):
        return self.cooper("explain", a, b, "--json", *flags, expect=expect).json

    def check_named(self, found, level, path, field, cause):
        named = [each for each in found["differences"] if (each["level"], each["path"], each["field"], each["cause"]) == (level, path, field, cause)]
        self.assertTrue(named, json.dumps(found, indent=1))

    def test_each_difference_in_a_layer_is_named_with_its_cause(self):
        for title, (a, b), level, path, field, cause in LAYERS:
            with self.subTest(title):
                found = self.explained(self.archive("a.tar", [a]), self.archive("b.tar", [b]))
                self.check_named(found, level, path, field, cause)
                self.assertEqual({each["id"] for each in found["causes"]} - {cause}, set(), json.dumps(found["differences"], indent=1))

    def test_each_difference_in_a_config_is_named_with_its_cause(self):
        layer = [tar(entry("f"))]
        for change, pointer, cause in (({"created": "2021-01-01T00:00:00Z"}, "/created", "created"),
                                       ({"config": {"Env": ["A=1"], "Hostname": "0a1b2c3d4e5f"}}, "/config/Hostname", "hostname"),
                                       ({"config": {"Env": ["A=2"]}}, "/config/Env/0", "map-order"),
                                       ({"config": {"Env": ["A=1"], "User": "me"}}, "/config/User", "config-setting"),
                                       ({"config": {"Env": ["A=1"], "Labels": {"io.buildah.version": "1"}}}, "/config/Labels", "map-order"),
                                       ({"docker_version": "20"}, "/docker_version", "builder-version"),
                                       ({"container": "abc"}, "/container", "hostname"),
                                       ({"history": [{"created_by": "RUN x"}]}, "/history", "history")):
            with self.subTest(pointer):
                found = self.explained(self.archive("a.tar", layer), self.archive("b.tar", layer, config=change))
                self.check_named(found, "config", pointer, "value", cause)
                self.assertEqual([each["id"] for each in found["causes"]], [cause])
                self.assertEqual(found["verdict"], "config differs")

    def test_documents_that_are_only_spelt_otherwise(self):
        layer = [tar(entry("f"))]
        found = self.explained(self.archive("a.tar", layer), self.archive("b.tar", layer, indent=1))
        self.check_named(found, "config", "", "spelling", "json-spelling")
        self.assertTrue(self.explained(self.archive("a.tar", layer), self.archive("b.tar", layer, indent=1), "--ignore-dialect", expect=0)["same"])

    def test_names_of_images(self):
        layer = [tar(entry("f"))]
        a, b = self.archive("a.tar", layer), self.archive("b.tar", layer, tag="acme/app:2")
        self.check_named(self.explained(a, b), "documents", "/0/RepoTags/0", "value", "image-names")
        self.assertTrue(self.explained(a, b, "--ignore-names", expect=0)["same"])

    def test_the_same_bytes_under_two_names_are_identical(self):
        a = self.archive("a.tar", [tar(entry("f"))])
        os.link(a, self.path("b.tar"))
        found = self.explained(a, self.path("b.tar"), expect=0)
        self.assertEqual((found["identical"], found["verdict"], found["differences"]), (True, "identical", []))
        self.assertEqual(self.cooper("explain", a, self.path("b.tar")).out, "identical\n")

    def test_compression_of_one_tar(self):
        content = tar(entry("f", os.urandom(3000).hex().encode()))
        plain = gzip_bytes(content)
        for title, other, field, cause in (("time", gzip_bytes(content, mtime=5), "gzip mtime", "gzip-header"),
                                           ("name", gzip_bytes(content, name=b"layer.tar"), "gzip name", "gzip-header"),
                                           ("system", gzip_bytes(content, system=3), "gzip OS", "gzip-header"),
                                           ("level", gzip_bytes(content, level=1), "encoder", "encoder"),
                                           ("none", content, "compression", "compression-kind")):
            with self.subTest(title):
                found = self.explained(self.archive("a.tar", [(plain, content)]), self.archive("b.tar", [(other, content)]))
                named = [(each["where"], each["field"], each["cause"]) for each in found["differences"] if each["level"] == "layers"]
                self.assertIn(("layer 1 of 1", field, cause), named)
                self.assertTrue({each["id"] for each in found["causes"]} <= {cause}, named)

    def test_compressors_of_the_system(self):
        content = tar(entry("f", os.urandom(60000).hex().encode()))
        with open(self.path("layer.tar"), "wb") as layer:
            layer.write(content)
        run = lambda *command: subprocess.run(command, check=True, capture_output=True).stdout  # noqa: E731
        blobs = {"with a name": run("gzip", "-kc", self.path("layer.tar")), "without": run("gzip", "-nc", self.path("layer.tar")),
                 "fast": run("gzip", "-1nc", self.path("layer.tar"))}
        for a, b, causes in (("with a name", "without", {"gzip-header"}), ("without", "fast", {"gzip-header", "encoder"})):
            found = self.explained(self.archive("a.tar", [(blobs[a], content)]), self.archive("b.tar", [(blobs[b], content)]))
            self.assertEqual({each["id"] for each in found["causes"]}, causes)
        zstd = [run("zstd", "-qc", "-3", *flags, self.path("layer.tar")) for flags in ([], ["--no-check"])]
        found = self.explained(self.archive("a.tar", [(zstd[0], content)]), self.archive("b.tar", [(zstd[1], content)]))
        self.assertIn("zstd-frame", {each["id"] for each in found["causes"]})

    def test_dialects_of_gnu_tar_and_bsdtar(self):
        os.makedirs(self.path("tree/d"))
        for name in ("a", "d/b"):
            with open(self.path("tree/" + name), "w", encoding="utf-8") as out:
                out.write(name)
        with open(self.path("tree/holes"), "wb") as holes:
            holes.truncate(1 << 20)
            holes.seek(1 << 19)
            holes.write(b"x")

        def packed(*command):
            return subprocess.run([*command, "."], cwd=self.path("tree"), check=True, capture_output=True).stdout

        gnu = ["tar", "--sort=name", "--mtime=@1", "--owner=0", "--group=0", "--numeric-owner", "-c"]
        base = packed(*gnu, "--format=gnu", "-b1")
        for title, other, field, cause in (
                ("ustar", packed(*gnu, "--format=ustar", "-b1"), "dialect", "tar-dialect"),
                ("blocking", packed(*gnu, "--format=gnu", "-b20"), "end", "end-padding"),
                ("sparse", packed(*gnu, "--format=gnu", "-b1", "-S"), "sparse", "sparse"),
                ("pax sparse", packed(*gnu, "--format=posix", "-b1", "-S"), "sparse", "sparse"),
                ("v7", packed(*gnu, "--format=v7", "-b1"), "dialect", "tar-dialect"),
                ("bsdtar", packed("bsdtar", "--format=gnutar", "--uid=0", "--gid=0", "--numeric-owner", "-cf", "-"), "mtime", "mtime")):
            with self.subTest(title):
                found = self.explained(self.archive("a.tar", [base]), self.archive("b.tar", [other]))
                named = {(each["field"], each["cause"]) for each in found["differences"]}
                self.assertIn((field, cause), named)
                # Python's listing is the oracle of what is there: nothing is said to be on one side only.
                with tarfile.open(fileobj=io.BytesIO(base)) as x, tarfile.open(fileobj=io.BytesIO(other)) as y:
                    self.assertEqual(sorted(x.getnames()), sorted(y.getnames()))
                self.assertNotIn("entry", {each["field"] for each in found["differences"]})
        names = [packed("tar", "--sort=name", "--mtime=@1", "--format=posix", "-b1", "-c") for _ in range(2)]
        if names[0] != names[1]:  # GNU tar writes its process ID into the names of pax headers
            found = self.explained(self.archive("a.tar", [names[0]]), self.archive("b.tar", [names[1]]))
            self.assertTrue({"pax-name", "atime", "mtime-fraction"} & {each["field"] for each in found["differences"]})

    def test_packages_that_moved(self):
        newer = DPKG.replace(b"2.36-9", b"2.36-10")
        found = self.explained(self.archive("a.tar", [tar(entry("var/lib/dpkg/status", DPKG))]),
                               self.archive("b.tar", [tar(entry("var/lib/dpkg/status", newer))]))
        moved = [(each["a"], each["b"]) for each in found["differences"] if each["field"] == "package"]
        self.assertEqual(moved, [("libc6 2.36-9", "libc6 2.36-10")])
        self.assertIn("package-version", {each["id"] for each in found["causes"]})
        apk = [b"P:musl\nV:1.2.%d\n\n" % i for i in (3, 4)]
        found = self.explained(*[self.archive(name, [tar(entry("lib/apk/db/installed", text))]) for name, text in zip(("a.tar", "b.tar"), apk)])
        self.assertIn(("musl 1.2.3", "musl 1.2.4"), [(each["a"], each["b"]) for each in found["differences"]])
        python = ["usr/lib/python3/site-packages/requests-2.%d.dist-info/METADATA" % i for i in (1, 2)]
        found = self.explained(*[self.archive(name, [tar(entry(path))]) for name, path in zip(("a.tar", "b.tar"), python)])
        self.assertIn(("requests 2.1", "requests 2.2"), [(each["a"], each["b"]) for each in found["differences"]])

    def test_what_is_ignored(self):
        for flag, title in (("--ignore-times", "mtime"), ("--ignore-times", "sub-second mtime"), ("--ignore-times", "pyc"), ("--ignore-times", "gzip file"),
                            ("--ignore-order", "order"), ("--ignore-order", "hard link order"), ("--ignore-dialect", "dialect"),
                            ("--ignore-dialect", "prefix"), ("--ignore-dialect", "end padding")):
            with self.subTest(title):
                a, b = next(each[1] for each in LAYERS if each[0] == title)
                archives = self.archive("a.tar", [a]), self.archive("b.tar", [b])
                self.assertFalse(self.explained(*archives)["same"])
                found = self.explained(*archives, flag, expect=0)
                self.assertEqual((found["same"], found["identical"], found["found"]), (True, False, 0))
                self.assertIn("equal but for what was ignored", found["verdict"])

    def test_texts_are_shown_as_a_diff_and_secrets_are_not(self):
        a, b = ([tar(entry("etc/motd", b"one\n" + each + b"three\n"), entry("etc/shadow", b"me:$6$" + each))] for each in (b"two\n", b"2\n"))
        said = self.cooper("explain", self.archive("a.tar", a), self.archive("b.tar", b), expect=1).out
        self.assertIn("    | @@ -1,3 +1,3 @@\n    |  one\n    | -two\n    | +2\n    |  three\n", said)
        self.assertNotIn("me:$6$", said)
        self.assertIn("may hold secrets", said)

    def test_the_first_byte_of_a_large_file_that_differs(self):
        content = bytearray(os.urandom(3_000_000))
        a = tar(entry("data", bytes(content)))
        content[2_345_678] ^= 1
        found = self.explained(self.archive("a.tar", [a]), self.archive("b.tar", [tar(entry("data", bytes(content)))]))
        self.assertIn("first different byte: 2345678 of 3000000", [each.get("detail") for each in found["differences"]])

    def test_both_sides_are_written_for_a_look(self):
        evil = "../../x/../../evil"
        a, b = ([tar(entry("etc/motd", each), entry(evil, each))] for each in (b"one\n", b"two\n"))
        out = self.path("out")
        self.cooper("explain", self.archive("a.tar", a), self.archive("b.tar", b), "--report-dir", out, expect=1)
        written = {side: sorted(os.listdir(os.path.join(out, side))) for side in "ab"}
        self.assertEqual(written["a"], written["b"])
        self.assertIn("layer%201%20of%201%2Fetc%2Fmotd", written["a"])
        self.assertEqual(len([name for name in written["a"] if "evil" in name]), 1)
        for side, text in (("a", "one\n"), ("b", "two\n")):
            path = os.path.join(out, side, "layer%201%20of%201%2Fetc%2Fmotd")
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            with open(path, encoding="utf-8") as file:
                self.assertEqual(file.read(), text)
        self.assertFalse([name for name in os.listdir(self.root) if "evil" in name])

    def test_damage_is_named(self):
        self.image("a.tar")
        with open(self.path("a.tar"), "rb") as good:
            data = bytearray(good.read())
        with tarfile.open(self.path("a.tar")) as members:
            layer = max((each for each in members if each.name.startswith("blobs/")), key=lambda each: each.size)
        data[layer.offset_data + layer.size // 2] ^= 1
        with open(self.path("b.tar"), "wb") as bad:
            bad.write(data)
        found = self.explained(self.path("a.tar"), self.path("b.tar"))
        self.check_named(found, "members", layer.name, "damaged", "damaged")
        detail = next(each["detail"] for each in found["differences"] if each["field"] == "damaged")
        self.assertIn("B is not what the name says; first different byte: %d of the member" % (layer.size // 2), detail)
        with open(self.path("cut.tar"), "wb") as cut:
            cut.write(data[:layer.offset_data + layer.size // 2])
        found = self.explained(self.path("a.tar"), self.path("cut.tar"))
        self.check_named(found, "file", "", "unreadable", "damaged")

    def test_a_layer_more_and_images_by_name(self):
        one, two = tar(entry("f")), tar(entry("g"))
        found = self.explained(self.archive("a.tar", [one]), self.archive("b.tar", [one, two]))
        self.assertIn(("layers", "layer 2 of 2", "layer", "layer-count"), [(each["level"], each["where"], each["field"], each["cause"])
                                                                          for each in found["differences"]])
        self.image("x.tar", tag="acme/x:1", text="x")
        self.image("y.tar", tag="acme/y:1", text="y")
        self.image("z.tar", tag="acme/x:1", text="z")
        archives = [["docker-archive:" + self.path(name) for name in names] for names in (("x.tar", "y.tar"), ("y.tar", "z.tar"))]
        for name, images in zip(("a.tar", "b.tar"), archives):
            self.cooper("save", *images, "-o", self.path(name))
        found = self.explained(self.path("a.tar"), self.path("b.tar"))
        wheres = {each["where"] for each in found["differences"] if each["level"] in ("layers", "entries", "content", "config")}
        self.assertTrue(wheres and all("acme/x:1" in where for where in wheres), wheres)

    def test_mistakes(self):
        a = self.archive("a.tar", [tar(entry("f"))])
        self.fails(2, "explain", a, says="something is missing")
        self.fails(2, "explain", a, self.path("none.tar"), says="there is no such file")
        self.fails(2, "explain", a, a, "--max", "0", says="--max")
        with open(self.path("text"), "w", encoding="utf-8") as text:
            text.write("no tar\n" * 1000)
        self.fails(1, "explain", a, self.path("text"), says="is no tar archive")


if __name__ == "__main__":
    case.main()

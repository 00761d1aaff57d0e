"""Whole trees as they lie on disk or in a tar, made comparable; and random stacks of layers to compare them on."""

import hashlib
import os
import random
import stat
import tarfile

import images

OFTEN, SELDOM = 8, 2


def listing(root, xattrs=True):
    """{path: facts} of everything below `root`; hard links are known by the first of their names."""
    found, first = {}, {}

    def visit(path, name):
        for entry in sorted(os.scandir(path), key=lambda each: os.fsencode(each.name)):
            here = os.path.join(name, entry.name)
            status = entry.stat(follow_symlinks=False)
            facts = {"type": stat.S_IFMT(status.st_mode), "mode": stat.S_IMODE(status.st_mode), "owner": (status.st_uid, status.st_gid),
                     "time": int(status.st_mtime)}
            if stat.S_ISREG(status.st_mode):
                with open(entry.path, "rb") as content:
                    facts["content"] = hashlib.sha256(content.read()).hexdigest()
            if stat.S_ISLNK(status.st_mode):
                facts["link"] = os.readlink(entry.path)
            elif xattrs:
                facts["xattrs"] = {key: os.getxattr(entry.path, key).hex() for key in os.listxattr(entry.path)}
            if not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1:
                facts["same as"] = first.setdefault(status.st_ino, here)
            found[here] = facts
            if stat.S_ISDIR(status.st_mode):
                visit(entry.path, here)

    visit(root, "")
    return found


KINDS = {tarfile.REGTYPE: stat.S_IFREG, tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK, tarfile.FIFOTYPE: stat.S_IFIFO,
         tarfile.CHRTYPE: stat.S_IFCHR, tarfile.BLKTYPE: stat.S_IFBLK}


def listing_of_tar(data):
    """The same of a tar that an engine exports, without xattrs, most of which engines leave out of it."""
    found, groups = {}, {}
    with tarfile.open(fileobj=data, encoding="utf-8", errors="surrogateescape") as tar:
        for member in tar:
            name = member.name.rstrip("/")
            if member.islnk():
                groups.setdefault(member.linkname, [member.linkname]).append(name)
                found[name] = found[member.linkname]
                continue
            facts = {"type": KINDS[member.type], "mode": member.mode & 0o7777, "owner": (member.uid, member.gid), "time": int(member.mtime)}
            if member.isfile():
                facts["content"] = hashlib.sha256(tar.extractfile(member).read()).hexdigest()
            if member.issym():
                facts["link"], facts["mode"] = member.linkname, 0o777
            found[name] = facts
    for names in groups.values():
        for name in names:
            found[name] = {**found[name], "same as": min(names, key=lambda each: [os.fsencode(part) for part in each.split("/")])}
    return found


def differences(ours, theirs, but=()):
    """What differs, a line each; facts named in `but` are not compared."""
    lines = []
    for path in sorted(set(ours) | set(theirs)):
        here, there = ours.get(path), theirs.get(path)
        if here is None or there is None:
            lines.append("%r: only in %s" % (path, "theirs" if here is None else "ours"))
            continue
        for fact in sorted(set(here) | set(there)):
            if fact not in but and here.get(fact) != there.get(fact):
                lines.append("%r: %s is %r, theirs %r" % (path, fact, here.get(fact), there.get(fact)))
    return lines


NAMES = ["a", "b", "c", "lib", "etc", "x y", "\u00fc", "u\u0308", "-", "...", "\u65e5\u672c", "n" * 120, "q'\"\\", "new\nline", "[*]?"]
MODES = [0o644, 0o600, 0o755, 0o4755, 0o2755, 0o1777, 0o444, 0o000]
DIRECTORY_MODES = [0o755, 0o700, 0o1777, 0o2755, 0o555]


class Stack:
    """Layers of random changes. `careful` ones keep to what all engines agree on (each parent is in the layer, nothing twice, hard links
    within a layer); the others also do what only unpackers to one directory can."""

    def __init__(self, seed, careful):
        self.random, self.careful = random.Random(seed), careful
        self.tree = {}  # path -> (TarInfo, content)
        self.layers = []

    def layer(self, changes):
        self.entries, self.touched, self.inside = [], set(), set()
        for _ in range(changes):
            self.random.choice([self.add] * OFTEN + [self.replace] * SELDOM + [self.remove] * SELDOM + [self.empty] + [self.link] * SELDOM)()
        if not self.careful:  # their place does not matter
            marks = [each for each in self.entries if ".wh." in each[0].name]
            self.entries = [each for each in self.entries if ".wh." not in each[0].name]
            for mark in marks:
                self.entries.insert(self.random.randrange(len(self.entries) + 1), mark)
        self.layers.append(self.entries)

    def directories(self):
        return [""] + [path for path, (info, _) in self.tree.items() if info.isdir() and path not in self.gone()]

    def gone(self):
        return {path for path in self.touched if path not in self.tree}

    def free_path(self):
        for _ in range(20):
            parent = self.random.choice(self.directories())
            path = os.path.join(parent, self.random.choice(NAMES) + self.random.choice(["", "1", "2"]))
            if path not in self.tree and path not in self.touched and path.count("/") < 12:
                return path
        return None

    def old_path(self, wanted=lambda info: True):
        """Something of a lower layer that nothing in this layer depends on."""
        paths = [path for path, (info, _) in self.tree.items() if wanted(info) and path not in self.touched and path not in self.inside
                 and not any(path.startswith(other + "/") for other in self.touched if not self.is_directory(other))]
        return self.random.choice(paths) if paths else None

    def is_directory(self, path):
        return path in self.tree and self.tree[path][0].isdir()

    def new_entry(self, path):
        kind = self.random.choice("dddfffffslp")
        owner = self.random.choice([(0, 0), (1000, 1000), (0, 42), (70000, 3)])
        if kind == "d":
            info, content = images.directory(path, self.random.choice(DIRECTORY_MODES))
        elif kind == "s":
            info, content = images.symlink(path, self.random.choice(["/etc/x", "../a", "nowhere", "\u00fc", "t" * 150]))
        elif kind == "p":
            info, content = images.entry(path, tarfile.FIFOTYPE, 0o640), b""
        else:
            xattrs = {"user.note": "value"} if self.random.random() < 0.2 else None
            content = self.random.randbytes(self.random.choice([0, 1, 511, 512, 513, 70_000]))
            info, content = images.file(path, content, self.random.choice(MODES), xattrs)
        info.uid, info.gid = owner
        info.mtime = self.random.randrange(1_000_000_000, 1_700_000_000)
        return info, content

    def put(self, path, made):
        self.name_parents(path)
        for below in [other for other in self.tree if other.startswith(path + "/")]:
            if not made[0].isdir():
                del self.tree[below]
        self.tree[path] = made
        self.touched.add(path)
        self.entries.append(made)

    def name_parents(self, path):
        parents = path.split("/")[:-1]
        for depth in range(1, len(parents) + 1):
            parent = "/".join(parents[:depth])
            self.inside.add(parent)
            if self.careful and parent not in self.touched:
                self.touched.add(parent)
                self.entries.append(self.tree[parent])

    def add(self):
        if path := self.free_path():
            self.put(path, self.new_entry(path))

    def replace(self):
        if path := self.old_path():
            self.put(path, self.new_entry(path))

    def forget(self, path):
        for other in [other for other in self.tree if other == path or other.startswith(path + "/")]:
            del self.tree[other]

    def remove(self):
        path = self.old_path()
        if not path:
            return
        self.name_parents(path)
        self.entries.append(images.whiteout(path))
        self.forget(path)
        self.touched.add(path)
        if not self.careful and self.random.random() < 0.5:  # hidden and made anew
            self.put(path, self.new_entry(path))

    def empty(self):
        path = self.old_path(lambda info: info.isdir())
        if path:
            made = self.tree[path]
            self.forget(path)
            self.put(path, made)
            self.entries.append(images.opaque(path))

    def link(self):
        candidates = [path for path, (info, _) in self.tree.items() if info.isreg() and (not self.careful or path in self.touched)]
        path = self.free_path()
        if not candidates or not path:
            return
        chosen = self.random.choice(candidates)
        self.touched.add(chosen)  # so that this layer does not remove it
        self.name_parents(chosen)
        target, content = self.tree[chosen]
        info = images.entry(path, tarfile.LNKTYPE, target.mode, chosen)
        info.uid, info.gid, info.mtime = target.uid, target.gid, target.mtime
        self.put(path, (info, content))

    def make(self, layers, changes):
        for _ in range(layers):
            self.layer(changes)
        return self.layers


def links_and_flips():
    """What only unpackers to one directory agree on: parents that are links of lower layers, hard links to lower layers."""
    return [
        [images.directory("usr"), images.directory("usr/lib"), images.symlink("lib", "usr/lib"), images.symlink("abs", "/usr/lib"),
         images.file("usr/lib/one", "1"), images.directory("flip"), images.file("flip/in", "x"), images.symlink("over", "usr")],
        [images.file("lib/two", "2"), images.file("abs/three", "3"), images.hard_link("four", "lib/one"), images.whiteout("lib/two-not"),
         images.file("flip", "now a file"), images.directory("over", 0o711), images.file("over/own", "y")],
        [images.whiteout("lib/one"), images.directory("flip"), images.symlink("over", "flip"), images.file("over/through", "z"),
         images.file("./dotted", "."), images.file("/absolute", "/"), images.file("usr/../up", "..")],
    ]

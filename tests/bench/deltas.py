"""A tarball of which one small layer changed: the difference written, and applied. Peers compare bytes without knowing what a layer is."""

import os
import shutil

import measure


class Deltas:
    def __init__(self, bench, cooper):
        self.bench, self.cooper = bench, cooper

    def prepare(self):
        """Real layers, stored plain (a gigabyte), and a layer of small files on top, of which one in a hundred changed."""
        self.home = self.bench.workspace.directory("deltas")
        self.old, self.new = os.path.join(self.home, "old.tar"), os.path.join(self.home, "new.tar")
        tree = os.path.join(self.home, "tree")
        shutil.copytree(self.bench.tree, tree)
        self.append(tree, self.old)
        paths = sorted(os.path.join(folder, name) for folder, _, names in os.walk(tree) for name in names)
        for path in paths[::100]:
            with open(path, "ab") as out:
                out.write(b"changed\n")
        self.append(tree, self.new)
        shutil.rmtree(tree)
        for steps in self.delta(self.home).values():
            if shutil.which(steps[0]):
                measure.run(steps, self.bench.environment, [], self.bench.workspace.path)
        sizes = {"new": os.path.getsize(self.new), **{name: os.path.getsize(path) for name, path in self.files(self.home).items() if os.path.exists(path)}}
        print("sizes of deltas: " + ", ".join("%s %.1f MB" % (name, size / 1e6) for name, size in sizes.items()), flush=True)

    def append(self, tree, out):
        pressed = out + ".gz"
        measure.run([[self.cooper, "append", self.bench.real, "--layer", tree + ":/srv/app", "--tag", "app:1", "-o", pressed, "--no-store", "--quiet"],
                     [self.cooper, "pull", "docker-archive:" + pressed, out, "--layers", "uncompressed", "--no-store", "--quiet"]],
                    self.bench.environment, [], self.bench.workspace.path)
        os.unlink(pressed)

    def files(self, folder):
        return {name: os.path.join(folder, "delta." + name) for name in ("cooper", "zstd", "xdelta3", "rsync")}

    def delta(self, folder=None):
        # bsdiff is left out: it takes 17 times the old file's size in memory.
        out = self.files(folder or self.bench.out)
        return {"cooper": [self.cooper, "delta", self.old, self.new, "-o", out["cooper"], "--quiet"],
                "zstd": ["zstd", "-q", "-f", "-T0", "--long=31", "--patch-from=" + self.old, self.new, "-o", out["zstd"]],
                "xdelta3": ["xdelta3", "-q", "-f", "-e", "-B", str(1 << 30), "-s", self.old, self.new, out["xdelta3"]],
                "rsync": ["rsync", "--no-whole-file", "--only-write-batch=" + out["rsync"], self.new, self.old]}

    def apply(self):
        delta, out = self.files(self.home), self.bench.fresh("applied")
        return {"cooper": [self.cooper, "apply", self.old, delta["cooper"], "-o", out, "--quiet"],
                "zstd": ["zstd", "-q", "-d", "--long=31", "--memory=2048MB", "--patch-from=" + self.old, delta["zstd"], "-o", out + "z"],
                "xdelta3": ["xdelta3", "-q", "-d", "-B", str(1 << 30), "-s", self.old, delta["xdelta3"], out + "x"],
                "rsync": [["cp", self.old, out + "r"], ["rsync", "--read-batch=" + delta["rsync"], out + "r"]],
                "limit: cp": ["cp", self.old, out + "c"], "limit: sha256sum": ["sha256sum", self.old]}

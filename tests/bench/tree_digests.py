"""Flows over directories: what a tree's content hash costs, read for the first time and when nothing changed."""

import os
import random
import subprocess

LARGE_FILES = 5
LARGE_FILE = 134 << 20
TEXT = 40 << 20  # of a large file: lines; the rest is random

# xargs starts the next sha256sum when one ends: parts small enough that both cores end together.
SHA256SUM = 'cd "$1" && find . -type f -print0 | xargs -0 -P"$2" -n"$3" sha256sum >"$4"'
HASH_OBJECT = 'cd "$1" && find . -type f | git hash-object --stdin-paths --no-filters >"$2"'


def make_large_files(directory):
    source = random.Random(5)
    line = b"".join(b"%08x some line of text as logs have it\n" % n for n in range(4096))
    for number in range(LARGE_FILES):
        with open(os.path.join(directory, "large-%d" % number), "wb") as out:
            for _ in range(TEXT // len(line)):
                out.write(line)
            while out.tell() < LARGE_FILE:
                out.write(source.randbytes(min(1 << 20, LARGE_FILE - out.tell())))
    return directory


class Trees:
    """`tree` has many small files, `large` a few large ones; `home` takes what is remembered, repositories too."""

    def __init__(self, cooper, tree, large, home):
        self.cooper, self.tree, self.large, self.home = cooper, tree, large, home

    def hashing(self, directory, per_call):
        """Every contestant reads every byte."""
        out = os.path.join(self.home, "sums")
        return {
            "cooper": self.tags("cooper", directory) + ["--no-cache"],
            "cooper, profile v1": self.tags("v1", directory) + ["--no-cache"],
            "sha256sum": ["sh", "-c", SHA256SUM, "sh", directory, "1", "100000", out],
            "sha256sum x2": ["sh", "-c", SHA256SUM, "sh", directory, "2", str(per_call), out],
            "git hash-object": ["sh", "-c", HASH_OBJECT, "sh", directory, out],
            "dirhash": ["dirhash", directory, "-a", "sha256"],
        }

    def digest(self):
        return self.hashing(self.tree, 500)

    def digest_large(self):
        return self.hashing(self.large, 1)

    def unchanged(self):
        """cooper has its memory from the warm-up, git its index; the others know no shorter way than to read."""
        repository = self.repository()
        read = self.digest()
        return {
            "cooper": self.tags("cooper", self.tree),
            "cooper, profile v1": self.tags("v1", self.tree),
            "git diff-files": repository + ["diff-files", "--quiet"],
            "git status": repository + ["status", "--porcelain"],
            "sha256sum x2": read["sha256sum x2"],
            "dirhash": read["dirhash"],
        }

    def tags(self, profile, directory):
        where = ["--root", directory] if profile == "cooper" else ["--root", os.path.dirname(directory), "--source", os.path.basename(directory)]
        return [self.cooper, "tags", "--profile", profile, "--version", "1", "--base", "scratch", *where, "--quiet"]

    def repository(self):
        """The tree as it was committed, with the repository outside of it."""
        git = ["git", "--git-dir", os.path.join(self.home, "tree.git"), "--work-tree", self.tree]
        if not os.path.exists(git[2]):
            for step in (["init", "--quiet"], ["add", "--all"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "bench"]):
                subprocess.run(git + step, check=True, cwd=self.tree, stdout=subprocess.DEVNULL)
        return git

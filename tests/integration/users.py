"""Ordinary users for a test, taken away afterwards."""

import os
import shutil
import subprocess

from services import Unavailable, needs_root

FIRST_SUBORDINATE, LAST_SUBORDINATE = 700000, 765535


class UserOfTheTest:
    """A user of our own, with or without a range in /etc/subuid and /etc/subgid."""

    def __init__(self, ranges):
        needs_root("another user")
        for program in ("setpriv", "useradd", "userdel", "newuidmap"):
            if not shutil.which(program):
                raise Unavailable("there is no %s" % program)
        self.name = "cooper%d%s" % (os.getpid() % 100000, "r" if ranges else "s")
        subprocess.run(["useradd", "--system", "--no-create-home", "--shell", "/bin/sh", self.name], check=True)
        if ranges:
            ids = "%d-%d" % (FIRST_SUBORDINATE, LAST_SUBORDINATE)
            subprocess.run(["usermod", "--add-subuids", ids, "--add-subgids", ids, self.name], check=True)
        entry = subprocess.run(["id", "-u", self.name], capture_output=True, text=True, check=True)
        self.uid = int(entry.stdout)

    def close(self):
        subprocess.run(["userdel", "--force", self.name], check=False, stderr=subprocess.DEVNULL)

    def prefix(self):
        """What a command line begins with to be run by this user."""
        return ["setpriv", "--reuid", self.name, "--regid", self.name, "--clear-groups"]

    def give(self, top):
        """All below `top` becomes the user's, modes as they are (chown takes setuid away)."""
        for directory, names, files in os.walk(top):
            for path in [directory, *(os.path.join(directory, name) for name in [*names, *files])]:
                status = os.lstat(path)
                os.chown(path, self.uid, -1, follow_symlinks=False)
                if not os.path.islink(path):
                    os.chmod(path, status.st_mode & 0o7777)

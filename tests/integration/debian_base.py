"""A Debian root file system as debootstrap makes it, with apt: the base image of builds with real packages.

Made by mmdebstrap from the package mirrors of this machine, once a month, and kept in $COOPER_TEST_CACHE.
"""

import os
import re
import shutil
import subprocess
import tarfile
import time
import urllib.request

import images
from real_image import cache_directory
from services import Unavailable, program

SUITE, VARIANT = "bookworm", "minbase"
TIME_LIMIT = 300
REACH_SECONDS = 20
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def tarball():
    """The path of the tar. Raises Unavailable without mmdebstrap or mirrors."""
    path = os.path.join(cache_directory(), "%s-%s-%s.tar" % (SUITE, VARIANT, time.strftime("%Y%m")))
    if not os.path.exists(path):
        partial = "%s.%d.tar" % (path[:-4], os.getpid())
        try:
            subprocess.run([program("mmdebstrap"), "--quiet", "--variant=" + VARIANT, SUITE, partial], check=True, timeout=TIME_LIMIT,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as reason:
            raise Unavailable("mmdebstrap: %s" % reason) from reason
        os.rename(partial, path)
    return path


def layout():
    """An OCI layout that has it as tag "debian", kept beside the tar: compressing it takes longer than most builds."""
    tar = tarball()
    path = tar[:-4] + ".layout"
    if not os.path.exists(path):
        partial = "%s.%d" % (path, os.getpid())
        try:
            made = images.Layout(partial)
            with open(tar, "rb") as data:
                layer = made.layer(data.read())
            made.image([layer], tag="debian", config={"Env": [PATH], "Cmd": ["bash"]})
            os.rename(partial, path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return path


def reach_mirror():
    """Raises Unavailable where the mirror that the base image names cannot be reached."""
    with tarfile.open(tarball()) as tar:
        sources = tar.extractfile("./etc/apt/sources.list").read().decode()
    mirror = re.search(r"https?://\S+", sources)[0].rstrip("/")
    try:
        with urllib.request.urlopen("%s/dists/%s/Release" % (mirror, SUITE), timeout=REACH_SECONDS) as reply:
            reply.read(1)
    except OSError as reason:
        raise Unavailable("%s cannot be reached: %s" % (mirror, reason)) from reason

"""A Debian root file system as debootstrap makes it, with apt: the base image of builds with real packages.

Made by mmdebstrap from the package mirrors of this machine, once a month, and kept in $COOPER_TEST_CACHE.
"""

import os
import subprocess
import time

from real_image import cache_directory
from services import Unavailable, program

SUITE, VARIANT = "bookworm", "minbase"
TIME_LIMIT = 300


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

"""A Debian root file system with its packages in several layers, 1 GB and more: made from the packages of this machine.

The first layer holds the essential packages, the others the rest in layers of about LAYER_BYTES. It is made once a machine and kept in
$COOPER_TEST_CACHE (default: ~/.cache/cooper-tests), since compressing it takes most of a minute.
"""

import concurrent.futures
import hashlib
import os
import shutil
import subprocess
import tarfile

import images
from services import Unavailable, program

WANTED_BYTES = 1_300_000_000
LAYER_BYTES = 160_000_000
FREE_BYTES = 4_000_000_000
MERGED = ("bin", "lib", "lib64", "sbin")  # symlinks into /usr
VERSION = 2  # of this recipe: part of the name in the cache


def cache_directory():
    base = os.environ.get("COOPER_TEST_CACHE") or os.path.join(os.path.expanduser("~"), ".cache", "cooper-tests")
    os.makedirs(base, exist_ok=True)
    return base


def packages():
    """Installed packages as (name, KiB), the essential ones first and separate."""
    lines = subprocess.run([program("dpkg-query"), "-W", "-f", "${binary:Package}\t${Essential}\t${Priority}\t${Installed-Size}\n"],
                           stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
    essential, others = [], []
    for line in lines:
        name, is_essential, priority, size = line.split("\t")
        (essential if is_essential == "yes" or priority == "required" else others).append((name, int(size or 0) * 1024))
    return essential, others


def cut_into_layers():
    """Lists of package names, one list a layer."""
    essential, others = packages()
    layers, sizes = [[name for name, _ in essential]], [sum(size for _, size in essential)]
    for name, size in others:
        if sum(sizes) > WANTED_BYTES:
            break
        if len(layers) == 1 or sizes[-1] > LAYER_BYTES:
            layers.append([])
            sizes.append(0)
        layers[-1].append(name)
        sizes[-1] += size
    return layers


def files_of(names):
    listed = subprocess.run([program("dpkg-query"), "-L", *names], stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
    return sorted({line.rstrip("/") for line in listed if line.startswith("/") and line != "/."})


def real_paths(names):
    """Where the packages' files lie, each once. A merged /usr: dpkg says /bin/sh, the file lies in /usr/bin."""
    listed = {os.path.join(os.path.realpath(os.path.dirname(name)), os.path.basename(name)) for name in files_of(names)}
    merged = {"/" + link for link in MERGED}
    return sorted(path for path in listed - merged if os.path.lexists(path) and (os.path.islink(path) or os.access(path, os.R_OK))
                  and not path.startswith(("/dev/", "/proc/", "/sys/")))


def write_layer(job):
    """A gzip layer of the packages' files as dpkg has put them on this machine; returns (tar digest, gzip path)."""
    names, out_path, with_usr_links = job
    tar_path = out_path + ".tar"
    with tarfile.open(tar_path, "w", format=tarfile.PAX_FORMAT, bufsize=1 << 20) as tar:
        if with_usr_links:
            for link in MERGED:
                if os.path.islink("/" + link):
                    tar.add("/" + link, link, recursive=False)
        for path in real_paths(names):
            tar.add(path, path[1:], recursive=False)
    digest = hashlib.sha256()
    with open(tar_path, "rb") as data:
        while chunk := data.read(1 << 20):
            digest.update(chunk)
    with open(out_path, "xb") as out:
        subprocess.run([program("gzip"), "-1", "-n", "-c", tar_path], stdout=out, check=True)
    size = os.path.getsize(tar_path)
    os.unlink(tar_path)
    return "sha256:" + digest.hexdigest(), size


def make(path):
    layout = images.Layout(path)
    jobs = [(names, os.path.join(path, "layer-%d" % n), n == 0) for n, names in enumerate(cut_into_layers())]
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        made = list(pool.map(write_layer, jobs))
    layers, total = [], 0
    for (_, layer, _), (diff_id, size) in zip(jobs, made):
        digest = hashlib.sha256()
        with open(layer, "rb") as data:
            while chunk := data.read(1 << 20):
                digest.update(chunk)
        compressed = os.path.getsize(layer)
        os.rename(layer, os.path.join(layout.blobs, digest.hexdigest()))
        layers.append(({"mediaType": images.GZIP, "digest": "sha256:" + digest.hexdigest(), "size": compressed}, diff_id))
        total += size
    layout.image(layers, tag="real", config={"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["/bin/bash"]})
    with open(os.path.join(path, "tar-bytes"), "w", encoding="ascii") as out:
        out.write(str(total))


def layout_path():
    """The layout's directory (tag "real"), made when it is not there, and the bytes of its layers when unpacked."""
    key = hashlib.sha256(repr((packages(), WANTED_BYTES, LAYER_BYTES, VERSION)).encode()).hexdigest()[:16]
    path = os.path.join(cache_directory(), "real-" + key)
    if not os.path.exists(os.path.join(path, "tar-bytes")):
        if shutil.disk_usage(cache_directory()).free < FREE_BYTES:
            raise Unavailable("a real image needs %d MB in %s" % (FREE_BYTES >> 20, cache_directory()))
        unfinished = path + ".%d" % os.getpid()
        try:
            make(unfinished)
            os.rename(unfinished, path)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    with open(os.path.join(path, "tar-bytes"), encoding="ascii") as size:
        return path, int(size.read())

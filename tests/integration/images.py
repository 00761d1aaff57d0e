"""Test images, written byte by byte as OCI layouts, so that no tool under test has made its own input.

Layer entries are tuples: directory(path), file(path, content), symlink(path, to), hard_link(path, to), whiteout(path), opaque(path).
"""

import gzip
import hashlib
import io
import json
import os
import tarfile

from services import call, program

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
PLAIN = "application/vnd.oci.image.layer.v1.tar"
ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
EPOCH = 1_700_000_000


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def entry(path, kind=tarfile.REGTYPE, mode=0o644, link="", xattrs=None, size=0):
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.linkname, info.size, info.mtime = kind, mode, link, size, EPOCH
    info.pax_headers = {"SCHILY.xattr." + name: value for name, value in (xattrs or {}).items()}
    return info


def directory(path, mode=0o755):
    return entry(path, tarfile.DIRTYPE, mode), b""


def file(path, content, mode=0o644, xattrs=None):
    content = content if isinstance(content, bytes) else content.encode()
    return entry(path, mode=mode, xattrs=xattrs, size=len(content)), content


def symlink(path, to):
    return entry(path, tarfile.SYMTYPE, 0o777, to), b""


def hard_link(path, to):
    return entry(path, tarfile.LNKTYPE, 0o644, to), b""


def whiteout(path):
    head, name = os.path.split(path)
    return file(os.path.join(head, ".wh." + name), b"")


def opaque(path):
    return file(os.path.join(path, ".wh..wh..opq"), b"")


def layer_tar(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


class Layout:
    """An OCI layout directory under construction."""

    def __init__(self, path):
        self.path = path
        self.blobs = os.path.join(path, "blobs", "sha256")
        os.makedirs(self.blobs, exist_ok=True)
        with open(os.path.join(path, "oci-layout"), "w", encoding="ascii") as marker:
            marker.write('{"imageLayoutVersion":"1.0.0"}')
        self.roots = []

    def blob(self, data, media_type):
        digest = sha256(data)
        with open(os.path.join(self.blobs, digest.split(":")[1]), "wb") as out:
            out.write(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def layer(self, tar, form=GZIP):
        """A layer's descriptor and diff ID."""
        if form == GZIP:
            data = gzip.compress(tar, compresslevel=1, mtime=0)
        elif form == ZSTD:
            data = call_filter("zstd", tar)
        else:
            data = tar
        return self.blob(data, form), sha256(tar)

    def image(self, layers, architecture="amd64", variant="", tag=None, config=None):
        """An image of (descriptor, diff ID) pairs; its manifest descriptor. `tag` makes it a root of the layout."""
        document = {"created": "2023-11-14T22:13:20Z", "architecture": architecture, "os": "linux", "config": config or {},
                    "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
                    "history": [{"created": "2023-11-14T22:13:20Z", "created_by": "layer %d" % n} for n in range(len(layers))]}
        if variant:
            document["variant"] = variant
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": self.blob(encode(document), CONFIG),
                    "layers": [descriptor for descriptor, _ in layers]}
        return self.root(self.blob(encode(manifest), MANIFEST), tag)

    def index(self, platforms, tag):
        """An index over {platform text: manifest descriptor}."""
        entries = []
        for text, descriptor in platforms.items():
            system, architecture, *variant = text.split("/")
            platform = {"architecture": architecture, "os": system}
            if variant:
                platform["variant"] = variant[0]
            entries.append({**descriptor, "platform": platform})
        return self.root(self.blob(encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}), INDEX), tag)

    def root(self, descriptor, tag):
        if tag:
            self.roots.append({**descriptor, "annotations": {"org.opencontainers.image.ref.name": tag}})
            with open(os.path.join(self.path, "index.json"), "wb") as out:
                out.write(encode({"schemaVersion": 2, "manifests": self.roots}))
        return descriptor

    def read(self, digest):
        with open(os.path.join(self.blobs, digest.split(":")[1]), "rb") as data:
            return data.read()


def encode(document):
    return json.dumps(document, separators=(",", ":")).encode()


def call_filter(tool, data, *arguments):
    import subprocess
    return subprocess.run([program(tool), "-q", "-c", *arguments], input=data, stdout=subprocess.PIPE, check=True).stdout


def push(layout, tag, target, credentials="", authority=None, everything=False):
    """Copies TAG of a layout to a registry (`host:port/name:tag`), manifests byte for byte."""
    options = ["--all"] if everything else []
    if credentials:
        options += ["--dest-creds", credentials]
    environment = dict(os.environ, **({"SSL_CERT_FILE": authority.certificate} if authority else {}))
    if authority is None:
        options.append("--dest-tls-verify=false")
    call(program("skopeo"), "--insecure-policy", "copy", "--quiet", "--preserve-digests", *options, "oci:%s:%s" % (layout.path, tag),
         "docker://" + target, env=environment)


def many_traits():
    """Layers that hold what real images trip over: three of them, each (name, entries)."""
    long_name = "srv/" + "/".join("a-directory-with-a-long-name-%02d" % n for n in range(8)) + "/the end"
    very_long_target = "/".join(["deep"] * 60)
    base = [
        directory("etc"), file("etc/os-release", "ID=test\n"), directory("usr"), directory("usr/bin"), symlink("bin", "usr/bin"),
        file("usr/bin/tool", b"\x7fELF" + bytes(range(256)) * 64, mode=0o4755),
        hard_link("usr/bin/tool-too", "usr/bin/tool"), directory("var"), directory("var/cache"), file("var/cache/old", "old\n"),
        directory("opt"), directory("opt/gone"), file("opt/gone/one", "1"), file("opt/gone/two", "2"),
        directory("tmp", 0o1777),
    ]
    middle = [
        file("usr/bin/capable", b"#!/bin/sh\n", mode=0o755, xattrs={"user.note": "kept", "security.capability": CAPABILITY}),
        *[directory("/".join(long_name.split("/")[:n])) for n in range(1, len(long_name.split("/")))],
        file(long_name, "long\n"), symlink("etc/far", very_long_target), file("etc/gr\u00fc\u00dfe", "hello\n"), file("etc/empty", ""),
        whiteout("var/cache/old"),
    ]
    top = [directory("opt"), directory("opt/gone"), opaque("opt/gone"), file("opt/gone/three", "3"), file("etc/os-release", "ID=test\nV=2\n")]
    return [("base", base), ("middle", middle), ("top", top)]


# cap_net_bind_service+ep, revision 2 (linux/capability.h: struct vfs_cap_data).
CAPABILITY = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"


def traits_image(layout, tag, forms=(GZIP, PLAIN, GZIP)):
    layers = [layout.layer(layer_tar(entries), form) for (_, entries), form in zip(many_traits(), forms)]
    return layout.image(layers, tag=tag, config={"Env": ["PATH=/usr/bin"], "Cmd": ["/usr/bin/tool"]})

"""What engines and tools say about images: what they report of one that they were given, and what its command prints."""

import hashlib
import json
import os
import subprocess

from services import UnixConnection, call, program


def load_with_dockerd(docker, path, reference):
    """(config digest, diff IDs) as dockerd sees them."""
    with open(path, "rb") as archive:
        status, said = docker.request("POST", "/images/load?quiet=1", archive, {"Content-Type": "application/x-tar", "Content-Length": str(os.path.getsize(path))})
    if status != 200 or b"error" in said.lower():
        raise AssertionError("dockerd: %d %s" % (status, said.decode(errors="replace")))
    status, said = docker.request("GET", "/images/%s/json" % reference)
    if status != 200:
        raise AssertionError("dockerd does not know %s after loading: %s" % (reference, said.decode()))
    image = json.loads(said)
    return image["Id"], image["RootFS"]["Layers"] or []


def load_with_podman(podman, path, reference):
    podman("load", "--quiet", "-i", path)
    image = json.loads(podman("image", "inspect", reference))[0]
    return "sha256:" + image["Id"].replace("sha256:", ""), image["RootFS"]["Layers"] or []


def read_with_skopeo(path, reference):
    """skopeo also reads every layer when it copies; inspect alone would not notice a wrong one."""
    source = "docker-archive:%s:%s" % (path, reference)
    config = subprocess.run([program("skopeo"), "inspect", "--config", "--raw", source], stdout=subprocess.PIPE, check=True).stdout
    return "sha256:" + hashlib.sha256(config).hexdigest(), json.loads(config)["rootfs"]["diff_ids"]


def load_with_ctr(containerd, path, reference):
    """(digest of the manifest that the name points to): containerd keeps ours as it is."""
    containerd.ctr("images", "import", "--snapshotter", "native", "--all-platforms", "--digests", path)
    for line in containerd.ctr("images", "ls").splitlines():
        if line.startswith(reference + " "):
            return line.split()[2]
    raise AssertionError("ctr does not know %s after import" % reference)


def unpack_with_umoci(path, directory, reference):
    """The root file system that an OCI runtime would see."""
    os.makedirs(directory)
    layout, bundle = os.path.join(directory, "layout"), os.path.join(directory, "bundle")
    call(program("skopeo"), "--insecure-policy", "copy", "--quiet", "docker-archive:%s:%s" % (path, reference), "oci:%s:t" % layout)
    rootless = [] if os.geteuid() == 0 else ["--rootless"]
    call(program("umoci"), "unpack", *rootless, "--image", layout + ":t", bundle)
    return os.path.join(bundle, "rootfs")


class Engine:
    """An engine behind docker's API, which podman speaks too."""

    def __init__(self, socket):
        self.socket = socket

    def request(self, method, path, body=None):
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, "/v1.41" + path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def inspect(self, name):
        status, said = self.request("GET", "/images/%s/json" % name)
        return json.loads(said) if status == 200 else None

    def ids(self, names):
        return {name: (self.inspect(name) or {}).get("Id") for name in names}

    def names(self, repository):
        listed = json.loads(self.request("GET", "/images/json")[1])
        return sorted(name for image in listed for name in image["RepoTags"] or [] if name.startswith(repository + ":"))

    def layers(self, name):
        return self.inspect(name)["RootFS"]["Layers"]

    def run(self, name, *command):
        """What the image's command says."""
        # podman would raise the limits of open files and processes, which a container around it may forbid.
        limits = [{"Name": limit, "Soft": 1024, "Hard": 1024} for limit in ("nofile", "nproc")]
        body = {"Image": name, "HostConfig": {"NetworkMode": "none", "Ulimits": limits}, "Tty": True}
        if command:
            body["Cmd"] = list(command)
        status, said = self.request("POST", "/containers/create", body)
        assert status == 201, said
        container = json.loads(said)["Id"]
        status, said = self.request("POST", "/containers/%s/start" % container)
        assert status in (204, 304), said
        self.request("POST", "/containers/%s/wait" % container)
        output = self.request("GET", "/containers/%s/logs?stdout=1&stderr=1" % container)[1].decode()
        self.request("DELETE", "/containers/%s?force=1" % container)
        return output.replace("\r\n", "\n")

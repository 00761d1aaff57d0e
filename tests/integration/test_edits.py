"""Edited images, seen by other eyes than cooper's: skopeo, umoci, podman, dockerd and a real registry."""

import hashlib
import json
import os
import stat
import subprocess

import engines
import harness
import images
from services import Containerd, Dockerd, Podman, Registry, call, program

KNOWN = {"Env": ["PATH=/usr/bin", "A=1"], "Cmd": ["/usr/bin/tool"], "Labels": {"keep": "1", "drop": "2"}, "OnBuild": ["RUN x"],
         "ExposedPorts": {"80/tcp": {}}, "com.example.unknown": {"number": 10}}


def skopeo(*arguments):
    return subprocess.run([program("skopeo"), "--insecure-policy", *arguments], stdout=subprocess.PIPE, check=True).stdout


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def traits():
    """Hard links repeat their file's mode, as real layers have it: where they do not, umoci keeps the file's and docker takes the link's."""
    layers = [entries for _, entries in images.many_traits()]
    for entries in layers:
        for info, _ in entries:
            if info.islnk():
                info.mode = next(other.mode for other, _ in entries if other.name == info.linkname)
    return layers


def tree_of(root):
    """Path -> all that an unpacked file says of itself; hard links by the names that share an inode."""
    found, inodes = {}, {}
    for directory, directories, files in os.walk(root):
        for name in directories + files:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            key = os.path.relpath(path, root)
            content = b""
            if stat.S_ISREG(status.st_mode):
                with open(path, "rb") as data:
                    content = data.read()
                inodes.setdefault(status.st_ino, set()).add(key)
            elif stat.S_ISLNK(status.st_mode):
                content = os.readlink(path).encode()
            xattrs = {name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)}
            found[key] = (status.st_mode, status.st_uid, status.st_gid, int(status.st_mtime) if not stat.S_ISDIR(status.st_mode) else 0, content, xattrs)
    return found, sorted(map(sorted, inodes.values()))


class Edits(harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.registry = harness.start(Registry, cls.workspace)
        cls.layout = images.Layout(cls.workspace.directory("layout"))
        tars = [images.layer_tar(entries) for entries in traits()]
        cls.traits = [cls.layout.layer(tar, form) for tar, form in zip(tars, (images.GZIP, images.ZSTD, images.GZIP))]
        cls.layout.image(cls.traits, tag="app", config=KNOWN)
        cls.gzip = [cls.layout.layer(tar) for tar in tars]
        cls.layout.image(cls.gzip, tag="gzip", config=KNOWN)
        cls.source = "oci:%s:app" % cls.layout.path

    def at(self, name):
        return "%s/edits/%s" % (self.registry.address, name)

    def in_registry(self, name):
        images.push(self.layout, "app", self.at(name))
        return self.at(name)

    def config_of(self, reference):
        return json.loads(skopeo("inspect", "--tls-verify=false", "--config", "--raw", "docker://" + reference))

    def manifest_of(self, reference):
        return json.loads(skopeo("inspect", "--tls-verify=false", "--raw", "docker://" + reference))

    def unpacked(self, place):
        """What umoci makes of an image in a layout."""
        target = os.path.join(self.workspace.directory("unpacked"), hashlib.sha256(place.encode()).hexdigest()[:12])
        rootless = [] if os.geteuid() == 0 else ["--rootless"]
        call(program("umoci"), "unpack", *rootless, "--image", place, target)
        return tree_of(os.path.join(target, "rootfs"))

    def test_a_config_edited_in_a_registry(self):
        source, target = self.in_registry("config:1"), self.at("config:2")
        self.cooper("config", source, target, "--env", "A=9", "--env", "TOKEN=hunter2", "--unset-label", "drop", "--label", "new=x", "--user", "1000:1000",
                    "--workdir", "/srv", "--entrypoint", '["/usr/bin/tool", "-x"]', "--expose", "8080-8081", "--unset-port", "80", "--volume", "/data",
                    "--stop-signal", "SIGQUIT", "--health-cmd", "tool --check", "--health-interval", "1m30s", "--author", "Ada",
                    "--created", "2024-02-03T04:05:06Z", SOURCE_DATE_EPOCH="1700000000")
        before, after = self.config_of(source), self.config_of(target)
        self.assertEqual(after["config"], {
            "Env": ["PATH=/usr/bin", "A=9", "TOKEN=hunter2"], "Cmd": None, "Labels": {"keep": "1", "new": "x"}, "OnBuild": ["RUN x"],
            "ExposedPorts": {"8080/tcp": {}, "8081/tcp": {}}, "com.example.unknown": {"number": 10}, "Entrypoint": ["/usr/bin/tool", "-x"],
            "WorkingDir": "/srv", "User": "1000:1000", "Volumes": {"/data": {}}, "StopSignal": "SIGQUIT",
            "Healthcheck": {"Test": ["CMD-SHELL", "tool --check"], "Interval": 90_000_000_000}})
        self.assertEqual(after["history"][:-1], before["history"])
        self.assertTrue(after["history"][-1]["empty_layer"])
        self.assertNotIn("hunter2", json.dumps(after["history"]))
        self.assertEqual((after["author"], after["created"], after["rootfs"]), ("Ada", "2024-02-03T04:05:06Z", before["rootfs"]))
        self.assertEqual(self.manifest_of(target)["layers"], self.manifest_of(source)["layers"])
        # The same edit again changes nothing.
        again = self.cooper("config", target, self.at("config:3"), "--user", "1000:1000", "--json").json
        self.assertEqual(again["digest"], digest_of(skopeo("inspect", "--tls-verify=false", "--raw", "docker://" + target)))

    def test_flattened_images_unpack_to_the_same_files(self):
        flat = os.path.join(self.workspace.directory("flat"), "layout")
        for kind, name in (("gzip", "gz"), ("zstd", "zst")):
            self.cooper("flatten", self.source, "oci:%s:%s" % (flat, name), "--compression", kind)
        gz, zst = [json.loads(skopeo("inspect", "--raw", "oci:%s:%s" % (flat, name))) for name in ("gz", "zst")]
        self.assertEqual([layer["mediaType"] for layer in gz["layers"] + zst["layers"]], [images.GZIP, images.ZSTD])
        self.assertEqual(gz["config"], zst["config"])
        config = json.loads(skopeo("inspect", "--config", "--raw", "oci:%s:gz" % flat))
        self.assertEqual((config["config"], len(config["history"])), (KNOWN, 1))
        (flattened, flat_links), (layered, links) = self.unpacked(flat + ":gz"), self.unpacked(self.layout.path + ":gzip")
        self.assertEqual(sorted(flattened), sorted(layered))
        for path, state in layered.items():
            self.assertEqual(flattened[path], state, path)
        self.assertEqual(flat_links, links)
        # Twice the same, and what the library's own comparison says of both.
        done = self.cooper("flatten", "oci:%s:gz" % flat, "oci:%s:again" % flat, "--json").json
        self.assertEqual(done["digest"], digest_of(skopeo("inspect", "--raw", "oci:%s:gz" % flat)))
        self.assertEqual(self.cooper("diff", self.source, "oci:%s:zst" % flat, "--json", expect=1).json["files"], [])

    def test_engines_load_edited_images(self):
        archive = os.path.join(self.workspace.directory("archives"), "edited.tar")
        self.cooper("flatten", self.source, "docker-archive:%s:acme/flat:1" % archive)
        expected = engines.read_with_skopeo(archive, "acme/flat:1")
        self.assertEqual(len(expected[1]), 1)
        containerd = harness.start(Containerd, self.workspace)
        docker = harness.start(Dockerd, self.workspace, containerd)
        self.assertEqual(engines.load_with_dockerd(docker, archive, "acme/flat:1"), expected)
        # From the engine and back into it.
        self.cooper.environment["DOCKER_HOST"] = "unix://" + docker.socket
        self.cooper("config", "docker-daemon:acme/flat:1", "docker-daemon:acme/flat:2", "--label", "edited=yes")
        status, said = docker.request("GET", "/images/acme/flat:2/json")
        self.assertEqual((status, json.loads(said)["Config"]["Labels"]), (200, {"keep": "1", "drop": "2", "edited": "yes"}))
        podman = harness.start(Podman, self.workspace)
        self.assertEqual(engines.load_with_podman(podman, archive, "docker.io/acme/flat:1"), expected)

    def test_rebase_between_places(self):
        def base(version, links):
            entries = [images.directory("usr"), images.directory("usr/lib"), *links, images.file("version", version)]
            return self.layout.layer(images.layer_tar(entries))
        old_base = base("1", [images.symlink("lib", "usr/lib")])
        new_base, split_base = base("2", [images.symlink("lib", "usr/lib")]), base("3", [images.directory("lib")])
        own = self.layout.layer(images.layer_tar([images.file("usr/lib/app.so", "app")]), images.ZSTD)
        self.layout.image([old_base], tag="old", config={"Env": ["PATH=/bin", "BASE=1"], "Labels": {"version": "1"}})
        self.layout.image([new_base], tag="new", config={"Env": ["PATH=/bin", "BASE=2"], "Labels": {"version": "2"}})
        self.layout.image([split_base], tag="split")
        self.layout.image([old_base, own], tag="on-old", config={"Env": ["PATH=/app:/bin", "BASE=1"], "Labels": {"version": "1", "app": "x"}})
        images.push(self.layout, "on-old", self.at("rebase:1"))
        self.cooper("rebase", self.at("rebase:1"), self.at("rebase:2"), "oci:%s:old" % self.layout.path, "oci:%s:new" % self.layout.path)
        after = self.config_of(self.at("rebase:2"))
        self.assertEqual(after["config"], {"Env": ["PATH=/app:/bin", "BASE=2"], "Labels": {"version": "2", "app": "x"}})
        self.assertEqual(after["rootfs"]["diff_ids"], [new_base[1], own[1]])
        self.assertEqual([layer["digest"] for layer in self.manifest_of(self.at("rebase:2"))["layers"]], [new_base[0]["digest"], own[0]["digest"]])
        warned = self.cooper("rebase", self.at("rebase:1"), self.at("rebase:3"), "oci:%s:old" % self.layout.path, "oci:%s:split" % self.layout.path)
        self.assertIn("/lib was a link to /usr/lib", warned.err)
        refused = self.cooper("rebase", self.at("rebase:1"), self.at("rebase:4"), "oci:%s:new" % self.layout.path, "oci:%s:old" % self.layout.path, expect=1)
        self.assertIn("layer 1 of 1", refused.err)

    def test_indexes_and_annotations(self):
        self.layout.image(self.gzip[:1], architecture="arm64", variant="v8", tag="arm")
        made = self.at("index:1")
        self.cooper("index", "make", made, "oci:%s:gzip" % self.layout.path, "oci:%s:arm" % self.layout.path, "--annotation", "org.example=made")
        index = self.manifest_of(made)
        self.assertEqual([entry["platform"] for entry in index["manifests"]],
                         [{"architecture": "amd64", "os": "linux"}, {"architecture": "arm64", "os": "linux", "variant": "v8"}])
        self.assertEqual(index["annotations"], {"org.example": "made"})
        for architecture in ("amd64", "arm64"):
            inspected = json.loads(skopeo("--override-arch", architecture, "inspect", "--tls-verify=false", "docker://" + made))
            self.assertEqual(inspected["Architecture"], architecture)
        # Another image for a platform that is there.
        self.assertIn("linux/amd64", self.cooper("index", "add", made, self.at("index:2"), self.source, expect=1).err)
        self.cooper("index", "add", made, self.at("index:2"), self.source, "--replace")
        self.assertEqual([entry["digest"] for entry in self.manifest_of(self.at("index:2"))["manifests"]],
                         [digest_of(skopeo("inspect", "--raw", self.source)), index["manifests"][1]["digest"]])
        self.cooper("index", "remove", made, self.at("index:3"), "--entry", "linux/arm64")
        self.assertEqual(len(self.manifest_of(self.at("index:3"))["manifests"]), 1)
        self.cooper("annotate", made, self.at("index:4"), "--each", "--annotation", "a=b", "--remove", "org.example")
        annotated = self.manifest_of(self.at("index:4"))
        self.assertEqual(annotated["annotations"], {"a": "b"})
        for entry in annotated["manifests"]:
            self.assertEqual(self.manifest_of(self.at("index@" + entry["digest"]))["annotations"], {"a": "b"})
        # One edit for all platforms.
        self.cooper("config", "--all-platforms", made, self.at("index:5"), "--user", "me")
        for entry in self.manifest_of(self.at("index:5"))["manifests"]:
            self.assertEqual(self.config_of(self.at("index@" + entry["digest"]))["config"]["User"], "me")

    def test_differences(self):
        same = self.cooper("diff", self.source, self.in_registry("diff:1"))
        self.assertEqual(same.out, "")
        changed = [images.file("etc/os-release", "ID=test\nV=3\n"), images.file("etc/new", "n", mode=0o600), images.whiteout("opt/gone")]
        self.layout.image([*self.traits, self.layout.layer(images.layer_tar(changed))], tag="changed", config={**KNOWN, "User": "me"})
        said = self.cooper("diff", self.source, "oci:%s:changed" % self.layout.path, expect=1).out
        for line in ('+ /config/User: "me"', "layer none -> 4", "+ /opt/gone  deleted", "+ /etc/new  file 0600, 1 bytes", "~ /etc/os-release  content sha256:"):
            self.assertIn(line, said)
        found = self.cooper("diff", self.source, "oci:%s:changed" % self.layout.path, "--json", expect=1).json
        self.assertEqual([(change["path"], change["change"]) for change in found["files"]],
                         [("etc/new", "added"), ("etc/os-release", "changed"), ("opt/gone", "removed"), ("opt/gone/three", "removed")])
        self.assertEqual(found["files"][1]["fields"], ["content"])


if __name__ == "__main__":
    harness.main()

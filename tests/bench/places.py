"""Flows between places: registries, layouts, archives, and a layer appended on the way."""

import os
import shutil


class Places:
    def __init__(self, bench, cooper, second):
        self.bench, self.cooper, self.second = bench, cooper, second
        self.warm_store = bench.workspace.directory("warm-store")

    def store(self, name):
        return ["--store", os.path.join(self.bench.out, name)]

    def empty_second(self):
        """Every contestant finds the second registry without a blob."""
        shutil.rmtree(os.path.join(self.second.root, "docker"), ignore_errors=True)

    def skopeo(self, source, destination):
        return ["skopeo", "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false", source, destination]

    def registry_to_registry(self):
        source, target = self.bench.real, "%s/bench/copy-%d" % (self.second.address, self.bench.round)
        return {"cooper": [self.cooper, "copy", "--no-store", source, target + ":c", "--quiet"],
                "skopeo": self.skopeo("docker://" + source, "docker://%s-s:1" % target),
                "crane": ["crane", "copy", "--insecure", source, target + "-c:1"],
                "regctl": ["regctl", "image", "copy", "--host", "reg=%s,tls=disabled" % self.bench.registry.address,
                           "--host", "reg=%s,tls=disabled" % self.second.address, source, target + "-r:1"]}

    def new_repository(self):
        """The same registry: nothing has to be sent."""
        source, target = self.bench.real, "%s/bench/new-%d" % (self.bench.registry.address, self.bench.round)
        return {"cooper": [self.cooper, "copy", "--no-store", source, target + "-c:1", "--quiet"],
                "skopeo": self.skopeo("docker://" + source, "docker://%s-s:1" % target),
                "crane": ["crane", "copy", "--insecure", source, target + "-k:1"]}

    def registry_to_layout(self):
        out = self.bench.fresh("layout")
        return {"cooper": [self.cooper, "copy", "--no-store", self.bench.real, "oci:%s:a" % out, "--quiet"],
                "skopeo": self.skopeo("docker://" + self.bench.real, "oci:%s:a" % out),
                "crane": ["crane", "pull", "--insecure", "--format", "oci", self.bench.real, out]}

    def registry_to_engine_archive_from_store(self):
        """The blobs are in the local store already: no peer keeps them."""
        out = self.bench.fresh("stored") + ".tar"
        return {"cooper": [self.cooper, "pull", "--store", self.warm_store, self.bench.real, out, "--quiet"],
                "skopeo": self.skopeo("docker://" + self.bench.real, "docker-archive:%s:a:1" % out),
                "crane": ["crane", "pull", "--insecure", self.bench.real, out]}

    def archive_to_registry(self):
        archive = os.path.join(self.bench.workspace.path, "real.tar")
        target = "%s/bench/archive-%d" % (self.second.address, self.bench.round)
        return {"cooper": [self.cooper, "push", "--no-store", archive, target + "-c:1", "--quiet"],
                "skopeo": self.skopeo("docker-archive:" + archive, "docker://%s-s:1" % target),
                "crane": ["crane", "push", "--insecure", archive, target + "-k:1"]}

    def append(self, cold):
        """A layer of 20,000 files on a base in the registry, pushed to a new repository of it."""
        bench = self.bench
        target = "%s/bench/app-%d" % (bench.registry.address, bench.round if cold else 0)
        store = self.store("cold-%d" % bench.round) if cold else ["--store", self.warm_store]
        layout = bench.fresh("umoci")
        base = ["buildah", "--storage-driver", "vfs", "--root", bench.fresh("buildah"), "--runroot", bench.fresh("buildah-run")]
        contestants = {"cooper": [self.cooper, "append", bench.many, "docker://%s-c:1" % target, "--layer", bench.tree + ":/srv/app", *store, "--quiet"],
                "umoci+skopeo": [self.skopeo("docker://" + bench.many, "oci:%s:a" % layout), ["umoci", "insert", "--image", layout + ":a", bench.tree, "/srv/app"],
                                 self.skopeo("oci:%s:a" % layout, "docker://%s-u:1" % target)],
                "buildah": [["sh", "-c", 'printf "FROM %s\\nCOPY . /srv/app\\n" "$1" >"$2"', "sh", bench.many, bench.fresh("Dockerfile")],
                            [*base, "bud", "--quiet", "--tls-verify=false", "-f", bench.fresh("Dockerfile"), "-t", "app", bench.tree],
                            [*base, "push", "--quiet", "--tls-verify=false", "app", "docker://%s-b:1" % target]]}
        if shutil.which("crane"):
            contestants["tar|crane"] = ["sh", "-c", 'tar -C "$1" -cf - . | crane append --insecure -b "$2" -f - -t "$3"', "sh", bench.tree, bench.many,
                                        target + "-k:1"]
        return contestants

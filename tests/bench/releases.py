"""Fourteen images of one base into a bucket and a registry: one command for all or nothing, against the peers' commands one after the other."""

import os

import harness
import images
from services import Swift

IMAGES = 14
BASE_BYTES, OWN_BYTES = 20 << 20, 2 << 20


class Releases:
    def __init__(self, bench, cooper):
        self.bench, self.cooper = bench, cooper

    def prepare(self, rounds):
        """Another layer of each image for every round."""
        self.store = Swift(self.bench.workspace)
        harness.s3_client(self.store).create_bucket(Bucket="bucket")
        self.login = ["env", "AWS_ACCESS_KEY_ID=" + self.store.key, "AWS_SECRET_ACCESS_KEY=" + self.store.secret, "AWS_ENDPOINT_URL_S3=" + self.store.endpoint]
        self.layout = images.Layout(self.bench.workspace.directory("releases"))
        base = self.layout.layer(images.layer_tar([images.file("base", os.urandom(BASE_BYTES))]))
        for turn in range(1, rounds + 2):
            for name in self.names():
                own = self.layout.layer(images.layer_tar([images.file("srv/" + name, os.urandom(OWN_BYTES))]))
                self.layout.image([base, own], tag="%s-%d" % (name, turn))

    @staticmethod
    def names():
        return ["app-%d" % number for number in range(IMAGES)]

    def release(self):
        turn, registry = self.bench.round, self.bench.registry.address
        sources = {name: "oci:%s:%s-%d" % (self.layout.path, name, turn) for name in self.names()}
        cooper = self.login + [self.cooper, "release", *["%s=%s:v1.0.%d" % (source, name, turn) for name, source in sources.items()],
                               "--to", "s3://bucket", "--push", registry + "/cooper", "--branch", "main", "--commit", "%07x" % (0xABC0000 + turn),
                               "--subject", "bench", "--version", "v1.0.%d" % turn, "--quiet"]
        steps = []
        for name, source in sources.items():
            out = self.bench.fresh(name) + ".tar"
            steps += [["skopeo", "--insecure-policy", "copy", "--quiet", source, "docker-archive:%s:%s:1" % (out, name)], ["sha256sum", out],
                      self.login + ["aws", "--endpoint-url", self.store.endpoint, "s3", "cp", "--quiet", out, "s3://bucket/aws/%d/%s.tar" % (turn, name)]]
            steps += [["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", source, "docker://%s/skopeo/%s:%s" % (registry, name, tag)]
                      for tag in ("v1.0.%d" % turn, "latest")]
        return {"cooper": cooper, "skopeo+aws, nothing checked": steps}

"""A tarball of which one small layer changed, published to a store that copies ranges; peers send all of it again."""

import os

import harness
import measure
from services import Swift

CHANGED_BYTES = 3 << 20


class Republish:
    def __init__(self, bench, cooper):
        self.bench, self.cooper = bench, cooper

    def prepare(self):
        """The real image with a small layer on top, in two versions that take turns; the store has one of them."""
        self.store = Swift(self.bench.workspace)
        harness.s3_client(self.store).create_bucket(Bucket="bucket")
        self.login = ["env", "AWS_ACCESS_KEY_ID=" + self.store.key, "AWS_SECRET_ACCESS_KEY=" + self.store.secret, "AWS_ENDPOINT_URL_S3=" + self.store.endpoint]
        home = self.bench.workspace.directory("republish")
        self.layout, tree = os.path.join(home, "layout"), os.path.join(home, "tree")
        os.makedirs(tree)
        content = bytearray(os.urandom(CHANGED_BYTES))
        for tag in ("0", "1"):
            with open(os.path.join(tree, "small"), "wb") as small:
                small.write(content)
            self.call(self.cooper, "append", self.bench.real, "oci:%s:%s" % (self.layout, tag), "--layer", tree + ":/srv", "--no-store", "--quiet")
            content[:CHANGED_BYTES // 100] = os.urandom(CHANGED_BYTES // 100)
        for command in self.publish(0).values():
            self.call(*command)

    def call(self, *command):
        measure.run(list(command), self.bench.environment, [], self.bench.workspace.path)

    def publish(self, turn):
        command = self.login + [self.cooper, "publish", "oci:%s:%d=app:1" % (self.layout, turn % 2), "--to", "s3://bucket", "--commit", "%07x" % (0xABC0000 + turn),
                                "--subject", "bench", "--quiet"]
        return {"cooper": command + ["--branch", "changes"], "cooper, sending all": command + ["--branch", "all", "--send-all"]}

    def republish(self):
        out = self.bench.fresh("republish") + ".tar"
        return {**self.publish(self.bench.round),
                "skopeo+aws": [["skopeo", "--insecure-policy", "copy", "--quiet", "oci:%s:%d" % (self.layout, self.bench.round % 2), "docker-archive:%s:app:1" % out],
                               self.login + ["aws", "--endpoint-url", self.store.endpoint, "s3", "cp", "--quiet", out, "s3://bucket/aws/app.tar"]]}

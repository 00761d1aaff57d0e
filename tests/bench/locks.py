"""A tarball made again from its lock, beside the full pull that made it."""

import os

import measure


class Locks:
    def __init__(self, bench, cooper):
        self.bench, self.cooper = bench, cooper

    def prepare(self):
        path = self.bench.workspace.directory("locks")
        self.lock, self.kit, self.store, self.tarball = (os.path.join(path, name) for name in ("lock", "kit.tar", "store", "real.tar"))
        for command in ([self.cooper, "pull", self.bench.real, self.tarball, "--lock", self.lock, "--store", self.store, "--quiet"],
                        [self.cooper, "kit", "export", self.lock, "-o", self.kit, "--store", self.store, "--offline", "--quiet"]):
            measure.run(command, self.bench.environment, [], self.bench.workspace.path)

    def reproduce(self):
        out = self.bench.fresh("again") + ".tar"
        again = [self.cooper, "reproduce", self.lock, "--offline", "-o", out, "--quiet"]
        return {"cooper": [*again, "--store", self.store],
                "cooper, from a kit": [*again, "--no-store", "--from", self.kit],
                "cooper, from the tarball": [*again, "--no-store", "--from", self.tarball],
                "pull from the store, checksum": [self.cooper, "pull", "--store", self.store, "--checksum", self.bench.real, out, "--quiet"],
                "full pull, checksum": [self.cooper, "pull", "--no-store", "--checksum", self.bench.real, out, "--quiet"]}

    def verify(self):
        return {"cooper": [self.cooper, "verify", self.tarball, "--lock", self.lock, "--quiet"],
                "sha256sum": ["sha256sum", self.tarball]}

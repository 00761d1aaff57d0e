"""Flows that users walk, by cooper and by the tools they use today, in alternating rounds; run.sh builds what is needed."""

import argparse
import glob
import json
import os
import random
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))

import contexts  # noqa: E402
import deltas  # noqa: E402
import dockerfiles  # noqa: E402
import images  # noqa: E402
import locks  # noqa: E402
import measure  # noqa: E402
import places  # noqa: E402
import real_image  # noqa: E402
import releases  # noqa: E402
import republish  # noqa: E402
import tree_digests  # noqa: E402
from services import Registry, Unavailable, Workspace, free_port, listens  # noqa: E402

COOPER, NULL_S3 = os.environ["COOPER"], os.environ["NULL_S3"]
TREE_FILES = 20_000
LARGE_LAYER = 1 << 20  # limits are taken on layers from here on


class Bench:
    def __init__(self, workspace, options):
        self.workspace, self.options = workspace, options
        self.registry = Registry(workspace)
        self.port = free_port()
        self.store = workspace.start("null-s3", [NULL_S3, self.port], lambda: listens(self.port))
        second = Registry(workspace, "second")
        self.places = places.Places(self, COOPER, second)
        self.deltas = deltas.Deltas(self, COOPER)
        self.republished = republish.Republish(self, COOPER)
        self.releases = releases.Releases(self, COOPER)
        self.dockerfiles = dockerfiles.Dockerfiles(self, COOPER)
        self.locks = locks.Locks(self, COOPER)
        self.services = [self.registry.process.pid, second.process.pid, self.store.pid]
        self.endpoint = "http://127.0.0.1:%d" % self.port
        # The system's own tools first: version managers' shims look for their versions below $HOME.
        self.environment = {"PATH": "/usr/bin:" + os.environ["PATH"], "HOME": workspace.directory("home"), "TMPDIR": workspace.directory("tmp"), "LANG": "C.UTF-8",
                            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
                            "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL_S3": self.endpoint,
                            "S3_ENDPOINT_URL": self.endpoint}
        self.out = workspace.directory("out")
        self.round = 0
        self.rows = []
        self.real_blobs = []

    # -- inputs

    def prepare(self, flows):
        self.tree = self.make_tree()
        home = self.workspace.directory("trees")
        large = self.workspace.directory("large")
        self.trees = tree_digests.Trees(COOPER, self.tree, large, home)
        self.contexts = contexts.Contexts(COOPER, self.tree)
        if flows & {"tree digest large"}:
            tree_digests.make_large_files(large)
        if flows - {"start-up", "presign"} - {flow for flow in flows if flow.startswith(("tree", "dockerfile"))}:
            self.prepare_images()
        if any(flow.startswith("dockerfile") for flow in flows):
            self.dockerfiles.prepare()
        if flows & {"tree context", "tree render"}:
            self.contexts.prepare()
        if flows & {"delta", "apply delta"}:
            self.deltas.prepare()
        if "republish" in flows:
            self.republished.prepare()
        if "release" in flows:
            self.releases.prepare(self.options.rounds)
        if flows & {"reproduce", "verify"}:
            self.locks.prepare()
        if "archive to registry" in flows:
            measure.run([COOPER, "pull", "--no-store", self.real, os.path.join(self.workspace.path, "real.tar"), "--quiet"], self.environment, [],
                        self.workspace.path)

    def prepare_images(self):
        path, size = real_image.layout_path()
        self.real_blobs = sorted(glob.glob(path + "/blobs/sha256/*"), key=os.path.getsize, reverse=True)
        self.real = self.push(images.Layout(path), "real")
        many = images.Layout(self.workspace.directory("many"))
        source = random.Random(60)
        many.image([many.layer(images.layer_tar([images.file("srv/%02d" % n, source.randbytes(400 << 10))])) for n in range(60)], tag="many")
        self.many = self.push(many, "many")
        print("inputs: real: %d layers, %d MB unpacked, %d MB compressed; many: 60 layers; tree: %d files" % (
            len(self.real_blobs) - 2, size // 10**6, sum(map(os.path.getsize, self.real_blobs)) // 10**6, TREE_FILES), flush=True)

    def push(self, layout, tag):
        target = "%s/bench/%s:1" % (self.registry.address, tag)
        layout.path = layout.path.rstrip("/")
        images.push(layout, tag, target)
        return target

    def make_tree(self):
        """Real small files, most below 16 KiB, from this machine's documentation, headers and scripts."""
        tree, count = self.workspace.directory("tree"), 0
        for root in ("/usr/include", "/usr/lib/python3", "/usr/share"):
            for folder, _, names in os.walk(root):
                for name in names:
                    path = os.path.join(folder, name)
                    if count < TREE_FILES and os.path.isfile(path) and not os.path.islink(path) and os.path.getsize(path) < 1 << 20:
                        target = os.path.join(tree, path[1:])
                        os.makedirs(os.path.dirname(target), exist_ok=True)
                        shutil.copyfile(path, target)
                        count += 1
        return tree

    # -- flows: {contestant: command for one round}; every round has fresh destinations

    def fresh(self, name):
        return os.path.join(self.out, "%s-%d" % (name, self.round))

    def pull(self, image):
        out = self.fresh("pull")
        return {
            "cooper": [COOPER, "pull", "--no-store", image, out + ".tar", "--quiet"],
            "cooper, filling the store": [COOPER, "pull", "--store", out + "-store", image, out + ".tar", "--quiet"],
            "skopeo": ["skopeo", "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", "docker://" + image, "docker-archive:%s.tar:a:1" % out],
            "podman": [self.podman("pull", "--quiet", "--tls-verify=false", image), self.podman("save", "--quiet", "-o", out + ".tar", image)],
            "crane": ["crane", "pull", "--insecure", image, out + ".tar"],
            "regctl": ["regctl", "image", "export", "--host", "reg=%s,tls=disabled" % self.registry.address, image, out + ".tar"],
        }

    def podman(self, *arguments):
        root = os.path.join(self.out, "podman-%d" % self.round)
        return ["podman", "--root", root, "--runroot", root + "-run", "--storage-driver", "overlay", "--events-backend", "none", *arguments]

    def publish(self):
        out, branch = self.fresh("publish") + ".tar", "r%d" % self.round
        aws = [["aws", "--endpoint-url", self.endpoint, "s3", "cp", "--quiet", out, "s3://bench/%s/app.tar" % branch],
               ["aws", "--endpoint-url", self.endpoint, "s3", "presign", "s3://bench/%s/app.tar" % branch]]
        skopeo = [["skopeo", "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", "docker://" + self.real, "docker-archive:%s:a:1" % out],
                  ["sha256sum", out]]
        crane = [["crane", "pull", "--insecure", self.real, out], ["sha256sum", out]]
        s5cmd = [["s5cmd", "--endpoint-url", self.endpoint, "cp", out, "s3://bench/%s/app.tar" % branch],
                 ["s5cmd", "--endpoint-url", self.endpoint, "presign", "s3://bench/%s/app.tar" % branch]]
        return {"cooper": self.cooper_publish(branch), "skopeo+aws": skopeo + aws, "crane+s5cmd": crane + s5cmd, "crane+aws": crane + aws}

    def cooper_publish(self, branch):
        return [COOPER, "publish", self.real + "=app:1", "--to", "s3://bench", "--branch", branch, "--commit", "abc1234", "--subject", "bench", "--quiet"]

    def publish_again(self):
        """The same commit and bytes: no peer has a word for it, so theirs is the whole way again."""
        return {**self.publish(), "cooper": self.cooper_publish("again")}

    def append(self):
        out = self.fresh("append")
        layout = out + "-layout"
        return {
            "cooper": [COOPER, "append", self.many, "--layer", self.tree + ":/srv/app", "--tag", "app:1", "-o", out + ".tar", "--no-store", "--quiet"],
            "umoci+skopeo": [["skopeo", "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", "docker://" + self.many, "oci:%s:a" % layout],
                             ["umoci", "insert", "--image", layout + ":a", self.tree, "/srv/app"],
                             ["skopeo", "--insecure-policy", "copy", "--quiet", "oci:%s:a" % layout, "docker-archive:%s.tar:a:1" % out]],
            "tar+crane": [["tar", "-C", self.tree, "-cf", out + ".layer", "."],
                          ["crane", "append", "--insecure", "-b", self.many, "-f", out + ".layer", "-t", "app:1", "-o", out + ".tar"]],
        }

    def start_up(self):
        return {name: [program, "--version"] for name, program in (
            ("cooper", COOPER), ("skopeo", "skopeo"), ("podman", "podman"), ("umoci", "umoci"), ("curl", "curl"), ("aws", "aws"))} | {
            "crane": ["crane", "version"], "s5cmd": ["s5cmd", "version"], "regctl": ["regctl", "version"]}

    def presign(self):
        url = "s3://bench/main/app.tar"
        return {"cooper": [COOPER, "presign", url], "s5cmd": ["s5cmd", "--endpoint-url", self.endpoint, "presign", url],
                "aws": ["aws", "--endpoint-url", self.endpoint, "s3", "presign", url]}

    # -- the machine's own limits beside them

    def limits(self, flow):
        large = [blob for blob in self.real_blobs if os.path.getsize(blob) >= LARGE_LAYER]
        urls = ["http://%s/v2/bench/real/blobs/sha256:%s" % (self.registry.address, os.path.basename(blob)) for blob in large]
        fetch = ["curl", "--silent", "--fail", "--parallel", "--parallel-max", "2"] + [part for url in urls for part in ("-o", "/dev/null", url)]
        hashing = ["sh", "-c", 'printf "%s\\n" "$@" | xargs -P2 -n1 sha256sum', "sh", *large]
        if flow == "pull":
            return {"limit: curl GET": fetch, "limit: sha256sum": hashing, "limit: cat to a new file": ["sh", "-c", 'o=$1; shift; cat "$@" >"$o"', "sh",
                                                                                                         self.fresh("cat"), *large]}
        if flow == "publish":
            put = [part for blob in large for part in ("-T", blob, self.endpoint + "/bench/limit/")]
            return {"limit: curl GET": fetch, "limit: sha256sum": hashing, "limit: curl PUT": ["curl", "--silent", "--fail", *put]}
        if flow in ("start-up", "presign"):
            return {"limit: true": ["true"]}
        return {}

    # -- rounds

    def measure(self, flow, commands, rounds):
        samples = {}
        for self.round in range(1, rounds + 2):
            for name, command in {**commands(), **self.limits(flow)}.items():
                if not self.takes_part(name, command):
                    continue
                try:
                    samples.setdefault(name, []).append(measure.run(command, self.environment, self.services, self.workspace.path))
                except RuntimeError as failure:
                    print("%s, %s: %s" % (flow, name, failure), file=sys.stderr)
                self.clean()
                self.places.empty_second()
        self.show(flow, {name: measure.Summary(found) for name, found in samples.items()})

    def takes_part(self, name, command):
        if self.options.only and name.split(":")[0].split(",")[0] not in self.options.only + ["limit"]:
            return False
        steps = command if isinstance(command[0], list) else [command]
        return all(shutil.which(step[0]) for step in steps)

    def clean(self):
        for name in os.listdir(self.out):
            path = os.path.join(self.out, name)
            for mount in (path, path + "/overlay"):
                if os.path.ismount(mount):
                    os.system("umount " + mount)
            shutil.rmtree(path, ignore_errors=True) if os.path.isdir(path) else os.unlink(path)

    def show(self, flow, summaries):
        if not summaries:
            return
        cooper = summaries.get("cooper")
        print("\n%s\n| | wall s | CPU s | peak MiB | others' CPU s | x cooper |\n|---|---|---|---|---|---|" % flow)
        for name, summary in sorted(summaries.items(), key=lambda item: (item[0].startswith("limit"), item[1].wall)):
            ratio = "%.2f" % (summary.wall / cooper.wall) if cooper else ""
            print("| %s | %.3f | %.2f | %.0f | %.2f | %s |" % (name, summary.wall, summary.cpu, summary.peak_mib, summary.noise, ratio), flush=True)
            self.rows.append({"flow": flow, "contestant": name, "wall_s": round(summary.wall, 4), "best_s": round(summary.best, 4),
                              "cpu_s": round(summary.cpu, 3), "peak_mib": round(summary.peak_mib, 1), "noise_s": round(summary.noise, 3),
                              "rounds": summary.rounds})

    def run(self):
        rounds = self.options.rounds
        flows = {
            "pull": (lambda: self.pull(self.real), rounds), "pull 60 layers": (lambda: self.pull(self.many), rounds),
            "publish": (self.publish, rounds), "publish again": (self.publish_again, rounds), "append 20k files": (self.append, rounds),
            "pull from the store": (self.places.registry_to_engine_archive_from_store, rounds),
            "registry to registry": (self.places.registry_to_registry, rounds), "new repository": (self.places.new_repository, max(rounds, 5)),
            "registry to layout": (self.places.registry_to_layout, rounds), "archive to registry": (self.places.archive_to_registry, rounds),
            "append and push": (lambda: self.places.append(True), rounds), "append and push unchanged": (lambda: self.places.append(False), rounds),
            "republish": (self.republished.republish, rounds), "release": (self.releases.release, rounds),
            "delta": (self.deltas.delta, rounds), "apply delta": (self.deltas.apply, rounds),
            "reproduce": (self.locks.reproduce, rounds), "verify": (self.locks.verify, rounds),
            "tree digest": (lambda: self.trees.digest(), rounds), "tree digest unchanged": (lambda: self.trees.unchanged(), max(rounds, 10)),
            "tree digest large": (lambda: self.trees.digest_large(), rounds),
            "tree context": (lambda: self.contexts.context(self.fresh("context")), rounds),
            "tree render": (lambda: self.contexts.render(), max(rounds, 10)),
            "dockerfile uncached": (self.dockerfiles.uncached, rounds), "dockerfile cached": (self.dockerfiles.cached, max(rounds, 5)),
            "dockerfile one file changed": (self.dockerfiles.one_file_changed, rounds),
            "start-up": (self.start_up, max(rounds, 20)), "presign": (self.presign, rounds),
        }
        self.prepare({name for name in flows if not self.options.flows or name in self.options.flows})
        for name, (commands, count) in flows.items():
            if not self.options.flows or name in self.options.flows:
                self.measure(name, commands, count)
        with open(os.path.join(self.options.out, "bench.json"), "w", encoding="ascii") as out:
            json.dump(self.rows, out, indent=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    words = lambda text: [word.strip() for word in text.split(",") if word.strip()]
    parser.add_argument("--flows", type=words, default=[])
    parser.add_argument("--only", type=words, default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", default="build/bench")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    with Workspace() as workspace:
        try:
            Bench(workspace, options).run()
        except Unavailable as reason:
            sys.exit(str(reason))


if __name__ == "__main__":
    main()

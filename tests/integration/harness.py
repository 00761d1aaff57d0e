"""Running cooper in tests: a clean environment, bounded time, exit codes, peak memory; and how a test says that it cannot run."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import unittest

import services

REQUIRED = os.environ.get("COOPER_REQUIRE_INTEGRATION", "") == "1"
SANITIZED = os.environ.get("COOPER_SANITIZE", "") != ""
SKIPPED_EXIT_CODE = 77  # CTest's SKIP_RETURN_CODE

# Exit codes of the command, as its help lists them.
DONE, USAGE, INTEGRITY, ACCESS_DENIED, LOST_RACE, DIFFERENT_BYTES, INTERRUPTED = 0, 2, 4, 7, 9, 10, 130


def start(make, *arguments):
    """A service, or a skip with the reason; a failure where everything must run."""
    try:
        return make(*arguments)
    except services.Unavailable as reason:
        if REQUIRED:
            raise
        raise unittest.SkipTest(str(reason)) from reason


def start_optional(make, *arguments):
    """A service that is used where somebody has installed it: its absence is never a failure."""
    try:
        return make(*arguments)
    except services.Unavailable as reason:
        raise unittest.SkipTest(str(reason)) from reason


class Result:
    def __init__(self, command, code, out, err):
        self.command, self.code, self.out, self.err = command, code, out, err
        self.peak_kib = None

    @property
    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return "%s\nexit code %d\n--- stdout\n%s\n--- stderr\n%s" % (" ".join(self.command), self.code, self.out[-4000:], self.err[-4000:])


class Cooper:
    """The command under test. Knows nothing of this machine's credentials, profiles or proxies."""

    def __init__(self, workspace, **environment):
        self.path = os.environ.get("COOPER") or services.program("cooper")
        self.temporary = workspace.directory("tmp")
        self.environment = {"PATH": os.environ["PATH"], "HOME": workspace.directory("home"), "TMPDIR": self.temporary, "LANG": "C.UTF-8",
                            "AWS_EC2_METADATA_DISABLED": "true", **environment}

    def with_store(self, store):
        """The same command with the credentials of an S3 server."""
        other = Cooper.__new__(Cooper)
        other.path, other.temporary = self.path, self.temporary
        other.environment = {**self.environment, "AWS_ACCESS_KEY_ID": store.key, "AWS_SECRET_ACCESS_KEY": store.secret,
                             "AWS_REGION": store.region, "AWS_ENDPOINT_URL_S3": store.endpoint}
        return other

    def start(self, *arguments, **environment):
        command = [self.path, *map(str, arguments)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env={**self.environment, **environment})

    def __call__(self, *arguments, expect=DONE, timeout=240, stdin=None, **environment):
        command = [self.path, *map(str, arguments)]
        done = subprocess.run(command, input=(stdin or "").encode(), capture_output=True, timeout=timeout,
                              env={**self.environment, **environment})
        # Not text=True, which would hide the difference between line ends.
        result = Result(command, done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace"))
        if expect is not None and result.code != expect:
            raise AssertionError("expected exit code %s from %s" % (expect, result))
        return result

    def measured(self, *arguments, **options):
        """Runs through GNU time, whose own memory is small: what Python forks would begin with Python's peak."""
        report = os.path.join(self.temporary, "..", "peak")
        plain, self.path = self.path, services.program("time")
        try:
            result = self("-f", "%M", "-o", report, plain, *arguments, **options)
        finally:
            self.path = plain
        with open(report, encoding="ascii") as peak:
            result.peak_kib = int(peak.read().split()[-1])
        return result


def pipe(cooper, arguments, **streams):
    """The command with a file as its standard input or output."""
    command = [cooper.path, *map(str, arguments)]
    done = subprocess.run(command, stderr=subprocess.PIPE, timeout=240, env=cooper.environment,
                          **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **streams})
    if done.returncode != 0:
        raise AssertionError("%s ended with %d:\n%s" % (" ".join(command), done.returncode, done.stderr.decode(errors="replace")))


class TestCase(unittest.TestCase):
    """One workspace and one command per class; `prepare` starts the servers."""

    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.workspace = services.Workspace()
        cls.addClassCleanup(cls.workspace.close)
        cls.cooper = Cooper(cls.workspace)
        cls.prepare()

    @classmethod
    def prepare(cls):
        pass

    def path(self, *parts):
        """A fresh path for this test's files."""
        return os.path.join(self.workspace.directory(self.id().rsplit(".", 1)[1]), *parts)

    def assert_no_temporary_files(self, cooper=None):
        left = os.listdir((cooper or self.cooper).temporary)
        self.assertEqual(left, [], "temporary files were left behind")


class Tarball:
    """A docker-archive as cooper writes it, checked while it is read: every blob is what its name says."""

    def __init__(self, path):
        self.path = path
        self.names, self.sizes, documents = [], {}, {}
        with tarfile.open(path) as tar:
            for member in tar:
                self.names.append(member.name)
                self.sizes[member.name] = member.size
                digest, head = hashlib.sha256(), b""
                with tar.extractfile(member) as data:
                    while chunk := data.read(1 << 20):
                        digest.update(chunk)
                        head = head or chunk
                if member.name.startswith("blobs/sha256/") and member.name != "blobs/sha256/" + digest.hexdigest():
                    raise AssertionError("%s holds bytes with SHA-256 %s" % (member.name, digest.hexdigest()))
                if member.size <= 1 << 20 and head[:1] in (b"{", b"["):
                    documents[member.name] = head
        self.manifest = json.loads(documents["manifest.json"])
        self.index = json.loads(documents["index.json"]) if "index.json" in documents else None
        self.config_digest = "sha256:" + self.manifest[0]["Config"].split("/")[-1].replace(".json", "")
        self.config = json.loads(documents[self.manifest[0]["Config"]])
        self.diff_ids = self.config["rootfs"]["diff_ids"]
        self.layers = ["sha256:" + name.split("/")[-1] for name in self.manifest[0]["Layers"]]
        self.repo_tags = self.manifest[0]["RepoTags"]


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as data:
        while chunk := data.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def wait_for_next_second():
    second = int(time.time())
    while int(time.time()) == second:
        time.sleep(0.02)


def fetch(url, *options, out=os.devnull):
    """curl, because that is what customers have. Returns the status."""
    done = subprocess.run([services.program("curl"), "--silent", "--show-error", "--noproxy", "*", "--output", out, "--write-out", "%{http_code}",
                           *options, url], capture_output=True, text=True, timeout=240, check=False)
    return int(done.stdout or 0)


def s3_client(store):
    """botocore's client: a second opinion on what lies in a bucket."""
    import botocore.config
    import botocore.session
    return botocore.session.get_session().create_client(
        "s3", endpoint_url=store.endpoint, region_name=store.region, aws_access_key_id=store.key, aws_secret_access_key=store.secret,
        config=botocore.config.Config(signature_version="s3v4", s3={"addressing_style": "path"}, read_timeout=120))


def keys(client, bucket):
    return sorted(found["Key"] for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket) for found in page.get("Contents", []))


def read_object(client, bucket, key):
    return client.get_object(Bucket=bucket, Key=key)["Body"].read()


def free_space(path, wanted_bytes, what):
    if shutil.disk_usage(path).free < wanted_bytes:
        raise unittest.SkipTest("%s needs %d MB free in %s" % (what, wanted_bytes >> 20, path))


def main():
    program = unittest.main(exit=False)
    result = program.result
    for test, reason in result.skipped:
        print("not run: %s: %s" % (test.id(), reason))
    if result.skipped and REQUIRED:
        optional = [test.id() for test, _ in result.skipped if "optional" not in test.id()]
        if optional:
            sys.exit("COOPER_REQUIRE_INTEGRATION=1, but these did not run: " + ", ".join(optional))
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIPPED_EXIT_CODE if len(result.skipped) >= max(result.testsRun, 1) else 0)

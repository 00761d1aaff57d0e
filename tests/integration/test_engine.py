"""Engines over their HTTP API: dockerd and podman's service on sockets, dockerd over TLS; every way to name one; what goes wrong."""

import hashlib
import json
import os
import shutil
import subprocess

import harness
import services
from services import CertificateAuthority, Containerd, Dockerd, PodmanService, UnixConnection

MEBIBYTE = 1 << 20
FAILURE, UNAVAILABLE = 1, 8  # exit codes of the command


def request(socket, method, path):
    connection = UnixConnection(socket)
    try:
        connection.request(method, path)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def inspect(socket, name):
    """(config digest, diff IDs) as the engine tells them; None when it has no such image."""
    status, said = request(socket, "GET", "/v1.41/images/%s/json" % name)
    if status == 404:
        return None
    image = json.loads(said)
    return "sha256:" + image["Id"].replace("sha256:", ""), image["RootFS"]["Layers"]


class Engines(harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.authority = CertificateAuthority(cls.workspace)
        cls.containerd = harness.start(Containerd, cls.workspace)
        cls.docker = harness.start(Dockerd, cls.workspace, cls.containerd, cls.authority)
        cls.podman = harness.start(PodmanService, cls.workspace)
        cls.certificates = cls.authority.docker_certificates("user")
        cls.over_tls = "tcp://127.0.0.1:%d" % cls.docker.port

    def archive(self, name, content="content of %s\n"):
        """An archive of one image with two layers, and what an engine must say of it."""
        tree, more = self.path("tree"), self.path("more")
        for directory in (tree, more):
            os.makedirs(directory)
            with open(directory + "/file", "w", encoding="ascii") as out:
                out.write(content % name + directory)
        out = self.path("app.tar")
        self.cooper("append", "scratch", "--layer", tree, "--layer", more, "--tag", name, "-o", out)
        tarball = harness.Tarball(out)
        return out, (tarball.config_digest, tarball.diff_ids)

    def client_tests(self, cases, **environment):
        """The client's own tests in C++, against the engine that this environment names."""
        program = os.environ.get("COOPER_TEST_ENGINE") or harness.start(services.program, "test_oci_engine")
        done = subprocess.run([program, cases, "-w", "NoTests"], env={**self.cooper.environment, **environment}, capture_output=True, text=True,
                              timeout=240, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:] + done.stderr[-2000:])

    def test_the_client_with_dockerd(self):
        self.client_tests("[.engine]", DOCKER_HOST="unix://" + self.docker.socket)

    def test_the_client_with_podman(self):
        self.client_tests("[.engine]", CONTAINER_HOST="unix://" + self.podman.socket, XDG_RUNTIME_DIR=self.path())

    def test_the_client_over_tls(self):
        self.client_tests("real engine: several images*", DOCKER_HOST=self.over_tls, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=self.certificates)

    def test_a_context_brings_its_certificates(self):
        configuration, name = self.path("docker"), hashlib.sha256(b"secure").hexdigest()
        shutil.copytree(self.certificates, "%s/contexts/tls/%s/docker" % (configuration, name))
        os.makedirs("%s/contexts/meta/%s" % (configuration, name))
        with open("%s/contexts/meta/%s/meta.json" % (configuration, name), "w", encoding="ascii") as meta:
            json.dump({"Name": "secure", "Endpoints": {"docker": {"Host": self.over_tls, "SkipTLSVerify": False}}}, meta)
        with open(configuration + "/config.json", "w", encoding="ascii") as config:
            json.dump({"auths": {}, "currentContext": "secure"}, config)
        self.client_tests("real engine: names are given*", DOCKER_CONFIG=configuration)

    def test_from_engine_to_engine(self):
        path, wanted = self.archive("acme/travels:1")
        name = "docker.io/acme/travels:1"
        sockets = [self.podman.socket, self.docker.socket, self.podman.socket]
        self.cooper("load", path, "--host", "unix://" + sockets[0])
        for here, there in zip(sockets, sockets[1:]):
            self.assertEqual(inspect(here, name), wanted)
            again = self.path("again.tar")
            self.cooper("save", "docker-daemon:acme/travels:1", "-o", again, "--host", "unix://" + here)
            self.assertEqual(request(here, "DELETE", "/v1.41/images/%s?force=1" % name)[0], 200)
            self.assertEqual(harness.Tarball(again).config_digest, wanted[0])
            self.cooper("load", again, "--host", "unix://" + there)
        self.assertEqual(inspect(sockets[-1], name), wanted)
        self.assert_no_temporary_files()

    def test_of_a_damaged_archive_nothing_is_loaded(self):
        path, _ = self.archive("acme/damaged:1")
        tarball = harness.Tarball(path)
        with open(path, "r+b") as archive:
            data = archive.read()
            member = ("blobs/sha256/" + tarball.layers[-1].split(":")[1]).encode()
            archive.seek(data.rindex(member, 0, len(data)) // 512 * 512 + 512 + 20)
            archive.write(b"\xff")
        for socket in (self.docker.socket, self.podman.socket):
            with self.subTest(socket):
                result = self.cooper("load", path, "--host", "unix://" + socket, expect=harness.INTEGRITY)
                self.assertIn(tarball.layers[-1][:19], result.err)
                self.assertIsNone(inspect(socket, "docker.io/acme/damaged:1"))

    def test_a_large_image_needs_little_memory(self):
        harness.free_space(self.workspace.path, 1500 * MEBIBYTE, "a large image in an engine")
        tree = self.path("large")
        os.makedirs(tree)
        with open(tree + "/noise", "wb") as out:
            for _ in range(150):
                out.write(os.urandom(MEBIBYTE))
        archive, again = self.path("large.tar"), self.path("again.tar")
        self.cooper("append", "scratch", "--layer", tree, "--tag", "acme/large:1", "-o", archive)
        host = ("--host", "unix://" + self.docker.socket)
        loaded = self.cooper.measured("load", archive, *host)
        saved = self.cooper.measured("save", "docker-daemon:acme/large:1", "-o", again, *host)
        self.assertEqual(harness.Tarball(again).config_digest, harness.Tarball(archive).config_digest)
        if not harness.SANITIZED:
            self.assertLess(max(loaded.peak_kib, saved.peak_kib), 64 << 10)


class WithoutEngine(harness.TestCase):
    """What is said when there is no engine, or none that lets us in."""

    @classmethod
    def prepare(cls):
        cls.archive = cls.workspace.path + "/app.tar"
        tree = cls.workspace.directory("tree")
        cls.workspace.file("tree/file", "content\n")
        cls.cooper("append", "scratch", "--layer", tree, "--tag", "acme/app:1", "-o", cls.archive)
        cls.authority = CertificateAuthority(cls.workspace)
        cls.containerd = harness.start(Containerd, cls.workspace)
        cls.docker = harness.start(Dockerd, cls.workspace, cls.containerd, cls.authority)
        cls.over_tls = "tcp://127.0.0.1:%d" % cls.docker.port

    def refused(self, code, *words, **environment):
        result = self.cooper("load", self.archive, expect=code, **environment)
        for word in words:
            self.assertIn(word, result.err)
        return result

    def test_nothing_listens(self):
        self.refused(UNAVAILABLE, "No such file or directory", "DOCKER_HOST", DOCKER_HOST="unix://" + self.path("absent.sock"))
        self.refused(UNAVAILABLE, "Is the daemon running", DOCKER_HOST="tcp://127.0.0.1:%d" % services.free_port())

    def test_ways_that_cooper_does_not_go(self):
        self.refused(FAILURE, "ssh -nNT -L", DOCKER_HOST="ssh://somebody@build.example")

    def test_tls_with_the_wrong_papers(self):
        self.refused(FAILURE, "HTTPS server", "DOCKER_TLS_VERIFY=1", DOCKER_HOST=self.over_tls)
        elsewhere = services.Workspace()
        self.addCleanup(elsewhere.close)
        other = CertificateAuthority(elsewhere).docker_certificates("stranger")
        self.refused(harness.ACCESS_DENIED, "unknown authority", "DOCKER_CERT_PATH", DOCKER_HOST=self.over_tls, DOCKER_TLS_VERIFY="1",
                     DOCKER_CERT_PATH=other)
        # Our own authority, but no certificate to show.
        bare = self.path("bare")
        os.makedirs(bare)
        shutil.copy(self.authority.certificate, bare + "/ca.pem")
        self.refused(harness.ACCESS_DENIED, "client certificate", "DOCKER_CERT_PATH", DOCKER_HOST=self.over_tls, DOCKER_TLS_VERIFY="1",
                     DOCKER_CERT_PATH=bare)

    def test_a_user_who_may_not_use_the_socket(self):
        nobody = 65534
        os.chmod(self.workspace.path, 0o711)
        os.chmod(self.archive, 0o644)
        own = os.path.join(self.workspace.directory("own"), "cooper")
        os.chmod(os.path.dirname(own), 0o755)
        shutil.copy(self.cooper.path, own)
        directory = os.path.dirname(self.docker.socket)
        os.chmod(directory, 0o755)
        home = self.workspace.directory("nobody")
        os.chown(home, nobody, nobody)
        done = subprocess.run([own, "load", self.archive], user=nobody, group=nobody, extra_groups=[], capture_output=True, text=True, timeout=60,
                              check=False, env={"PATH": os.environ["PATH"], "HOME": home, "TMPDIR": home, "DOCKER_HOST": "unix://" + self.docker.socket})
        self.assertEqual(done.returncode, harness.ACCESS_DENIED, done.stderr)
        self.assertIn("Permission denied", done.stderr)
        self.assertIn("usermod -aG docker", done.stderr)


if __name__ == "__main__":
    harness.main()

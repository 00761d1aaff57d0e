"""Builders on real engines: dockerd's classic builder and podman's buildah, with a registry that wants credentials."""

import base64
import json
import os
import subprocess

import harness
import images
import services
from services import Containerd, Dockerd, PodmanService, Registry


class EngineBuild(harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.shell = harness.start(services.program, "busybox")
        cls.registry = harness.start(Registry.with_basic, cls.workspace)
        cls.base = cls.registry.address + "/acme/base:1"
        layout = images.Layout(cls.workspace.directory("layout"))
        with open(cls.shell, "rb") as shell:
            layer = layout.layer(images.layer_tar([images.directory("bin"), images.file("bin/sh", shell.read(), 0o755)]))
        layout.image([layer], tag="base")
        images.push(layout, "base", cls.base, credentials="%s:%s" % (Registry.user, Registry.password))
        login = base64.b64encode(("%s:%s" % (Registry.user, Registry.password)).encode()).decode()
        cls.configuration = os.path.dirname(cls.workspace.file("docker/config.json", json.dumps({"auths": {cls.registry.address: {"auth": login}}})))
        cls.containerd = harness.start(Containerd, cls.workspace)
        cls.docker = harness.start(Dockerd, cls.workspace, cls.containerd)
        cls.podman = harness.start(PodmanService, cls.workspace, "vfs", cls.registry.address)

    def builder_tests(self, engine):
        program = os.environ.get("COOPER_TEST_BUILDER") or harness.start(services.program, "test_builder")
        environment = {**self.cooper.environment, "DOCKER_HOST": "unix://" + engine.socket, "DOCKER_CONFIG": self.configuration,
                       "COOPER_TEST_BASE": self.base, "COOPER_TEST_SHELL": self.shell}
        done = subprocess.run([program, "[.builder]", "-w", "NoTests"], env=environment, capture_output=True, text=True, timeout=240, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:] + done.stderr[-2000:])

    def test_dockerd(self):
        self.builder_tests(self.docker)

    def test_podman(self):
        self.builder_tests(self.podman)


if __name__ == "__main__":
    harness.main()

"""Real builds without an engine: Debian with its packages, a Python and a Node application, and the shapes of the OpenHands Dockerfiles.

They need the mirror that the base image names, so each is optional. What comes out runs in dockerd and podman.
"""

import base64
import functools
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import unittest
import zipfile

import debian_base
import engines
import harness
import services
from real_image import cache_directory
from services import Containerd, Dockerd, PodmanService, Registry

NPM = "npm@9.9.4"
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
APT = "--mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked"
INSTALL = "apt-get install -y --no-install-recommends"
SECOND = 1_000_000_000  # healthchecks count in nanoseconds

SYSTEM = """\
# syntax=docker/dockerfile:1.7
ARG BASE_IMAGE=debian:bookworm
FROM ${BASE_IMAGE} AS system
ARG DEBIAN_FRONTEND=noninteractive
RUN rm -f /etc/apt/apt.conf.d/docker-clean; echo 'Binary::apt::APT::Keep-Downloaded-Packages "true";' > /etc/apt/apt.conf.d/keep-cache
RUN %s \\
    apt-get update && %s sudo
""" % (APT, INSTALL)

APPLICATIONS = SYSTEM + """
FROM system AS python
RUN %(apt)s %(install)s python3-venv

FROM python AS python-build
WORKDIR /app
COPY wheels/ /wheels/
RUN --mount=type=cache,target=/var/cache/pip \\
    python3 -m venv /app/venv && /app/venv/bin/pip --cache-dir /var/cache/pip install --no-index --find-links=/wheels greeting

FROM python AS python-app
RUN useradd --create-home --uid 10001 app && echo 'app ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/app
COPY --from=python-build --chown=app:app /app /app
USER app
WORKDIR /home/app/work
RUN sudo -n id -u > uid 2> said && test ! -s said && rm said && test "$(cat uid) $(id -u) $(pwd)" = "0 10001 /home/app/work"
ENV PATH=/app/venv/bin:$PATH
EXPOSE 8000 9000-9001/udp
HEALTHCHECK --interval=30s --timeout=3s CMD greet --check || exit 1
ENTRYPOINT ["greet"]
CMD ["world"]

FROM system AS node
RUN %(apt)s %(install)s nodejs

FROM node AS node-build
ADD npm.tgz /opt/npm/
WORKDIR /src
COPY package.json .npmrc* ./
RUN --mount=type=cache,target=/var/cache/npm --mount=type=secret,id=authorities,target=/run/authorities \\
    NODE_EXTRA_CA_CERTS=/run/authorities node /opt/npm/package/bin/npm-cli.js install --cache /var/cache/npm --no-audit --no-fund
COPY index.js .

FROM node AS node-app
COPY --from=node-build /src /app
WORKDIR /app
USER 1000:1000
CMD ["node", "index.js"]
""" % {"apt": APT, "install": INSTALL}

# The agent server's shape: eight stages, names and numbers from ARGs, tools from an image, a cache of the user's own.
AGENT_SERVER = """\
# syntax=docker/dockerfile:1.7

ARG BASE_IMAGE=nowhere.invalid/python-nodejs:latest
ARG USERNAME=openhands
ARG UID=10001
ARG GID=10001
ARG PORT=8000
ARG NOVNC_PORT=8002

FROM ${BASE_IMAGE} AS builder
ARG USERNAME UID GID
ENV UV_PROJECT_ENVIRONMENT=/agent-server/.venv
RUN groupadd -g ${GID} ${USERNAME} && useradd -m -u ${UID} -g ${GID} -s /bin/sh ${USERNAME} && mkdir /agent-server && chown ${USERNAME}: /agent-server
COPY --from=%(registry)s/tools/uv:0.5 /uv /uvx /bin/
USER ${USERNAME}
WORKDIR /agent-server
COPY --chown=${USERNAME}:${USERNAME} pyproject.toml uv.lock ./
RUN --mount=type=cache,target=/home/${USERNAME}/.cache,uid=${UID},gid=${GID} \\
    uv sync > /home/${USERNAME}/.cache/log && cp /home/${USERNAME}/.cache/log synced && uvx --version
COPY --chown=${USERNAME}:${USERNAME} src src

FROM builder AS binary-builder
ARG USERNAME UID GID
RUN --mount=type=cache,target=/home/${USERNAME}/.cache,uid=${UID},gid=${GID} mkdir dist && cp src/server.sh dist/server && chmod +x dist/server

FROM ${BASE_IMAGE} AS base-image-minimal
ARG USERNAME UID GID PORT ENABLE_VERTEX
RUN set -eux; \\
    # the user first
    groupadd -g ${GID} ${USERNAME}; \\
    # with a backslash at the end of the comment \\
    useradd -m -u ${UID} -g ${GID} -s /bin/sh ${USERNAME}; \\

    echo "${USERNAME} ALL=(ALL) NOPASSWD:ALL" > /etc/sudoers.d/${USERNAME}; \\
    if [ "${ENABLE_VERTEX:-}" = 1 ]; then touch /vertex; fi
ENV OH_ENABLE_VNC=false LOG_JSON=true
EXPOSE ${PORT} ${NOVNC_PORT}

FROM base-image-minimal AS base-image
ARG USERNAME PORT NOVNC_PORT
ENV LD_LIBRARY_PATH=/usr/lib/tools:$LD_LIBRARY_PATH
RUN test "$LD_LIBRARY_PATH" = "/usr/lib/tools:" && test "$USERNAME" = openhands
EXPOSE ${PORT} ${NOVNC_PORT}

FROM base-image AS source
ARG USERNAME
COPY --chown=${USERNAME}:${USERNAME} --from=builder /agent-server /agent-server
USER ${USERNAME}
WORKDIR /agent-server/workspace/project
ENTRYPOINT ["/bin/sh", "/agent-server/src/server.sh"]

FROM base-image-minimal AS source-minimal
ARG USERNAME
COPY --chown=${USERNAME}:${USERNAME} --from=builder /agent-server /agent-server
USER ${USERNAME}
ENTRYPOINT ["/bin/sh", "/agent-server/src/server.sh"]

FROM base-image AS binary
ARG USERNAME
COPY --chown=${USERNAME}:${USERNAME} --from=binary-builder /agent-server/dist/server /usr/local/bin/server
RUN chmod +x /usr/local/bin/server
USER ${USERNAME}
WORKDIR /workspace
ENTRYPOINT ["/usr/local/bin/server"]

FROM base-image-minimal AS binary-minimal
ARG USERNAME
COPY --chown=${USERNAME}:${USERNAME} --from=binary-builder /agent-server/dist/server /usr/local/bin/server
USER ${USERNAME}
ENTRYPOINT ["/usr/local/bin/server"]
"""

APPLICATION = """\
ARG OPENHANDS_BUILD_VERSION=dev
FROM %(registry)s/acme/system:1 AS base
FROM base AS backend-builder
ENV VIRTUAL_ENV=/app/.venv
WORKDIR /app
RUN mkdir -p ${VIRTUAL_ENV}/bin && echo 'echo run by $(id -un), $(id -gn)' > ${VIRTUAL_ENV}/bin/start

FROM base AS openhands-app
WORKDIR /app
ARG OPENHANDS_BUILD_VERSION
ENV RUN_AS_OPENHANDS=true OPENHANDS_USER_ID=42420 VIRTUAL_ENV=/app/.venv OPENHANDS_BUILD_VERSION=$OPENHANDS_BUILD_VERSION
RUN groupadd --gid $OPENHANDS_USER_ID openhands
RUN useradd -l -m -u $OPENHANDS_USER_ID --gid $OPENHANDS_USER_ID -s /bin/bash openhands && \\
    usermod -aG openhands openhands && \\
    usermod -aG sudo openhands && \\
    echo '%%sudo ALL=(ALL) NOPASSWD:ALL' >> /etc/sudoers
RUN chown -R openhands:openhands /app && chmod 770 /app
USER openhands
ENV PATH="$VIRTUAL_ENV/bin:$PATH" PYTHONPATH='/app'
COPY --chown=openhands:openhands --chmod=770 --from=backend-builder ${VIRTUAL_ENV} ${VIRTUAL_ENV}
COPY --chown=openhands:openhands --chmod=770 ./src /app/src
RUN sudo chown root:root /app/src/server.sh && sudo chmod 644 /app/src/server.sh
RUN find /app \\! -group openhands -exec sudo chgrp openhands {} +
USER root
WORKDIR /app
CMD ["su", "openhands", "-s", "/bin/sh", "/app/.venv/bin/start"]
"""

ENTERPRISE = """\
ARG OPENHANDS_VERSION=latest
ARG BASE="ghcr.invalid/openhands/openhands"
FROM ${BASE}:${OPENHANDS_VERSION}
LABEL com.datadoghq.tags.service="deploy"
LABEL com.datadoghq.tags.env="${DD_ENV}"
RUN echo sqlalchemy[asyncio] > /requirements && test "$(cat /requirements)" = "sqlalchemy[asyncio]"
COPY --chown=openhands:openhands --chmod=770 pyproject.toml .
"""


def write_wheel(path):
    """A wheel of pure Python with one command, as the wheel format's specification has it."""
    files = {"greeting/__init__.py": "import sys\n\n\ndef main():\n    print('hello', *sys.argv[1:], 'from', sys.prefix)\n",
             "greeting-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
             "greeting-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
             "greeting-1.0.dist-info/entry_points.txt": "[console_scripts]\ngreet = greeting:main\n"}
    record = []
    with zipfile.ZipFile(path / "greeting-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record.append("%s,sha256=%s,%d\n" % (name, digest, len(text)))
        wheel.writestr("greeting-1.0.dist-info/RECORD", "".join(record) + "greeting-1.0.dist-info/RECORD,,\n")


def npm_package():
    """npm itself, as its registry has it, and that registry; kept in the tests' cache."""
    npm = services.program("npm")
    registry = services.call(npm, "config", "get", "registry").strip().splitlines()[-1]
    path = os.path.join(cache_directory(), "npm-9.9.4.tgz")
    if not os.path.exists(path):
        try:
            subprocess.run([npm, "pack", "--silent", NPM], cwd=cache_directory(), check=True, timeout=120, capture_output=True)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as reason:
            raise services.Unavailable("npm pack %s: %s" % (NPM, reason)) from reason
    return path, registry


class RealBuilds(harness.TestCase):
    @classmethod
    def prepare(cls):
        cls.missing = None
        cls.environment = {"COOPER_STORE": cls.workspace.directory("store")}
        try:
            debian_base.reach_mirror()
            cls.add_base(cls.environment["COOPER_STORE"])
        except services.Unavailable as reason:
            cls.missing = str(reason)
            return
        cls.registry = harness.start(Registry, cls.workspace)
        cls.contexts = pathlib.Path(cls.workspace.directory("contexts"))
        cls.system = cls.registry.address + "/acme/system:1"
        (cls.contexts / "system").mkdir()
        (cls.contexts / "system/Dockerfile").write_text(SYSTEM)
        cls.cooper("build", "--push", "-t", cls.system, cls.contexts / "system", **cls.environment)

    @classmethod
    def add_base(cls, store):
        cls.cooper("copy", "oci:%s:debian" % debian_base.layout(), "store:docker.io/library/debian:bookworm", COOPER_STORE=store)

    def setUp(self):
        if self.missing:
            raise unittest.SkipTest("optional: " + self.missing)

    def context(self, dockerfile, **files):
        root = pathlib.Path(self.path("context"))
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        for name, text in {"Dockerfile": dockerfile, **files}.items():
            (root / name).write_text(text)
        return root

    def source(self, root):
        """What the miniatures copy."""
        (root / "src").mkdir()
        (root / "src/server.sh").write_text("#!/bin/sh\necho served by $(id -un) in $PWD, OH_ENABLE_VNC=$OH_ENABLE_VNC\n")
        (root / "pyproject.toml").write_text("[project]\nname = 'agent'\n")
        (root / "uv.lock").write_text("version = 1\n")
        return root

    def build(self, *arguments, **options):
        return self.cooper("build", "--json", *arguments, **{**self.environment, **options}).json

    def as_callers_do(self, context, target, tag, *flags, **options):
        """With the words that the scripts of OpenHands give to docker buildx build."""
        cache = "type=registry,ref=%s/acme/cache:%s" % (self.registry.address, target or "all")
        return self.build("--file", context / "Dockerfile", *(("--target", target) if target else ()), "--platform", "linux/amd64", "--tag", tag,
                          "--cache-from", cache, "--cache-to", cache + ",mode=max", "--progress=plain", *flags, context, **options)

    def tools(self):
        """An image with two programs, as uv's is."""
        tree = pathlib.Path(self.workspace.directory("uv"))
        for name in ("uv", "uvx"):
            (tree / name).write_text("#!/bin/sh\necho %s $@ in $UV_PROJECT_ENVIRONMENT\n" % name)
            (tree / name).chmod(0o755)
        self.cooper("append", "scratch", "docker://%s/tools/uv:0.5" % self.registry.address, "--layer", tree, **self.environment)

    @classmethod
    @functools.cache
    def dockerd(cls):
        containerd = harness.start(Containerd, cls.workspace)
        return engines.Engine(harness.start(Dockerd, cls.workspace, containerd).socket)

    def application_context(self):
        npm, registry = npm_package()
        context = self.context(APPLICATIONS, **{
            "package.json": json.dumps({"name": "app", "private": True, "dependencies": {"is-number": "7.0.0"}}),
            ".npmrc": "registry=%s\n" % registry,
            "index.js": "console.log(`a number: ${require('is-number')('12')} ${process.version.split('.')[0]} ${process.getuid()}`);\n"})
        shutil.copy(npm, context / "npm.tgz")
        (context / "wheels").mkdir()
        write_wheel(context / "wheels")
        return context

    def test_optional_applications_run_in_the_engines(self):
        try:
            context = self.application_context()
        except services.Unavailable as reason:
            raise unittest.SkipTest(str(reason)) from reason
        archive = self.path("node.tar")
        docker, podman = self.dockerd(), engines.Engine(harness.start(PodmanService, self.workspace, "overlay").socket)
        node = self.build("--target", "node-app", "--secret", "id=authorities,src=" + AUTHORITIES, "-t", "localhost/acme/node:1", "-o",
                          "docker-archive:" + archive, "--load", context, DOCKER_HOST="unix://" + docker.socket)
        python = self.build("--target", "python-app", "-t", "localhost/acme/python:1", "--load", "-o", "docker-archive:" + archive + ".python", context,
                            DOCKER_HOST="unix://" + docker.socket)
        for path, name in ((archive, "node"), (archive + ".python", "python")):
            self.cooper("copy", "docker-archive:" + path, "docker-daemon:localhost/acme/%s:1" % name, "--host", "unix://" + podman.socket)
        for engine in (docker, podman):
            self.assertEqual(engine.run("localhost/acme/node:1"), "a number: true v18 1000\n")
            self.assertEqual(engine.run("localhost/acme/python:1"), "hello world from /app/venv\n")
            self.assertEqual(engine.inspect("localhost/acme/node:1")["Id"].replace("sha256:", ""), node["image_id"].replace("sha256:", ""))
        shown = docker.inspect("localhost/acme/python:1")
        self.assertEqual((shown["Id"], shown["Architecture"], shown["Os"]), (python["image_id"], "amd64", "linux"))
        config = shown["Config"]
        self.assertEqual(config["User"], "app")
        self.assertEqual(config["WorkingDir"], "/home/app/work")
        self.assertEqual(config["Env"], ["PATH=/app/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"])
        self.assertEqual((config["Entrypoint"], config["Cmd"]), (["greet"], ["world"]))
        self.assertEqual(sorted(config["ExposedPorts"]), ["8000/tcp", "9000/udp", "9001/udp"])
        self.assertEqual(config["Healthcheck"], {"Test": ["CMD-SHELL", "greet --check || exit 1"], "Interval": 30 * SECOND, "Timeout": 3 * SECOND})
        self.assertEqual(docker.run("localhost/acme/python:1", "you"), "hello you from /app/venv\n")

    def test_optional_agent_server(self):
        self.tools()
        context = self.source(self.context(AGENT_SERVER % {"registry": self.registry.address}))
        docker = self.dockerd()
        arguments = ("--build-arg", "BASE_IMAGE=" + self.system, "--build-arg", "ENABLE_VERTEX=1")
        made = {}
        for target in ("source", "binary", "source-minimal", "binary-minimal"):
            name = "%s/acme/agent-server:%s" % (self.registry.address, target)
            made[target] = self.as_callers_do(context, target, name, *arguments, "--push", "--load", DOCKER_HOST="unix://" + docker.socket)
            where = {"source": "/agent-server/workspace/project", "binary": "/workspace"}.get(target, "/")
            self.assertEqual(docker.run(name), "served by openhands in %s, OH_ENABLE_VNC=false\n" % where)
            self.assertEqual(self.cooper("inspect", name, "--json").json["digest"], made[target]["manifest"])
        config = docker.inspect(self.registry.address + "/acme/agent-server:source")["Config"]
        self.assertIn("LD_LIBRARY_PATH=/usr/lib/tools:", config["Env"])
        self.assertEqual(sorted(config["ExposedPorts"]), ["8000/tcp", "8002/tcp"])
        elsewhere = self.path("elsewhere")
        again = self.as_callers_do(context, "binary", self.registry.address + "/acme/agent-server:again", *arguments, "--push", COOPER_STORE=elsewhere)
        self.assertEqual(again["manifest"], made["binary"]["manifest"], "another machine, from the registry's cache")
        self.assertEqual(again["cached"], 12, "each step that changes files")

    def test_optional_application_and_enterprise(self):
        context = self.source(self.context(APPLICATION % {"registry": self.registry.address}))
        docker = self.dockerd()
        name = self.registry.address + "/acme/openhands:1.2"
        self.as_callers_do(context, "openhands-app", name, "--build-arg", "OPENHANDS_BUILD_VERSION=1.2", "--push", "--load",
                           DOCKER_HOST="unix://" + docker.socket)
        self.assertEqual(docker.run(name), "run by openhands, openhands\n")
        self.assertIn("OPENHANDS_BUILD_VERSION=1.2", docker.inspect(name)["Config"]["Env"])
        self.assertEqual(docker.run(name, "stat", "-c", "%U %G %a", "/app/.venv/bin/start", "/app/src", "/app/src/server.sh"),
                         "openhands openhands 770\nopenhands openhands 770\nroot openhands 644\n")
        (context / "Dockerfile").write_text(ENTERPRISE)
        enterprise = self.registry.address + "/acme/enterprise:1.2"
        self.as_callers_do(context, "", enterprise, "--build-arg", "BASE=%s/acme/openhands" % self.registry.address, "--build-arg",
                           "OPENHANDS_VERSION=1.2", "--load", DOCKER_HOST="unix://" + docker.socket)
        self.assertEqual(docker.inspect(enterprise)["Config"]["Labels"], {"com.datadoghq.tags.service": "deploy", "com.datadoghq.tags.env": ""})
        self.assertEqual(docker.run(enterprise, "stat", "-c", "%U %a", "/app/pyproject.toml"), "openhands 770\n")

    def test_optional_platforms_that_this_machine_does_not_run(self):
        """Their files can be copied and their images made; a RUN says what is missing."""
        context = self.context("FROM --platform=$BUILDPLATFORM debian:bookworm AS cross\nARG TARGETARCH\nRUN echo $TARGETARCH > /made\n"
                               "FROM scratch AS copied\nCOPY --from=cross /made /made\nFROM copied AS run\nRUN [\"/made\"]\n")
        foreign = "linux/arm64" if os.uname().machine == "x86_64" else "linux/amd64"
        made = self.build("--target", "copied", "--platform", "linux/amd64,linux/arm64", "-t", "t/two:1", context)
        self.assertEqual([image["platform"] for image in made["images"]], ["linux/amd64", "linux/arm64"])
        refused = self.cooper("build", "--target", "run", "--platform", foreign, context, expect=None, **self.environment)
        self.assertNotEqual(refused.code, harness.DONE)
        self.assertIn("binfmt", refused.err)


if __name__ == "__main__":
    harness.main()

"""Flows of Dockerfiles: a Debian base, 5,000 copied files and four commands; nothing known, everything known, one file changed."""

import os
import shutil
import subprocess

import debian_base
import images

FILES, FILE_SIZE = 5_000, 4_096
DOCKERFILE = """\
FROM bench/debian
COPY src /srv/src
RUN mkdir /srv/out && cp -r /usr/share /srv/out/
RUN for i in 1 2 3 4 5 6 7 8 9 10; do echo $i > /srv/$i; done
RUN find /srv/src -type f | sort > /srv/list
RUN rm -r /srv/src/0 && sed -i s/root/admin/ /etc/passwd
"""


class Dockerfiles:
    def __init__(self, bench, cooper):
        self.bench, self.cooper = bench, cooper
        self.changes = 0

    def prepare(self):
        self.context = self.bench.workspace.directory("dockerfile")
        self.store = self.bench.workspace.directory("dockerfile-store")
        with open(os.path.join(self.context, "Dockerfile"), "w", encoding="ascii") as out:
            out.write(DOCKERFILE)
        for number in range(FILES):
            folder = os.path.join(self.context, "src", str(number % 50))
            os.makedirs(folder, exist_ok=True)
            with open(os.path.join(folder, "%d.txt" % number), "w", encoding="ascii") as out:
                out.write(("line %d of many\n" % number) * (FILE_SIZE // 20))
        layout = images.Layout(self.bench.workspace.directory("debian"))
        with open(debian_base.tarball(), "rb") as root:
            layout.image([layout.layer(root.read())], tag="latest")
        subprocess.run([self.cooper, "copy", "oci:%s:latest" % layout.path.rstrip("/"), "store:bench/debian", "--store", self.store, "--quiet"], check=True)
        if shutil.which("buildah"):
            subprocess.run([*self.buildah("pull"), "--quiet", "oci:%s:latest" % layout.path.rstrip("/")], check=True, stdout=subprocess.DEVNULL)
            listed = subprocess.run([*self.buildah("images"), "--quiet", "--no-trunc"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
            subprocess.run([*self.buildah("tag"), listed[0], "docker.io/bench/debian:latest"], check=True)

    def buildah(self, verb):
        root = self.bench.workspace.directory("buildah")
        return ["buildah", "--root", root, "--runroot", root + "-run", "--storage-driver", "overlay", verb]

    def commands(self, *flags):
        build = [self.cooper, "build", "--store", self.store, "--progress", "quiet", *flags, self.context]
        return {
            "cooper": [*build, "-o", "type=cacheonly"],
            "cooper, to an archive": [*build, "-o", "docker-archive:%s.tar" % self.bench.fresh("dockerfile"), "-t", "bench/out:1"],
            "buildah": [*self.buildah("build"), "--quiet", "--isolation", "chroot", "--layers", *flags, "-t", "bench/out:1", self.context],
        }

    def uncached(self):
        return self.commands("--no-cache")

    def cached(self):
        return self.commands()

    def one_file_changed(self):
        """Each contestant builds a change of its own."""
        changed = os.path.join(self.context, "src", "7", "7.txt")
        commands = {}
        for name, command in self.commands().items():
            self.changes += 1
            commands[name] = ["sh", "-c", 'echo "$1" > "$2"; shift 2; exec "$@"', "sh", "change %d" % self.changes, changed, *command]
        return commands

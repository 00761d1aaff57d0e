"""Flows of runtime images: a build context from many small files, a rendered template."""

import os
import shutil

# What the script that cooper context takes over does: a copy of the tree, then one process that packs and compresses.
COPY_AND_TAR = """
import shutil, sys, tarfile, tempfile
with tempfile.TemporaryDirectory() as folder:
    shutil.copytree(sys.argv[1], folder + "/tree")
    shutil.copy2(sys.argv[2], folder + "/Dockerfile")
    with tarfile.open(sys.argv[3], "w:gz") as tar:
        tar.add(folder, arcname=".")
"""
JINJA = """
import sys
from jinja2 import Environment, FileSystemLoader
print(Environment(loader=FileSystemLoader(sys.argv[1])).get_template(sys.argv[2]).render(base_image="ubuntu:22.04", build_from_scratch=True))
"""
DOCKERFILE = "FROM scratch\nCOPY tree /tree\n"
TEMPLATE = """\
{% macro packages(names) %}RUN apt-get update && apt-get install -y {% for name in names %}{{ name }}{% if not loop.last %} {% endif %}{% endfor %}
{% endmacro %}
FROM {{ base_image }}
{% for stage in range(100) %}
{% if ('ubuntu' in base_image) and build_from_scratch %}{{ packages(['a' ~ stage, 'b', 'c']) }}{% else %}RUN apk add a{{ stage }}
{% endif %}
{% endfor %}
"""


class Contexts:
    def __init__(self, cooper, tree):
        self.cooper, self.tree, self.root = cooper, tree, os.path.dirname(tree)

    def prepare(self):
        for name, text in (("Dockerfile", DOCKERFILE), ("bench.j2", TEMPLATE)):
            with open(os.path.join(self.root, name), "w", encoding="ascii") as out:
                out.write(text)

    def context(self, out):
        dockerfile, name = os.path.join(self.root, "Dockerfile"), os.path.basename(self.tree)
        tar = ["tar", "-C", self.root, "--sort=name", "--owner=0", "--group=0", "--mtime=@0"]
        commands = {
            "cooper": [self.cooper, "context", "--root", self.root, "--source", name, "--dockerfile", "Dockerfile", "--allow-secret", "**",
                       "--output-dir", out, "--output-name", "c.tar.gz", "--no-upload", "--quiet"],
            "tar and gzip": tar + ["-czf", out + ".tar.gz", "Dockerfile", name],
            "copytree and tarfile": ["/usr/bin/python3", "-c", COPY_AND_TAR, self.tree, dockerfile, out + ".tar.gz"],
        }
        if shutil.which("pigz"):
            commands["tar and pigz"] = tar + ["--use-compress-program=pigz", "-cf", out + ".tar.gz", "Dockerfile", name]
        return commands

    def render(self):
        known = {"cooper": [self.cooper, "render", os.path.join(self.root, "bench.j2"), "--set", "base_image=ubuntu:22.04", "--set",
                            "build_from_scratch=true", "--quiet"]}
        return {**known, "jinja2": ["/usr/bin/python3", "-c", JINJA, self.root, "bench.j2"]} if shutil.which("/usr/bin/python3") else known

"""`cooper matrix` and `cooper plan`: the jobs of a workflow, and what its trigger means, with real repositories of git."""

import json
import os
import shutil
import unittest

import case
import harness

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "build")
PYTHONS = ["3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"]
MATRIX = """{
    "matrix": {
        "axes": {"runtime": ["cpu", "cuda"], "python": "@PYTHON_VERSIONS"},
        "exclude": [{"runtime": "cuda", "python": "3.7"}],
        "make": {"image": "braindotai/opencrate-{runtime}-py{python}:{version}"},
        "small": [{"runtime": "cpu", "python": "3.13"}],  // what a pull request builds
    },
    "images": {"opencrate": {"version_file": "VERSION", "lock_files": ["pyproject.toml"]}},
}
"""


def outputs_of(path):
    """NAME=VALUE lines of $GITHUB_OUTPUT."""
    with open(path, encoding="utf-8") as file:
        return dict(line.rstrip("\n").split("=", 1) for line in file)


class Matrix(case.TestCase):
    def setUp(self):
        super().setUp()
        self.workspace.file("p/PYTHON_VERSIONS", "# tested\n" + "\n".join(PYTHONS) + "\n", 0o644)
        self.workspace.file("p/VERSION", "v0.1.0-rc\n", 0o644)

    def jobs(self, *flags, **options):
        return self.cooper("matrix", *flags, **options).json["include"]

    def axes(self):
        return ("--axis", "runtime=cpu,cuda", "--axis", "python=@" + self.path("p/PYTHON_VERSIONS"))

    def test_seven_versions_of_python_on_two_runtimes(self):
        said = self.cooper("matrix", *self.axes(), "--make", "image=braindotai/opencrate-{runtime}-py{python}:{version}", "--version-file", self.path("p/VERSION"))
        self.assertEqual(said.out.count("\n"), 1)
        self.assertEqual(said.json["include"], [{"runtime": runtime, "python": python, "image": "braindotai/opencrate-%s-py%s:v0.1.0-rc" % (runtime, python)}
                                                for runtime in ("cpu", "cuda") for python in PYTHONS])
        self.assertIn("14 jobs", said.err)
        pretty = self.cooper("matrix", *self.axes(), "--make", "image=a/{runtime}:{python}", "--json")
        self.assertGreater(pretty.out.count("\n"), 14)

    def test_outputs_of_a_step(self):
        outputs = self.workspace.file("outputs", "before=kept\n")
        said = self.cooper("matrix", *self.axes(), "--github-output", GITHUB_OUTPUT=outputs)
        written = outputs_of(outputs)
        self.assertEqual((written["before"], written["count"]), ("kept", "14"))
        self.assertEqual(json.loads(written["matrix"]), said.json)
        self.fails(2, "matrix", *self.axes(), "--github-output", says="GITHUB_OUTPUT is not set")

    def test_the_project_file_and_what_stands_above_it(self):
        project = ("--project", self.workspace.file("p/cooper.json", MATRIX, 0o644))
        jobs = self.jobs(*project)
        self.assertEqual(len(jobs), 13)
        self.assertEqual(jobs[-1]["image"], "braindotai/opencrate-cuda-py3.13:v0.1.0-rc")
        self.assertEqual([job["python"] for job in self.jobs(*project, "--event", "pull_request")], ["3.13"])
        self.assertEqual(len(self.jobs(*project, "--event", "schedule")), 13)
        self.assertEqual(len(self.jobs(*project, "--small-set", "--small", "runtime=cuda")), 6)
        self.assertEqual(len(self.jobs(*project, "--axis", "python=3.7,3.14", "--small", "python=3.14")), 3)
        self.assertEqual(self.jobs(*project, "--set", "version=v9.9.9")[0]["image"], "braindotai/opencrate-cpu-py3.7:v9.9.9")
        os.remove(self.path("p/PYTHON_VERSIONS"))
        self.fails(1, "matrix", *project, says=["axis python", "PYTHON_VERSIONS"])
        self.fails(1, "matrix", "--project", self.workspace.file("p/cooper.json", MATRIX.replace('"@PYTHON_VERSIONS"', "[3.10]"), 0o644),
                   says=["cooper.json:3: matrix.axes.python[0]", "as a number 3.10 is 3.1"])

    def test_a_pushed_tag_gets_the_full_set_and_a_pushed_branch_none(self):
        small = ("--axis", "a=1,2", "--small", "a=1", "--event", "push")
        job = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push"}
        self.assertEqual(len(self.jobs(*small, GITHUB_REF="refs/tags/v1.2.3", **job)), 2)
        self.fails(2, "matrix", *small, says="is no version tag", GITHUB_REF="refs/heads/main", **job)
        self.fails(7, "matrix", "--axis", "a=1", "--event", "pull_request_target", says="code of strangers")

    def test_mistakes(self):
        self.fails(2, "matrix", says=["has no axes", "--axis NAME=VALUE"])
        self.fails(2, "matrix", "--axis", "a", says='--axis: "a" is not NAME=VALUE,VALUE')
        self.fails(2, "matrix", "--axis", "a=1", "--axis", "a=2", says="--axis: a is given twice")
        self.fails(2, "matrix", "--axis", "a=1", "--exclude", "b=1", says='there is no "b"')
        self.fails(2, "matrix", "--axis", "a=1,2", "--make", "image=acme/app:1", says=["two jobs make the image acme/app:1", "name every axis"])
        self.fails(2, "matrix", "--axis", "a=A", "--make", "image=acme/{a}:1", says=["job a=A", "lowercase"])
        self.fails(2, "matrix", "--axis", "a=1", "--make", "image=b:{version}", says=["no such value", "--version-file VERSION"])
        self.fails(2, "matrix", "--axis", "a=" + ",".join(map(str, range(257))), says="makes 257 jobs")
        self.fails(2, "matrix", "--axis", "a=1", "--version-file", self.workspace.file("bad", "1.2\n"), says=["--version-file", "does not hold one version"])


class Plan(case.TestCase):
    """Each row of the table through the command; dependencies in repositories as CI has them."""

    def setUp(self):
        super().setUp()
        if not shutil.which("git"):
            raise unittest.SkipTest("no git program")
        self.repository()
        self.file("pyproject.toml", "a")
        self.commit("second")

    def file(self, name, text, below="repository"):
        self.workspace.file(below + "/" + name, text, 0o644)

    def commit(self, subject, *paths):
        self.git("add", *(paths or ["-A"]))
        self.git("commit", "-q", "-m", subject)

    def unrelated_commit(self, text="b"):
        self.file("a", text)
        self.commit("unrelated")

    def plan(self, *flags, directory="repository", deps="pyproject.toml,setup.cfg", **options):
        return self.cooper("plan", "--directory", self.path(directory), *(("--deps", deps) if deps else ()), "--json", *flags, **options).json

    def deps(self, *flags, **options):
        return self.plan("--event", "dispatch", *flags, **options)["deps"]

    def clone(self, name, *flags):
        self.git("clone", "-q", *flags, "file://" + self.path("repository"), self.path(name))
        return name

    # -- the table

    def golden(self, name):
        with open(os.path.join(GOLDEN, "plan-%s.json" % name), encoding="utf-8") as file:
            return json.load(file)

    def test_every_row_is_the_golden_one(self):
        self.file("VERSION", "v1.2.3\n")
        self.file("pyproject.toml", "b")
        self.commit("new dependencies")
        version = ("--version-file", self.path("repository/VERSION"))
        self.assertEqual(self.plan("--event", "pull_request", *version), self.golden("pull_request"))
        self.assertEqual(self.plan("--event", "workflow_dispatch", "--rebuild", "false", *version), self.golden("dispatch-deps"))
        self.git("tag", "v1.2.3")
        self.git("checkout", "-q", "v1.2.3")
        self.assertEqual(self.plan("--event", "push", *version), self.golden("tag-deps"))
        self.git("checkout", "-q", "main")
        self.unrelated_commit()
        self.assertEqual(self.plan("--event", "schedule", "--rebuild", "", *version), self.golden("schedule"))
        self.assertEqual(self.plan("--event", "workflow_dispatch", "--rebuild", "", *version), self.golden("dispatch"))
        self.assertEqual(self.plan("--event", "workflow_dispatch", "--rebuild", "true", *version), self.golden("rebuild"))
        self.git("tag", "-f", "v1.2.3")
        self.git("checkout", "-q", "v1.2.3")
        self.assertEqual(self.plan("--event", "tag", *version), self.golden("tag"))

    def test_for_people_and_for_the_next_step(self):
        outputs = self.workspace.file("outputs", "")
        said = self.cooper("plan", "--event", "schedule", "--directory", self.path("repository"), "--deps", "a", "--github-output", GITHUB_OUTPUT=outputs)
        self.assertRegex(said.out, r"trigger +schedule\nbuild +cooper build --force --pull --no-cache --push\npublish +cooper release --latest never --replace-tags\n"
                                   r"matrix +full\nbecause\n  a schedule brings")
        self.assertEqual(outputs_of(outputs), {"trigger": "schedule", "fresh": "true", "write_cache": "true", "publish": "true", "latest": "false", "small_matrix": "false",
                                               "version": "", "deps_changed": "false", "build_flags": "--force --pull --no-cache --push",
                                               "publish_flags": "--latest never --replace-tags"})
        self.assertRegex(self.cooper("plan", "--event", "pull_request", "--directory", self.path("repository")).out, r"publish +no\nmatrix +small\n")

    def test_the_event_is_the_jobs_own_when_none_is_given(self):
        self.assertEqual(self.plan(GITHUB_EVENT_NAME="schedule")["trigger"], "schedule")
        job = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "push"}
        self.assertEqual(self.plan(GITHUB_REF="refs/tags/v1.2.3", **job)["trigger"], "tag")
        self.assertEqual(self.plan("--ref", "refs/tags/v1.2.3", GITHUB_REF="refs/heads/main", **job)["trigger"], "tag")
        self.fails(2, "plan", says="which event?")

    def test_events_without_a_row(self):
        for event in ("pull_request_target", "workflow_run"):
            self.fails(7, "plan", "--event", event, says=["code of strangers", "use pull_request"])
        self.fails(2, "plan", "--event", "push", "--ref", "refs/heads/main", says="is no version tag")
        self.fails(2, "plan", "--event", "push", "--directory", self.path("repository"), says="refs/heads/main")
        self.fails(2, "plan", "--event", "pul_request", says='did you mean "pull_request"?')
        self.fails(2, "plan", "--event", "dispatch", "--rebuild", "yes", says='--rebuild: "yes" is neither true nor false')
        self.fails(2, "plan", "--event", "schedule", "--rebuild", "true", says="a rebuild is asked for by hand")
        evil = "$(touch x)`id`;\n::set-output name=a::b"
        said = self.fails(2, "plan", "--event", evil, says="there is no trigger", GITHUB_ACTIONS="true")
        self.assertNotRegex(said.err, r"(?m)^\s*::set-output")

    def test_the_version_must_be_the_pushed_tag(self):
        self.file("VERSION", "v1.2.3-rc1\n")
        self.commit("version")
        version = ("--version-file", self.path("repository/VERSION"))
        tag = ("plan", "--event", "push", "--directory", self.path("repository"), *version)
        self.assertEqual(self.plan("--event", "push", "--ref", "refs/tags/v1.2.3-rc1", *version)["version"], "v1.2.3-rc1")
        self.assertEqual(self.plan("--event", "push", "--ref", "refs/tags/1.2.3-rc1", *version)["version"], "v1.2.3-rc1")
        self.fails(2, *tag, "--ref", "refs/tags/v1.2.3", says=["--version-file", "'v1.2.3' is not the version v1.2.3-rc1", "before tagging"])
        self.fails(2, "plan", "--event", "tag", "--directory", self.path("repository"), *version, says="needs a tag of git")
        self.assertEqual(self.plan("--event", "schedule", *version)["version"], "v1.2.3-rc1", "only tags are compared")
        self.file("VERSION", "1.2\n")
        self.fails(2, "plan", "--event", "schedule", *version, says="does not hold one version")

    # -- dependencies

    def test_touched_or_not(self):
        self.assertEqual(self.deps(), {"changed": True, "files": ["pyproject.toml"], "unknown": ""})
        self.unrelated_commit()
        self.assertEqual(self.deps(), {"changed": False, "files": [], "unknown": ""})
        self.assertTrue(self.deps(deps="*")["changed"])
        self.assertFalse(self.deps(deps="pyproject.*,b/**")["changed"])
        self.git("rm", "-q", "pyproject.toml")
        self.commit("removed")
        self.assertEqual(self.deps()["files"], ["pyproject.toml"])
        self.assertEqual(self.deps(deps="./pyproject.toml")["files"], ["pyproject.toml"])

    def test_moved_files_directories_and_odd_names(self):
        self.git("mv", "pyproject.toml", "elsewhere.toml")
        self.commit("moved")
        self.assertEqual(self.deps()["files"], ["pyproject.toml"])
        odd = 'deps/a "b"\n\t\u00e9.lock'
        self.file(odd, "x")
        self.commit("odd")
        self.assertEqual(self.deps(deps="deps")["files"], [odd])
        self.assertEqual(self.deps(deps="**/*.lock")["files"], [odd])

    def test_below_a_directory_of_the_repository(self):
        self.file("service/pyproject.toml", "a")
        self.commit("service")
        self.assertEqual(self.deps(directory="repository/service")["files"], ["pyproject.toml"])
        self.file("pyproject.toml", "new")
        self.commit("outside")
        self.assertFalse(self.deps(directory="repository/service")["changed"])

    def test_a_merge_is_compared_with_its_first_parent(self):
        self.git("checkout", "-q", "-b", "feature")
        self.file("setup.cfg", "x")
        self.commit("on the branch")
        self.unrelated_commit("last on the branch")
        self.git("checkout", "-q", "main")
        self.file("c", "c")
        self.commit("on main")
        self.git("merge", "-q", "--no-ff", "-m", "merge", "feature")
        self.assertEqual(self.deps()["files"], ["setup.cfg"])
        # What main brought meanwhile is nothing new for main, though it is for the branch.
        self.git("checkout", "-q", "-b", "other", "main~1")
        self.file("d", "d")
        self.commit("other")
        self.git("checkout", "-q", "main")
        self.git("merge", "-q", "--no-ff", "-m", "merge again", "other")
        self.assertFalse(self.deps()["changed"])

    def test_clones_that_lack_the_parent_count_as_changed(self):
        self.unrelated_commit()
        shallow = self.deps(directory=self.clone("depth1", "--depth", "1"))
        self.assertEqual((shallow["changed"], shallow["files"]), (True, []))
        self.assertIn("shallow (fetch-depth: 2 has it)", shallow["unknown"])
        self.assertFalse(self.deps(directory=self.clone("depth2", "--depth", "2"))["changed"])
        self.git("merge", "-q", "--allow-unrelated-histories", "-m", "m", self.git("commit-tree", "-m", "root", self.git("write-tree")))
        self.assertFalse(self.deps(directory=self.clone("merge2", "--depth", "2"))["changed"])
        self.assertIn("shallow", self.deps(directory=self.clone("merge1", "--depth", "1"))["unknown"])

    def test_nothing_to_compare_with_counts_as_changed(self):
        self.git("checkout", "-q", "--orphan", "new")
        self.git("commit", "-q", "-m", "root")
        self.assertIn("first commit", self.deps()["unknown"])
        self.assertTrue(self.deps()["changed"])
        self.git("checkout", "-q", "--orphan", "empty")
        self.assertIn("no commit yet", self.deps()["unknown"])
        self.assertIn("in no git repository", self.deps(directory=os.path.basename(self.workspace.directory("plain")))["unknown"])
        self.assertIn("no files were named", self.deps(directory="plain", deps="")["unknown"])
        self.assertIn("git is not installed", self.deps(PATH=self.path("plain"))["unknown"])
        said = self.cooper("plan", "--event", "dispatch", "--directory", self.path("plain"), "--deps", "a").out
        self.assertRegex(said, r"build +cooper build --push\n")
        self.assertIn("cache: written (--push), since whether dependencies changed is not known: ", said)

    def test_the_lock_files_of_the_project_are_the_default(self):
        self.file("service/cooper.json", '{"defaults": {"lock_files": ["uv.lock"]}, "images": {"a": {}, "b": {"lock_files": ["b.lock"]}}}')
        self.file("service/b.lock", "x")
        self.commit("project")
        self.assertEqual(self.deps(directory="repository/service", deps="")["files"], ["b.lock"])
        self.file("service/uv.lock", "x")
        self.file("service/src/a.py", "x")
        self.commit("locks")
        self.assertEqual(self.deps(directory="repository/service/src", deps="")["files"], ["uv.lock"])

    def test_what_the_repository_configures_is_not_run(self):
        for name in ("diff.external", "core.fsmonitor", "core.pager", "core.sshCommand"):
            self.git("config", name, "touch " + self.path("ran") + "; true")
        self.file(".gitattributes", "* diff=evil filter=evil\n")
        self.git("config", "diff.evil.textconv", "touch " + self.path("ran") + "; cat")
        self.git("config", "diff.evil.command", "touch " + self.path("ran"))
        self.git("-c", "core.fsmonitor=false", "add", "-A")
        self.git("-c", "core.fsmonitor=false", "commit", "-q", "-m", "evil")
        if os.path.exists(self.path("ran")):
            os.remove(self.path("ran"))
        self.assertFalse(self.deps()["changed"])
        self.assertFalse(os.path.exists(self.path("ran")))


class Build(case.TestCase):
    """`cooper build` obeys the table; nothing is built here."""

    def setUp(self):
        super().setUp()
        self.workspace.file("p/Dockerfile", "FROM scratch\nCOPY a /\n", 0o644)
        self.workspace.file("p/a", "a", 0o644)
        self.project = self.workspace.file("p/cooper.json", '{"defaults": {"version": "1.0.0", "base": "scratch", "look_in": ["store"], "dockerfile": "Dockerfile"},'
                                                            ' "images": {"app": {"repository": "ghcr.io/acme/app"}}}', 0o644)

    def arguments(self, *flags):
        return ("build", "--dry-run", "--project", self.project, "--store", self.path("store"), *flags)

    def test_rows_that_read_no_cache_look_nothing_up(self):
        names = self.cooper(*self.arguments("--json")).json["images"][0]["to_apply"]
        self.cooper("append", "scratch", "store:" + names[0], "--layer", self.site(), "--store", self.path("store"))

        def action(*flags):
            return self.cooper(*self.arguments("--json", *flags)).json["images"][0]["action"]

        self.assertEqual(action(), "reuse")
        for flags in (["tag"], ["dispatch"], ["workflow_dispatch", "--rebuild", ""], ["workflow_dispatch", "--rebuild", "false"]):
            self.assertEqual(action("--event", *flags), "reuse", flags)
        for flags in (["pull_request"], ["schedule"], ["rebuild"], ["workflow_dispatch", "--rebuild", "true"]):
            self.assertEqual(action("--event", *flags), "from-scratch", flags)
        self.assertEqual(action("--pull", "--no-cache"), "reuse", "what exists counts unless --force is given")

    def test_a_pull_request_leaves_nothing_behind(self):
        self.fails(2, *self.arguments("--event", "pull_request", "--push"), says=["--push: --event pull_request leaves nothing", "cooper plan --event pull_request"])
        self.cooper(*self.arguments("--event", "schedule", "--push"))
        self.fails(2, *self.arguments("--event", "pull_request", "--builder", "remote", "--runtime-api-url", "http://127.0.0.1:1"), says="the Runtime API pushes what it builds")
        self.fails(7, *self.arguments("--event", "pull_request_target"), says="code of strangers")
        self.fails(2, *self.arguments("--rebuild", "true"), says="--rebuild belongs to --event")
        self.fails(2, *self.arguments("--event", "push"), says="--event: ", GITHUB_ACTIONS="true", GITHUB_REF="refs/heads/main")

    def test_a_runtime_api_cannot_be_told(self):
        remote = ("--builder", "remote", "--runtime-api-url", "http://127.0.0.1:1")
        self.fails(2, *self.arguments("--pull", *remote), says=["--pull: the Runtime API cannot be asked for that", "--builder engine"])
        self.fails(2, *self.arguments("--no-cache", *remote), says="--no-cache: the Runtime API cannot be asked for that")
        self.fails(2, *self.arguments("--event", "schedule", *remote), says="--pull: the Runtime API")


if __name__ == "__main__":
    case.main()

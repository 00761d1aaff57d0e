"""A small runner of GitHub Actions: jobs in order, `run:` by bash as GitHub does it, artifacts and outputs."""

import glob
import json
import os
import re
import shutil
import subprocess

import yaml

EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


def load(path):
    with open(path, encoding="utf-8") as file:
        document = yaml.safe_load(file)
    if True in document:  # YAML 1.1 reads `on` so
        document["on"] = document.pop(True)
    return document


def looked_up(name, context):
    value = context
    for part in name.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return value


def evaluated(text, context):
    """Contexts by name, and fromJSON(); no operators."""
    def value(expression):
        inner = re.fullmatch(r"fromJSON\((.*)\)", expression)
        return json.loads(looked_up(inner[1], context)) if inner else looked_up(expression, context)

    def as_text(found):
        result = value(found[1])
        return {True: "true", False: "false"}.get(result, result) if isinstance(result, bool) else str(result)

    whole = EXPRESSION.fullmatch(str(text))
    if whole and not isinstance(value(whole[1]), (str, bool, int)):
        return value(whole[1])
    return EXPRESSION.sub(as_text, str(text))


def read_outputs(path):
    """NAME=VALUE and NAME<<END lines, as the runner reads them."""
    outputs = {}
    with open(path, encoding="utf-8", newline="") as file:
        lines = iter(file.read().split("\n"))
    for line in lines:
        if "<<" in line and ("=" not in line or line.index("<<") < line.index("=")):
            name, end = line.split("<<", 1)
            value = []
            for more in lines:
                if more == end:
                    break
                value.append(more)
            outputs[name] = "\n".join(value)
        elif "=" in line:
            name, outputs[name] = line.split("=", 1)
    return outputs


class StepFailed(Exception):
    pass


class Runner:
    """`repository`: what is checked out. `environment`: GITHUB_* and what a runner has. `vars`, `secrets`, `inputs`: by name."""

    def __init__(self, root, repository, environment, github, **contexts):
        self.root, self.repository, self.environment = root, repository, environment
        self.contexts = {"github": github, "vars": {}, "secrets": {}, "inputs": {}, **contexts}
        self.artifacts, self.summaries, self.said = {}, {}, []
        self.count = 0

    def run(self, workflow):
        """Job by job; a job with a matrix once for each cell. Returns the names of those that ran."""
        needs, ran = {}, []
        for name, job in workflow["jobs"].items():
            context = {**self.contexts, "needs": needs, "matrix": {}}
            condition = re.fullmatch(r"(needs\.[\w.-]+) == '(\w+)'", job.get("if", ""))
            if condition and looked_up(condition[1], context) != condition[2]:
                continue
            cells = evaluated(job["strategy"]["matrix"], context)["include"] if "strategy" in job else [{}]
            for cell in cells:
                needs[name] = {"outputs": self.run_job(workflow, name, job, {**context, "matrix": cell})}
                ran.append(name)
        return ran

    def run_job(self, workflow, name, job, context):
        self.count += 1
        place = os.path.join(self.root, "job%d" % self.count)
        os.makedirs(place)
        steps, failed = {}, None
        context = {**context, "steps": steps}
        for step in job["steps"]:
            if failed and step.get("if") != "always()":
                continue
            try:
                variables = {**workflow.get("env", {}), **job.get("env", {}), **step.get("env", {})}
                variables = {key: evaluated(value, context) for key, value in variables.items()}
                if "run" in step:
                    outputs = self.run_script(step["run"], place, variables)
                    steps[step.get("id", "")] = {"outputs": outputs}
                else:
                    self.use(step, place, {key: evaluated(value, context) for key, value in step.get("with", {}).items()})
            except StepFailed as error:
                failed = error
        if failed:
            raise failed
        self.summaries[name] = self.summary(place)
        return {key: evaluated(value, context) for key, value in job.get("outputs", {}).items()}

    def summary(self, place):
        path = place + ".summary"
        if not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8") as file:
            return file.read()

    def run_script(self, script, place, variables):
        outputs = place + ".output"
        with open(outputs, "w", encoding="utf-8"):
            pass
        environment = {**self.environment, "GITHUB_OUTPUT": outputs, "GITHUB_STEP_SUMMARY": place + ".summary", "GITHUB_PATH": place + ".path",
                       "RUNNER_TEMP": self.root, **variables}
        done = subprocess.run(["bash", "--noprofile", "--norc", "-e", "-c", script], cwd=place, env=environment, capture_output=True, timeout=240,
                              check=False)
        out, err = done.stdout.decode(), done.stderr.decode()
        self.said.append((script, out, err))
        if done.returncode != 0:
            raise StepFailed("%s\nended with %d\n%s\n%s" % (script, done.returncode, out, err))
        return read_outputs(outputs)

    def use(self, step, place, values):
        action = step["uses"].split("@")[0]
        if action == "actions/checkout":
            ref = values.get("ref", "") or self.environment["GITHUB_SHA"]
            for command in (["git", "init", "-q", "."], ["git", "fetch", "-q", "--depth", values.get("fetch-depth", "1"), "file://" + self.repository, ref],
                            ["git", "checkout", "-q", "FETCH_HEAD"]):
                subprocess.run(command, cwd=place, env=self.environment, check=True, timeout=60)
        elif action == "actions/upload-artifact":
            self.upload(place, values)
        elif action == "actions/download-artifact":
            for name, files in self.artifacts.items():
                if name.startswith(values["pattern"].rstrip("*")):
                    for path, content in files.items():
                        target = os.path.join(place, values["path"], path)
                        os.makedirs(os.path.dirname(target), exist_ok=True)
                        shutil.copyfile(content, target)
        else:
            assert action == "acme/cooper-action", action
            document = load(os.path.join(os.path.dirname(__file__), "..", "..", "examples", "github", "action.yml"))
            for inner in document["runs"]["steps"]:
                context = {"inputs": values}
                self.run_script(inner["run"], place, {key: evaluated(value, context) for key, value in inner["env"].items()})

    def upload(self, place, values):
        files = {}
        for path in values["path"].split():
            for found in glob.glob(os.path.join(place, path, "**"), recursive=True):
                if os.path.isfile(found):
                    files[os.path.relpath(found, place)] = found
        assert files or values["if-no-files-found"] != "error", values
        self.artifacts[values["name"]] = files

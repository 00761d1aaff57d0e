"""Rendering with Python's Jinja, and asking our own program about the same templates: what the tests of templates compare."""

import copy
import functools
import json
import subprocess

import jinja2


@functools.lru_cache(maxsize=64)
def jinja_environment(options, files):
    """One for many templates: what is included is compiled once."""
    return jinja2.Environment(**dict(options), loader=jinja2.DictLoader(dict(files)))


def by_jinja(case):
    """The text, or None and what was raised."""
    try:
        options = dict(case["options"])
        options["undefined"] = jinja2.StrictUndefined if options.pop("strict", False) else jinja2.Undefined
        environment = jinja_environment(tuple(sorted(options.items(), key=str)), tuple(sorted(case["files"].items())))
        text = environment.from_string(case["template"]).render(**copy.deepcopy(case["variables"]))  # some filters change lists
        text.encode()
        return text, None
    except Exception as failure:  # Jinja lets every error of Python out
        return None, "%s: %s" % (type(failure).__name__, failure)


class Oracle:
    """Our program: lines of JSON in, lines of JSON out."""

    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def answer(self, cases):
        """For each case its text, or None and the error."""
        answers = []
        for begin in range(0, len(cases), 100):  # few enough that neither side's pipe is ever full
            part = cases[begin:begin + 100]
            for case in part:
                self.process.stdin.write(json.dumps(case).encode() + b"\n")
                self.process.stdin.flush()
                line = self.process.stdout.readline()
                if not line:
                    raise AssertionError("the program died of %r" % case)
                answer = json.loads(line)
                answers.append((answer.get("text"), answer.get("error")))
        return answers

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(timeout=20)

"""Rendering with Python's Jinja, and asking our own program about the same templates: what the tests of templates compare."""

import json
import subprocess

import jinja2


def jinja_environment(options, files):
    return jinja2.Environment(
        trim_blocks=options.get("trim_blocks", False), lstrip_blocks=options.get("lstrip_blocks", False),
        keep_trailing_newline=options.get("keep_trailing_newline", False),
        undefined=jinja2.StrictUndefined if options.get("strict") else jinja2.Undefined,
        loader=jinja2.DictLoader(files))


def by_jinja(case):
    """The text, or None and what was raised."""
    try:
        environment = jinja_environment(case["options"], case["files"])
        text = environment.from_string(case["template"]).render(**case["variables"])
        text.encode()
        return text, None
    except RecursionError:
        raise
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

"""Templates made by a grammar, and shapes of real ones: our program and Python's Jinja give the same text, or both an error."""

import itertools
import os
import re
import sys
import unittest
import warnings

try:
    import jinja2  # noqa: F401
    import template_cases
    import template_reference
except ImportError as missing:
    print("SKIPPED: Python's jinja2 is not installed: %s" % missing)
    sys.exit(77)

SEED, COUNT = 20260, 3000
# What we refuse and Jinja does not; few templates run into it.
REFUSED = re.compile(r"64 bits|is not supported|cannot be printed|complex|Python's own|for ASCII text")
# What Jinja prints with its address in memory.
ADDRESS = re.compile(r" at 0x[0-9a-f]+|<class |<built-in |<LoopContext |<function ")

DOCKERFILE = """FROM {{ base_image }}
{# one macro for each distribution #}
{% macro debian(packages) %}
RUN apt-get update && apt-get install -y \\
    {%- for package in packages %}
        {{ package }}{% if not loop.last %} \\{% else %} && \\{% endif %}
    {%- endfor %}
    rm -rf /var/lib/apt/lists/*
{% macro docker() %}
# for {{ base_image }}
RUN curl -fsSL https://get.docker.com | sh
{% endmacro %}
{% if not ('swebench' in base_image) and not ('mswebench' in base_image) %}
{{ docker() }}
{% endif %}
{% endmacro %}
{% macro alpine(packages) -%}
RUN apk add {{ packages | join(' ') }}
{%- endmacro %}
SHELL ["/bin/bash", "-c"]
{% if build_from_scratch %}
ENV DEBIAN_FRONTEND=noninteractive \\
    {%- if ('mswebench' in base_image) -%}
    PYTHON=python3
    {%- else %}
    PYTHON=python3.12
    {% endif -%}
{% if (('ubuntu' in base_image) or ('debian' in base_image)) %}
{{ debian(['curl', 'git'] + (['chromium'] if enable_browser else [])) }}
{% elif base_image.startswith('alpine') %}
{{ alpine(packages=['curl']) }}
{% endif %}
{% endif %}
{% if extra_deps %}
USER app
RUN {{ extra_deps }}
{% endif %}
{% set labels = {'org.example.base': base_image, 'org.example.flags': [build_from_scratch, enable_browser]} %}
{% for key, value in labels | dictsort %}
LABEL {{ key }}={{ value | tojson }}
{% endfor %}
"""


def dockerfile_cases():
    bases = ["ubuntu:22.04", "debian:12-slim", "alpine:3", "ghcr.io/x/mswebench@sha256:00", "swebench/ubuntu", "r:5000/a/b"]
    options = [{}, {"trim_blocks": True}, {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}]
    for base, scratch, browser, extra, option in itertools.product(bases, (True, False), (True, False), ("", "pip install 'x'"), options):
        yield {"template": DOCKERFILE, "options": option, "files": {},
               "variables": {"base_image": base, "build_from_scratch": scratch, "enable_browser": browser, "extra_deps": extra}}


class Same(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        warnings.simplefilter("ignore")  # of Python's compiler, about what the templates say
        self.oracle = template_reference.Oracle(os.environ["COOPER_TEMPLATE_ORACLE"])
        self.addCleanup(self.oracle.close)

    def test_dockerfiles(self):
        cases = list(dockerfile_cases())
        for case, (text, error) in zip(cases, self.oracle.answer(cases)):
            self.assertEqual((text, error), template_reference.by_jinja(case), case["variables"])

    def test_templates_of_a_grammar(self):
        cases = template_cases.cases(SEED, COUNT)
        same = refused = 0
        for case, (text, error) in zip(cases, self.oracle.answer(cases)):
            expected, failure = template_reference.by_jinja(case)
            if text is None and expected is not None and (REFUSED.search(error) or ADDRESS.search(expected)):
                refused += 1
            elif text != expected:
                self.fail("%s\nJinja: %s\nours:  %s" % (case, expected if failure is None else failure, text if error is None else error))
            elif text is not None:
                same += 1
        self.assertGreater(same, COUNT * 0.55)  # the others are errors in both
        self.assertLess(refused, COUNT * 0.02)


if __name__ == "__main__":
    unittest.main()

"""Templates made by a grammar: what the tests compare with Python's Jinja. The same seed gives the same templates."""

import random

VARIABLES = [
    {"base_image": "ubuntu:22.04", "packages": ["curl", "git", "build-essential"], "flag": True, "n": 3, "ratio": 1.5,
     "users": [{"name": "Ann", "id": 1000, "tags": ["a", "b"]}, {"name": "bob", "id": 7, "tags": []}, {"name": "ann", "id": 7}],
     "env": {"PATH": "/usr/bin", "Lang": "C.UTF-8", "n": 1}, "empty": "", "nothing": None, "text": " a  b\n\tc <&> 'q' \"d\" ", "none_list": []},
    {"base_image": "ghcr.io/x/swebench@sha256:00", "packages": [], "flag": False, "n": -7, "ratio": -0.1, "users": [], "env": {}, "empty": [],
     "nothing": None, "text": "déjà vu ñ\u00a0\u200b ☃ 𝒳 Straße\\", "none_list": [None, 0, False, "", "x", 1.0, 1, True]},
    {"base_image": "nikolaik/python-nodejs:python3.12-nodejs22", "packages": ["a"], "flag": 0, "n": 0, "ratio": 1e300,
     "users": [{"name": "x", "id": 1.5}], "env": {"a": [1, 2, {"b": None}], "items": 5, "1": 2}, "text": "x-y_z (hello) [World] {brace}\r\nlast", "none_list": [3, 1, 2]},
]
NAMES = ["base_image", "packages", "flag", "n", "ratio", "users", "env", "empty", "nothing", "text", "none_list"]
LOCALS = ["a", "b", "x", "item"]
INCLUDES = {"part.j2": "[{{ a }}|{{ x }}|{{ n }}]\n", "set.j2": "{% set x = 'from include' %}{% set y = 1 %}{{ x }}",
            "macro.j2": "{% macro m(q=n) %}<{{ q }}{{ a }}>{% endmacro %}{{ m() }}{{ m(1) }}", "loop.j2": "{% for x in packages %}{{ loop.index }}{{ x }}{{ item }};{% endfor %}"}

WORDS = ["RUN apt-get update && \\\n", "  ", "\n", "\n\n", "    echo 'x'", "ENV A=1\n", "# comment\n", " \t\n ", "x", "{ }", "%}", "${VAR}", "{{'{{'}}", "\r\n", "é", "}}"]
STRINGS = ["''", "'a'", "\"it's\"", "'ubuntu'", "'a,b,,c'", "' x '", "'%s-%s'", "'%d'", "'a' 'b'", "'\\n\\t\\\\'", "'\\x41\\u00e9'", "'ÀÉ'", "'foo bar-baz'", "'10'", "'1.5'",
           "'{}'", "'<b>'", "'name'", "'Aa1'", "'\\\"'"]
NUMBERS = ["0", "1", "2", "-1", "3", "10", "0.5", "2.0", "1e3", "1_000", "0x1F", "7.25", "1e16", "123456789.123", "1e-5"]
TESTS = ["defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "true", "false", "mapping", "sequence", "iterable", "even", "odd",
         "lower", "upper", "callable", "escaped"]
ARGUMENT_TESTS = ["divisibleby", "eq", "equalto", "ne", "lt", "gt", "ge", "le", "in", "sameas", "greaterthan", "lessthan"]
BINARY = ["+", "-", "*", "/", "//", "%", "**"]
COMPARE = ["==", "!=", "<", "<=", ">", ">=", "in", "not in"]


class Grammar:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.loops = 0
        self.depth = 0

    def pick(self, options):
        return self.random.choice(options)

    def chance(self, percent):
        return self.random.random() * 100 < percent

    # -- expressions

    def name(self):
        if self.loops and self.chance(20):
            return self.pick(["loop.index", "loop.index0", "loop.first", "loop.last", "loop.length", "loop.revindex", "loop.revindex0", "loop.depth",
                              "loop.previtem", "loop.nextitem", "loop.cycle('u', 'v')", "loop.changed(x)"])
        return self.pick(NAMES + NAMES + LOCALS + ["unknown"]) if self.chance(90) else self.pick(["ns.v", "env.PATH", "users[0].name", "env['Lang']", "users[1]['id']", "packages[0]"])

    def atom(self):
        kind = self.random.randrange(10)
        if kind < 4:
            return self.name()
        if kind < 6:
            return self.pick(STRINGS)
        if kind < 8:
            return self.pick(NUMBERS)
        return self.pick(["true", "false", "none", "True", "[]", "{}", "()", "[1, 2, 3]", "['b', 'A', 'c']", "('x',)", "{'k': 'v', 2: [1]}", "range(4)", "range(5, 0, -2)",
                          "[[2, 'x'], [1, 'y']]", "dict(a=1, b='c')", "(1, 'a', none)", "[1.0, true, none, 'é', \"'\"]"])

    def expr(self, depth=3):
        if depth <= 0 or self.chance(25):
            return self.atom()
        make = self.pick([self.binary, self.compare, self.logic, self.conditional, self.filtered, self.filtered, self.filtered, self.tested, self.subscript,
                          self.attribute, self.concat, self.collection, self.unary, self.method, self.method, self.macro_call])
        text = make(depth - 1)
        return "(%s)" % text if self.chance(40) else text

    def binary(self, depth):
        kind = self.random.randrange(8)
        if kind < 4:
            op = self.pick(BINARY)
            # -1 ** n is (-1) ** n by Jinja's grammar, and -(1 ** n) once its optimizer has written "-1".
            if op == "**":  # small ones: Python's ints have no end
                return "%s ** %s" % (self.pick(["2", "3", "0.5", "10"]), self.pick(["0", "1", "2", "5", "n", "-1", "0.5"]))
            return "%s %s %s" % (self.number(depth), op, self.number(depth))
        if kind < 6:
            return "%s + %s" % (self.string(depth), self.string(depth))
        if kind == 6:
            return self.pick(["'%s|%5s|%-4s|' % (", "'%r %s %%|%.2s' % (", "'%x %5.1f %03d' % (3, ratio, "]) + self.number(depth) + self.pick([", n, 'é')", ")", ", text, 2)"])
        if self.chance(30):
            return "%s * %s" % (self.pick(["'ab'", "[1, 'x']", "('a',)", "3", "text"]), self.pick(["0", "2", "-1", "n", "true"]))
        return "%s %s %s" % (self.operand(depth), self.pick(["+", "-", "/", "//", "%"]), self.operand(depth))

    def number(self, depth):
        return self.pick([lambda: self.pick(NUMBERS), lambda: self.pick(["n", "ratio", "n", "flag", "loop.index" if self.loops else "n"]),
                          lambda: "(%s)|length" % self.sequence(depth), lambda: "(%s)|int" % self.expr(depth)])()

    def string(self, depth):
        return self.pick([lambda: self.pick(STRINGS), lambda: self.pick(["base_image", "text", "base_image"]), lambda: "(%s)|string" % self.expr(depth),
                          lambda: "(%s ~ %s)" % (self.atom(), self.atom())])()

    def sequence(self, depth):
        return self.pick(["packages", "users", "none_list", "[1, 2, 3]", "('x', 'y')", "range(4)", "'abc'", "env", "[%s, %s]" % (self.atom(), self.atom())])

    def operand(self, depth):
        return self.pick([self.number, self.number, self.number, self.string, self.expr])(depth)

    def compare(self, depth):
        if self.chance(30):
            return "%s %s %s" % (self.pick(STRINGS), self.pick(["in", "not in"]), self.pick(["base_image", "text", "packages", "env", self.expr(depth)]))
        kind = self.pick([self.number, self.number, self.string, self.operand])
        text = "%s %s %s" % (kind(depth), self.pick(COMPARE[:6]), kind(depth))
        return text + " %s %s" % (self.pick(COMPARE), self.operand(depth)) if self.chance(15) else text

    def logic(self, depth):
        return self.pick(["%s and %s", "%s or %s", "not %s and %s", "(not %s) or %s"]) % (self.expr(depth), self.expr(depth))

    def conditional(self, depth):
        if self.chance(25):
            return "(%s if %s)" % (self.expr(depth), self.expr(depth))
        return "%s if %s else %s" % (self.expr(depth), self.expr(depth), self.expr(depth))

    def concat(self, depth):
        return " ~ ".join(self.expr(depth) for _ in range(self.random.randint(2, 3)))

    def unary(self, depth):
        return self.pick(["-%s", "+%s", "(not %s)", "- %s"]) % self.number(depth)  # "a ~ not b" reads a variable "not"

    def collection(self, depth):
        items = [self.expr(depth) for _ in range(self.random.randint(0, 3))]
        kind = self.random.randrange(3)
        if kind == 0:
            return "[%s]" % ", ".join(items)
        if kind == 1:
            return "(%s,)" % ", ".join(items) if items else "()"
        return "{%s}" % ", ".join("%s: %s" % (self.pick(STRINGS + NUMBERS), item) for item in items)

    def subscript(self, depth):
        if self.chance(60):
            return "(%s)[%s]" % (self.pick(["packages", "none_list", "base_image", "text", "range(9)"]),
                                 self.pick(["0", "1", "-1", "9", ":2", "1:", "::-1", "-2:", "::2", "1:-1", "5:1:-2", ":", "-9:9:3", "n", ":n", "n:"]))
        # Of variables, not of constants: what those do not have, Jinja's optimizer looks up where nothing runs.
        index = self.pick(["0", "1", "-1", "'name'", "5", "'PATH'", self.expr(depth)])
        return "%s[%s]" % (self.name(), index)

    def attribute(self, depth):
        if self.chance(60):
            return self.pick(["users[0].name", "(users|first).id", "env.PATH", "env.missing", "packages.0", "packages.1", "users.0.tags.0", "none_list.missing", "n.missing"])
        return "%s.%s" % (self.name(), self.pick(["name", "id", "PATH", "0", "1", "tags", "missing"]))

    def method(self, depth):
        on = self.pick(["base_image", "text", "'a,b c'", "'x'", "(%s)" % self.expr(depth), "text"])
        call = self.pick(["upper()", "lower()", "title()", "capitalize()", "strip()", "split(':')", "split()", "rsplit('/', 1)", "split(':', 1)[0]", "split(None, 1)", "rsplit(None, 1)",
                          "splitlines()", "splitlines(true)", "replace('a', 'bb')", "replace('', '-')", "replace(':', '_', 1)", "startswith('ubuntu')", "endswith(('4', 'x'))",
                          "find('b')", "rfind('a', 1)", "count('a')", "count('')", "isdigit()", "isalpha()", "isupper()", "islower()", "isspace()", "join(packages)", "join(['p', 'q'])",
                          "format(n, a=1)", "center(21)", "ljust(12, '.')", "rjust(15)", "zfill(8)", "partition(':')", "rpartition('/')", "lstrip(' u')", "rstrip('0123456789.')",
                          "swapcase()", "removeprefix('ubuntu')", "index('a')", "startswith('b', 1)"])
        if self.chance(20):
            on, call = self.pick([("env", "items()"), ("env", "keys()"), ("env", "values()"), ("env", "get('PATH')"), ("env", "get('no', 'D')"), ("packages", "index('git')"),
                                  ("none_list", "count(1)"), ("users[0]", "items()"), ("(1, 2)", "count(2)"), ("unknown", "x()"), ("'{}-{:>5}|{:<4}|{:^6}|{:05d}|{:.2f}'", "format('a', 1, 'x', 'y', 42, 1.005)"),
                                  ("'{0}{1}{0}'", "format(n, 'z')"), ("'{a!r}'", "format(a=text)")])
        return "%s.%s" % (on, call)

    def macro_call(self, depth):
        return "m(%s)" % self.pick(["", self.expr(depth), "q=" + self.expr(depth), "1, 2", self.expr(depth) + ", r=3", "*[1]", "**{'r': 2}"])

    def test_text(self, depth):
        if self.chance(60):
            return self.pick(TESTS)
        return "%s(%s)" % (self.pick(ARGUMENT_TESTS), self.operand(depth)) if self.chance(70) else "%s %s" % (self.pick(["eq", "divisibleby", "in", "ne"]), self.pick(["3", "'a'", "packages", "n"]))

    def tested(self, depth):
        return "%s is %s%s" % (self.pick([self.atom(), self.name(), "(%s)" % self.expr(depth)]), "not " if self.chance(30) else "", self.test_text(depth))

    LAZY = ["map('upper')", "map('length')", "map(attribute='name')", "map(attribute='id', default=0)", "map('default', 'D')", "select", "reject", "select('string')", "select('odd')",
            "reject('none')", "selectattr('id')", "selectattr('name', 'eq', 'bob')", "rejectattr('tags', 'defined')", "selectattr('id', 'gt', 5)", "unique", "unique(true)", "batch(2)",
            "batch(3, 'f')", "slice(2)", "slice(3, '-')", "reverse", "items", "map('replace', 'a', 'b')", "unique(attribute='name')", "map('string')", "map('int')"]
    FILTERS = ["abs", "capitalize", "center(9)", "count", "length", "default('d')", "d('e', true)", "default", "dictsort", "dictsort(true)", "dictsort(by='value')", "dictsort(reverse=true)", "e", "escape",
               "safe", "first", "last", "float", "int", "int(5)", "int(0, 16)", "float(2)", "format(1, 'b')", "format(n)", "indent", "indent(2)", "indent(first=true)", "indent(3, true, true)", "indent('> ')",
               "join", "join(', ')", "join('-', 'name')", "join(', ', attribute='id')", "list", "lower", "upper", "max", "min", "max(attribute='id')", "min(true)", "replace('a', 'o')", "replace('b', '', 1)", "round", "round(1)",
               "round(2, 'floor')", "round(0, 'ceil')", "round(-1)", "sort", "sort(true)", "sort(attribute='name')", "sort(case_sensitive=true)", "sort(attribute='id,name')", "string", "sum", "sum(attribute='id')",
               "sum(start=3)", "title", "tojson", "tojson(2)", "trim", "trim('a ')", "truncate(9)", "truncate(10, true)", "truncate(8, false, '')", "truncate(5, leeway=0)", "urlencode", "wordcount",
               "groupby('id')", "groupby('name')", "groupby('id', default=0)", "attr('name')", "filesizeformat", "filesizeformat(true)", "forceescape"]

    FITTING = [("number", ["abs", "round", "round(1)", "round(2, 'floor')", "round(0, 'ceil')", "int", "float", "string", "filesizeformat", "filesizeformat(true)", "tojson", "round(-1)"]),
               ("string", ["capitalize", "center(21)", "indent(2)", "indent('> ', true)", "indent(3, true, true)", "title", "truncate(9)", "truncate(10, true)", "truncate(6, leeway=0)", "trim", "trim(' a')",
                           "replace('a', 'oo')", "upper", "lower", "urlencode", "e", "e|upper", "first", "last", "length", "list", "reverse", "wordcount", "int", "float", "tojson", "format(1)", "sort|join",
                           "unique|join", "escape|replace('&', '+')", "e|string|length", "default('d')", "safe|upper"]),
               ("sequence", ["length", "first", "last", "list", "join(', ')", "join('-')", "sort|list", "tojson", "tojson(2)", "reverse|list", "unique|list", "batch(2)|list", "batch(3, 0)|list", "slice(2)|list",
                             "slice(3, 'f')|list", "map('string')|join('+')", "select|list", "reject('none')|list", "string", "map('upper')|list", "select('string')|list", "map('length')|list",
                             "select('in', [1, 'git', 'a'])|list", "reject('equalto', 1)|list", "map('default', 'D', true)|join", "e", "map('tojson')|join(' ')"]),
               ("users", ["map(attribute='name')|join(',')", "selectattr('tags')|list|length", "selectattr('id', 'eq', 7)|map(attribute='name')|list", "sort(attribute='name')|map(attribute='id')|list",
                          "groupby('id')|list", "groupby('name')|map('first')|join", "rejectattr('name', 'in', 'bob')|list", "sum(attribute='id')", "max(attribute='id')", "unique(attribute='name')|list",
                          "map(attribute='tags.0', default='-')|list", "sort(reverse=true, attribute='id,name')", "groupby('name', case_sensitive=true)", "map('dictsort')|list", "map('items')|map('list')|list"]),
               ("env", ["dictsort", "items|list", "length", "list", "tojson", "dictsort(false, 'key', true)", "urlencode", "join", "first", "map('upper')|list", "string"])]

    def filtered(self, depth):
        if self.chance(75):
            kind, filters = self.pick(self.FITTING)
            over = kind if kind in ("users", "env") else getattr(self, kind)(depth)
            return "(%s)|%s" % (over, self.pick(filters))
        over = self.pick([self.name(), self.name(), self.atom(), "(%s)" % self.expr(depth)])
        if self.chance(35):
            text = "%s | %s" % (over, self.pick(self.LAZY))
            if self.chance(20):
                text += "|" + self.pick(self.LAZY)
            return text + self.pick(["|list", "|join('+')", "|list", "|first", "|list|length"])
        text = "%s|%s" % (over, self.pick(self.FILTERS))
        return text + "|" + self.pick(self.FILTERS) if self.chance(30) else text

    # -- statements

    def begin(self, sign="{%"):
        return sign + (self.pick(["-", "-", "+"]) if self.chance(22) else "") + self.pick([" ", " ", "", "\n  "])

    def end(self, sign="%}"):
        return self.pick([" ", " ", "", "\n"]) + (self.pick(["-", "-", "+"] if sign == "%}" else ["-"]) if self.chance(22) else "") + sign

    def tag(self, text):
        return self.begin() + text + self.end()

    def text(self):
        return "".join(self.pick(WORDS) for _ in range(self.random.randint(1, 3)))

    def output(self):
        return self.begin("{{") + self.expr() + self.end("}}")

    def body(self, depth):
        return "".join(self.statement(depth) for _ in range(self.random.randint(1, 3)))

    def statement(self, depth):
        if depth <= 0 or self.chance(45):
            return self.pick([self.text, self.text, self.output, self.output, self.output])()
        return self.pick([self.if_block, self.if_block, self.for_block, self.for_block, self.set, self.set, self.set_block, self.macro, self.call_block, self.filter_block, self.with_block,
                          self.include, self.comment, self.raw, self.namespace])(depth - 1)

    def if_block(self, depth):
        text = self.tag("if " + self.expr()) + self.body(depth)
        for _ in range(self.random.choice([0, 0, 1, 2])):
            text += self.tag("elif " + self.expr()) + self.body(depth)
        if self.chance(50):
            text += self.tag("else") + self.body(depth)
        return text + self.tag("endif")

    def for_block(self, depth):
        target, over = self.pick([("x", "packages"), ("item", "users"), ("x", "range(3)"), ("x", "none_list"), ("a, b", "env.items()"), ("a, b", "env|dictsort"), ("x", self.sequence(2)), ("x", self.sequence(2)),
                                  ("a, (b, x)", "[(1, (2, 3))]"), ("x", "packages|map('upper')"), ("item", "users|groupby('id')"), ("x", "'abc'"), ("x", "env"), ("x", "unknown"), ("x", "empty"),
                                  ("a, b", "[[1, 2], [3, 4]]"), ("x", "[n, ratio]"), ("x", "'a b c'.split()")])
        text = "for %s in %s" % (target, over)
        if self.chance(25):
            text += " if " + self.pick(["x", "x is string", "x != 'git'", "loop is undefined", "n", self.expr(1)])
        self.loops += 1
        text = self.tag(text) + self.body(depth)
        self.loops -= 1
        if self.chance(25):
            text += self.tag("else") + self.body(depth)
        return text + self.tag("endfor")

    def set(self, depth):
        return self.tag(self.pick(["set %s = %s" % (self.pick(LOCALS), self.expr()), "set a, b = %s, %s" % (self.expr(2), self.expr(2)), "set n = " + self.expr(2),
                                   "set x = x ~ 'y'", "set ns.v = " + self.expr(2), "set packages = packages + ['new']"]))

    def namespace(self, depth):
        return self.tag("set ns = namespace(%s)" % self.pick(["", "v=1", "v=" + self.expr(2), "{'v': n}"]))

    def set_block(self, depth):
        return self.tag("set " + self.pick(LOCALS) + self.pick(["", "", " | upper", "|trim|replace('a', 'b')"])) + self.body(depth) + self.tag("endset")

    def macro(self, depth):
        loops, self.loops = self.loops, 0
        body = self.body(depth) + self.pick(["", "{{ q }}", "{{ q }}{{ r }}", "{{ caller() }}", "{{ varargs }}{{ kwargs }}", "{{ a }}{{ x }}", "{{ caller(q) if caller else 'none' }}"])
        self.loops = loops
        return self.tag("macro m(%s)" % self.pick(["", "q", "q, r=1", "q='d', r=n", "q=a, r=q"])) + body + self.tag("endmacro") + self.pick(["", "{{ m() }}", "{{ m(1) }}", "{{ m('z', 2) }}"])

    def call_block(self, depth):
        parameters, arguments = self.pick([("", ""), ("(p)", "1"), ("(p='d')", "q=2"), ("", self.expr(1))])
        return self.tag("call%s m(%s)" % (parameters, arguments)) + self.body(depth) + self.pick(["", "{{ p }}"]) + self.tag("endcall")

    def filter_block(self, depth):
        return self.tag("filter " + self.pick(["upper", "indent(2)", "trim|title", "replace('a', x|string)", "wordcount", "e"])) + self.body(depth) + self.tag("endfilter")

    def with_block(self, depth):
        return self.tag("with " + self.pick(["", "a = " + self.expr(2), "a = 1, b = a", "x = x"])) + self.body(depth) + self.tag("endwith")

    def include(self, depth):
        return self.tag("include " + self.pick(["'part.j2'", "'set.j2'", "'macro.j2'", "'loop.j2'", "'no.j2' ignore missing", "['no.j2', 'part.j2']", "'part.j2' with context"]))

    def comment(self, depth):
        return self.pick(["{# a #}", "{#- b\n -#}", "{#+ c +#}", "{# {{ x }} {% if #}\n", "{# d -#}\n  "])

    def raw(self, depth):
        return self.begin() + "raw" + self.pick(["%}", " %}", " -%}"]) + self.pick(["{{ x }}", " {% if %}\n ", "\n\n{# #} ", ""]) + self.tag("endraw")

    def template(self):
        head = self.pick(["", "", "{% macro m(q, r='R') %}({{ q }}{{ r }}){% endmacro %}\n", "{% set ns = namespace(v=0) %}", "{% set a = 'A' %}\n"])
        return head + "".join(self.statement(2) for _ in range(self.random.randint(1, 3))) + self.pick(["", "\n", "\n\n", "\r\n"])


def cases(seed, count):
    """`count` templates with variables and options."""
    grammar = Grammar(seed)
    made = []
    for _ in range(count):
        options = {name: True for name in ("trim_blocks", "lstrip_blocks", "keep_trailing_newline") if grammar.chance(35)}
        if grammar.chance(12):
            options["strict"] = True
        made.append({"template": grammar.template(), "variables": grammar.pick(VARIABLES), "options": options, "files": INCLUDES})
    return made

#include "cooper/build/template.hpp"

#include "cooper/base/files.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <string>

using namespace cooper;
using namespace cooper::build;

namespace {

std::string rendered(const std::string& text, const TemplateMap& variables = {}, TemplateOptions options = {}) {
    return Template::parse(text, "Dockerfile.j2", std::move(options)).render(variables);
}

/// The whole message of what parsing or rendering throws.
std::string mistake(const std::string& text, TemplateOptions options = {}) {
    try {
        return "no error, but: " + rendered(text, {{"x", std::int64_t{1}}, {"name", "ubuntu"}}, std::move(options));
    } catch (const TemplateError& error) {
        CHECK(error.code() == ErrorCode::InvalidInput);
        return error.what();
    }
}

TemplateOptions whitespace(bool trim_blocks, bool lstrip_blocks, bool keep_trailing_newline) {
    TemplateOptions options;
    options.trim_blocks = trim_blocks;
    options.lstrip_blocks = lstrip_blocks;
    options.keep_trailing_newline = keep_trailing_newline;
    return options;
}

TemplateOptions strict() {
    TemplateOptions options;
    options.strict = true;
    return options;
}

TemplateOptions with_files(std::vector<std::pair<std::string, std::string>> files) {
    TemplateOptions options;
    options.loader = [files = std::move(files)](const std::string& name) -> std::optional<std::string> {
        for (const auto& [known, text] : files) {
            if (known == name) {
                return text;
            }
        }
        return std::nullopt;
    };
    return options;
}

}  // namespace

TEST_CASE("template: shapes of a Dockerfile's template", "[unit][build]") {
    const std::string text = R"(FROM {{ base_image }}
{% macro install(packages, update=true) -%}
RUN {% if update %}apt-get update && {% endif %}apt-get install -y \
{%- for package in packages %}
    {{ package }}{% if not loop.last %} \{% endif %}
{%- endfor %}
{%- endmacro %}
{% if 'ubuntu' in base_image and not slim %}
{{ install(['curl', 'git']) }}
{% endif %}
CMD {{ ["bash", "-c"] | tojson }}
)";
    CHECK(rendered(text, {{"base_image", {"ubuntu:22.04"}}, {"slim", {false}}}) ==
          "FROM ubuntu:22.04\n\n\nRUN apt-get update && apt-get install -y \\\n    curl \\\n    git\n\nCMD [\"bash\", "
          "\"-c\"]");
    CHECK(rendered(text, {{"base_image", {"debian:12"}}}) == "FROM debian:12\n\n\nCMD [\"bash\", \"-c\"]");
}

TEST_CASE("template: white space goes where tags say so", "[unit][build]") {
    CHECK(rendered("a \n {%- if true -%} \n b {%- endif %}\n\n") == "ab\n");
    CHECK(rendered("  {% if true %}\n x\n  {%+ endif +%}\n", {}, whitespace(true, true, false)) == " x\n  ");
    CHECK(rendered("{# a #}\nb\r\nc\r", {}, whitespace(true, false, true)) == "b\nc\n");
    CHECK(rendered("{% raw -%} {{ x }} {%- endraw %}|{{- ' y ' -}} |") == "{{ x }}| y |");
}

TEST_CASE("template: values print as Python's", "[unit][build]") {
    CHECK(rendered("{{ [1, 1.0, 1e16, 1e-5, true, none, 'it\\'s', \"a'\\\"\", ('x',), {'k': []}] }}") ==
          "[1, 1.0, 1e+16, 1e-05, True, None, \"it's\", 'a\\'\"', ('x',), {'k': []}]");
    CHECK(rendered("{{ 7 // -2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 3 }} {{ 2 ** -1 }} {{ 'ab' * 2 }} {{ 1 ~ 'a' }}") ==
          "-4 2 3.5 8 0.5 abab 1a");
    CHECK(rendered("{{ '%-4s|%03d|%.2f' % ('é', 7, 0.5) }} {{ 'h\u00e9llo'[1:3] }} {{ '\u00a0' | list }}") ==
          "é   |007|0.50 él ['\\xa0']");
    CHECK(rendered("{{ {'ab': 1}['abc'[:2]] }}") == "1");
}

TEST_CASE("template: scopes are Jinja's", "[unit][build]") {
    CHECK(rendered("{% set a = 1 %}{% for i in [1] %}{% set a = 2 %}{{ a }}{% endfor %}{{ a }}") == "21");
    CHECK(rendered("{% if true %}{% set a = 2 %}{% endif %}{{ a }}") == "2");
    CHECK(rendered("{% macro m() %}{{ a }}{% endmacro %}{% set a = 1 %}{{ m() }}{% set a = 2 %}{{ m() }}") == "12");
    CHECK(rendered("{% set n = namespace(c=0) %}{% for i in [1, 2] %}{% set n.c = n.c + i %}{% endfor %}{{ n.c }}") ==
          "3");
    CHECK(rendered("{% macro outer(x) %}{% macro inner(y=x) %}<{{ y }}{{ caller() }}>{% endmacro %}"
                   "{% call inner() %}c{{ x }}{% endcall %}{% endmacro %}{{ outer(5) }}") == "<5c5>");
    CHECK(rendered("{% for a, b in {'k': 1}.items() if b %}{{ loop.index }}{{ a }}{% else %}none{% endfor %}") == "1k");
    CHECK(rendered("{% for n in [1, [2, [3]]] recursive %}{{ loop(n) if n is iterable else n }}{% endfor %}") == "123");
}

TEST_CASE("template: includes see what is set around them", "[unit][build]") {
    const auto options = with_files({{"a", "{{ x }}{{ y }}{% include 'b' %}"}, {"b", "[{{ x }}]{% set x = 9 %}"}});
    CHECK(rendered("{% set y = 2 %}{% include 'a' %}{{ x }}", {{"x", std::int64_t{1}}}, options) == "12[1]1");
    CHECK(rendered("{% include ['no', 'b'] without context %}{% include 'no' ignore missing %}", {}, options) == "[]");
    CHECK(mistake("\n{% include 'no' %}", options) == "Dockerfile.j2:2: there is no template \"no\"");
    CHECK(mistake("{% include 'c' %}", with_files({{"c", "x\n{{ 1 + 'a' }}"}})) ==
          "included at Dockerfile.j2:1: c:2: \"+\" between int and str has no meaning");
}

TEST_CASE("template: what is undefined prints as nothing, and is an error where it is used or strict",
          "[unit][build]") {
    CHECK(rendered("[{{ no }}{{ no ~ 'a' }}{% for i in no %}x{% endfor %}{{ no | d('D') }}{{ no is defined }}]") ==
          "[aDFalse]");
    CHECK(mistake("{{ no.name }}") == "Dockerfile.j2:1: \"no\" is undefined");
    CHECK(mistake("\n{{ no }}", strict()) == "Dockerfile.j2:2: \"no\" is undefined");
    CHECK(rendered("{{ no | default('D') }}{{ 'y' if no is defined }}", {}, strict()) == "D");
}

TEST_CASE("template: mistakes name what was found and what was expected", "[unit][build]") {
    CHECK(mistake("{% if x %}\n{% endfor %}") ==
          "Dockerfile.j2:2: \"endfor\" closes nothing; the block opened at line 1 is \"if\"");
    CHECK(mistake("{% endif %}") == "Dockerfile.j2:1: \"endif\" closes nothing: no block is open");
    CHECK(mistake("\n{% for i in x %}") ==
          "Dockerfile.j2:2: found the end of the template, expected \"endfor\" of the "
          "block \"for\" opened at line 2");
    CHECK(mistake("{% fro i in x %}") == "Dockerfile.j2:1: \"fro\" is no statement; did you mean \"for\"?");
    CHECK(mistake("{% extends 'a' %}") == "Dockerfile.j2:1: the statement \"extends\" is not supported");
    CHECK(mistake("{{ x | uper }}") == "Dockerfile.j2:1: no filter is called \"uper\"; did you mean \"upper\"?");
    CHECK(mistake("{{ x is strin }}") == "Dockerfile.j2:1: no test is called \"strin\"; did you mean \"string\"?");
    CHECK(mistake("{{ x | random }}") == "Dockerfile.j2:1: the filter \"random\" is not supported");
    CHECK(mistake("{{ (1 }}") == "Dockerfile.j2:1: found \"}\", expected \")\"");
    CHECK(mistake("{{ x y }}") == "Dockerfile.j2:1: found \"y\", expected the end of the tag, \"}}\"");
    CHECK(mistake("{% set 1 = 2 %}") == "Dockerfile.j2:1: found \"1\", expected a name to assign to");
    CHECK(mistake("a\n{# b") == "Dockerfile.j2:2: this comment is not closed: expected \"#}\"");
    CHECK(mistake("{{ 'a }}") == "Dockerfile.j2:1: this string is not closed: expected '");
    CHECK(mistake("{% raw %}") == "Dockerfile.j2:1: this \"raw\" block is not closed: expected {% endraw %}");
    CHECK(mistake("{{ 1 + 'a' }}") == "Dockerfile.j2:1: \"+\" between int and str has no meaning");
    CHECK(mistake("{{ 1 / 0 }}") == "Dockerfile.j2:1: division by zero");
    CHECK(mistake("{{ 9223372036854775807 + 1 }}") == "Dockerfile.j2:1: the result needs more than 64 bits");
    CHECK(mistake("{{ name.append(1) }}").find("has no attribute \"append\"") != std::string::npos);
    CHECK(mistake("{{ [].append(1) }}") == "Dockerfile.j2:1: \"append\" of a list is not supported");
    CHECK(mistake("{% macro m(a) %}\n{{ a / 0 }}{% endmacro %}\n{{ m(1) }}") ==
          "in the macro \"m\" used at Dockerfile.j2:3: Dockerfile.j2:2: division by zero");
    CHECK(mistake("{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}") ==
          "Dockerfile.j2:1: the macro \"m\" takes 1 arguments, found 2");
    CHECK(mistake("\xff") == "Dockerfile.j2:1: the template is not UTF-8");
}

TEST_CASE("template: nothing runs for ever or takes all memory", "[unit][build]") {
    CHECK(mistake("{% for i in range(10 ** 12) %}{% endfor %}").find("more than 10000000 steps") != std::string::npos);
    CHECK(mistake("{{ 'x' * 10 ** 9 }}").find("MiB of memory") != std::string::npos);
    CHECK(mistake("{{ 'x' | center(10 ** 10) }}").find("MiB of memory") != std::string::npos);
    CHECK(mistake("{{ range(10 ** 12) | list }}").find("more than") != std::string::npos);
    CHECK(
        mistake("{% set n = namespace(l='x' * 1000000) %}{% for i in range(99) %}{% set n.l = n.l ~ n.l %}{% endfor %}")
            .find("MiB of memory") != std::string::npos);
    CHECK(mistake("{% set n = namespace(l=[]) %}{% for i in range(999) %}{% set n.l = [n.l] %}{% endfor %}")
              .find("nested deeper than 100") != std::string::npos);
    CHECK(mistake("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}").find("more than 200 levels") != std::string::npos);
    CHECK(mistake("{{ " + std::string(1000, '(') + "1" + std::string(1000, ')') + " }}").find("deeper than 200") !=
          std::string::npos);
    CHECK(mistake("{{ 1" +
                  [] {
                      std::string sum;
                      for (int i = 0; i < 1000; ++i) {
                          sum += " + 1";
                      }
                      return sum;
                  }() +
                  " }}")
              .find("deeper than 200") != std::string::npos);
    CHECK(rendered(
              "{% set n = namespace() %}{% for i in range(50000) %}{% set n.m = namespace(x=n.m) %}{% endfor %}ok") ==
          "ok");
    CHECK(rendered("{% set n = namespace(l=1) %}{% for i in range(20000) %}{% for j in [1] %}{% if loop.changed(n.l) %}"
                   "{% endif %}{% set n.l = loop %}{% endfor %}{% endfor %}ok") == "ok");
}

TEST_CASE("template: variables() are the names that only a caller can give", "[unit][build]") {
    const auto names = [](const std::string& text, TemplateOptions options = {}) {
        return Template::parse(text, "t", std::move(options)).variables();
    };
    using Names = std::vector<std::string>;
    CHECK(names("{% set a = b %}{{ a }}{% for i in range(c) %}{{ i }}{{ loop.index }}{% endfor %}") == Names{"b", "c"});
    CHECK(names("{% macro m(p, q=z) %}{{ p }}{{ free }}{{ caller() }}{% endmacro %}{{ m(1) }}") == Names{"free", "z"});
    CHECK(names("{% if not tag %}{% set tag = 'x' %}{% endif %}{{ tag }}") == Names{"tag"});
    CHECK(names("{% set a = 1 %}{% include 'i' %}", with_files({{"i", "{{ a }}{{ inner }}"}})) == Names{"inner"});
}

TEST_CASE("template: includes stay below their directory", "[unit][build]") {
    const TempDirectory root;
    std::filesystem::create_directories(root.path() / "templates/sub");
    write_file(root.path() / "secret", "secret");
    write_file(root.path() / "templates/sub/a", "A");
    std::filesystem::create_symlink("../secret", root.path() / "templates/link");
    const auto loader = templates_below(root.path() / "templates");
    CHECK(loader("sub/a") == "A");
    for (const std::string name : {"../secret", "sub/../../secret", "link", "no", ""}) {
        CAPTURE(name);
        CHECK(!loader(name));
    }
    CHECK(!loader((root.path() / "secret").string()));
}

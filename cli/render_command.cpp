#include "cooper/base/files.hpp"
#include "cooper/base/stream.hpp"
#include "cooper/build/project.hpp"
#include "cooper/build/template.hpp"

#include "command.hpp"
#include "project_flags.hpp"
#include "session.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>

namespace cooper::cli {

namespace {

std::string read_template_input() {
    StandardInput input;
    std::string text;
    std::vector<std::byte> buffer(std::size_t{64} << 10U);
    while (const std::size_t got = input.read(buffer)) {
        text.append(reinterpret_cast<const char*>(buffer.data()), got);
        if (text.size() > build::kMaxTemplate) {
            throw Error(ErrorCode::InvalidInput, "the template on standard input is too large");
        }
    }
    return text;
}

class RenderCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "render",
            .summary = "fill in a template of a Dockerfile, as Jinja does",
            .usage = "FILE|- [--set NAME=VALUE]... [FLAGS]",
            .about =
                "The part of Jinja 3.1 that Dockerfiles use, with its text to the byte: if, for, set, macro, call, "
                "filter,\n"
                "with, include, raw; expressions, tests and filters. Variables that nobody sets print as nothing, "
                "with\n"
                "--strict they are errors. Files to include lie in FILE's directory or below. \"-\" is standard "
                "input.",
            .examples = {{"a Dockerfile on standard output",
                          "cooper render Dockerfile.j2 --set base_image=ubuntu:22.04 --set build_from_scratch=true"},
                         {"with a list, into a file",
                          "cooper render Dockerfile.j2 --set-json 'packages=[\"git\"]' -o Dockerfile"},
                         {"what can be set", "cooper render Dockerfile.j2 --list-variables"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Variables");
        line.values("--set", "NAME=VALUE", "true, false, a whole number or text; repeatable", set_);
        line.values("--set-json", "NAME=JSON", "any value: a list, a map; repeatable", set_json_);
        line.value("--vars", "FILE", "JSON file of an object with variables; flags stand above it", vars_);
        line.toggle("--list-variables", "print the names that the template reads, and render nothing", list_);
        line.heading("Template");
        line.value("-o, --output", "FILE", "where to; default: standard output", file_);
        line.value("--include-dir", "DIR", "where files to include are; default: where FILE is", include_directory_);
        line.toggle("--strict", "variables that nobody sets are errors", options_.strict);
        line.toggle("--trim-blocks", "Jinja's trim_blocks: no line break behind a {% tag %}", options_.trim_blocks);
        line.toggle("--lstrip-blocks", "Jinja's lstrip_blocks: no blanks before a {% tag %} that begins a line",
                    options_.lstrip_blocks);
        line.toggle("--keep-trailing-newline", "Jinja drops the last line break otherwise",
                    options_.keep_trailing_newline);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1);
        const std::string& source = positionals[0];
        const build::TemplateMap variables = given();
        const build::Template parsed = parse(source);
        const std::vector<std::string> names = parsed.variables();
        if (list_) {
            list(names);
            return;
        }
        Session session(output, connection_);
        compare(session, names, variables);
        const std::string text = parsed.render(variables);
        session.finish_progress();
        if (!file_.empty()) {
            write_file(file_, text);
        }
        if (output.json) {
            print_json({{"text", text}, {"variables", names}});
        } else if (file_.empty()) {
            print_exact(text);
        }
    }

private:
    /// The file's variables, then the flags' in their order.
    [[nodiscard]] build::TemplateMap given() const {
        build::TemplateMap variables;
        if (!vars_.empty()) {
            const auto file = build::parse_template_value(read_file(vars_, build::kMaxTemplate), vars_);
            const auto* const object = std::get_if<build::TemplateMap>(&file.data);
            if (object == nullptr) {
                throw Error(ErrorCode::InvalidInput, vars_ + " is no JSON object of variables");
            }
            variables = *object;
        }
        std::transform(set_.begin(), set_.end(), std::back_inserter(variables), parse_variable);
        std::transform(set_json_.begin(), set_json_.end(), std::back_inserter(variables), parse_json_variable);
        return variables;
    }

    build::Template parse(const std::string& source) {
        const bool is_input = source == "-";
        std::filesystem::path directory = include_directory_;
        if (directory.empty() && !is_input) {
            directory = std::filesystem::path(source).parent_path();
            directory = directory.empty() ? "." : directory;
        }
        if (!directory.empty()) {
            options_.loader = build::templates_below(directory);
        }
        return build::Template::parse(is_input ? read_template_input() : read_file(source, build::kMaxTemplate),
                                      is_input ? "standard input" : source, options_);
    }

    void list(const std::vector<std::string>& names) const {
        if (output.json) {
            print_json({{"variables", names}});
            return;
        }
        std::string lines;
        for (const std::string& name : names) {
            lines += name + "\n";
        }
        print(lines);
    }

    /// What is set and never read is a slip of the fingers, most times; what is read and never set may be meant.
    void compare(Session& session, const std::vector<std::string>& names, const build::TemplateMap& variables) const {
        std::vector<std::string_view> unset;
        for (const std::string& name : names) {
            const auto is_it = [&](const auto& variable) { return variable.first == name; };
            if (std::none_of(variables.begin(), variables.end(), is_it)) {
                unset.push_back(name);
            }
        }
        for (const auto& [name, value] : variables) {
            if (std::find(names.begin(), names.end(), name) == names.end()) {
                const auto meant = nearest(name, unset);
                session.warn("the template reads no variable \"" + printable(name) + "\"" +
                             (meant ? "; it reads \"" + std::string(*meant) + "\"" : ""));
            }
        }
        if (!unset.empty() && !options_.strict) {
            std::string list;
            for (const std::string_view name : unset) {
                list += (list.empty() ? "" : ", ") + std::string(name);
            }
            session.note("not set: " + shortened(list));
        }
    }

    std::vector<std::string> set_;
    std::vector<std::string> set_json_;
    std::string vars_;
    std::string file_;
    std::string include_directory_;
    bool list_ = false;
    build::TemplateOptions options_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_render_command() {
    return std::make_unique<RenderCommand>();
}

}  // namespace cooper::cli

#include "cooper/base/error.hpp"
#include "cooper/base/nearest.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/dockerfile_stages.hpp"
#include "cooper/oci/reference.hpp"

#include "build/dockerfile/checks.hpp"
#include "build/dockerfile/expansion.hpp"
#include "build/dockerfile/run_mount.hpp"
#include "build/dockerfile/source_error.hpp"
#include "build/dockerfile/stage_checks.hpp"
#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

using Values = std::map<std::string, std::string, std::less<>>;

VariableLookup lookup_in(const Values& values) {
    return [&values](std::string_view name) {
        const auto found = values.find(name);
        return found == values.end() ? std::nullopt : std::optional(found->second);
    };
}

/// What FROM and a bare ARG see without any line of the file.
Values automatic_arguments(const Dockerfile& dockerfile, const StageOptions& options) {
    const auto& last_name = dockerfile.stages.back().name;
    const auto& target = options.target.empty() ? last_name : options.target;
    return {{"BUILDPLATFORM", options.build_platform.text()},
            {"BUILDOS", options.build_platform.os},
            {"BUILDOSVERSION", ""},
            {"BUILDARCH", options.build_platform.architecture},
            {"BUILDVARIANT", options.build_platform.variant},
            {"TARGETPLATFORM", options.target_platform.text()},
            {"TARGETOS", options.target_platform.os},
            {"TARGETOSVERSION", ""},
            {"TARGETARCH", options.target_platform.architecture},
            {"TARGETVARIANT", options.target_platform.variant},
            {"TARGETSTAGE", target.empty() ? "default" : target}};
}

bool is_reference(std::string_view text) {
    try {
        static_cast<void>(oci::Reference::parse(text));
        return true;
    } catch (const Error&) {
        return false;
    }
}

bool is_scratch(std::string_view name) {
    return name == "scratch";
}

class Planner {
public:
    Planner(const Dockerfile& dockerfile, const StageOptions& options)
        : dockerfile_(dockerfile), options_(options), rules_(dockerfile.check) {
        for (const auto& [name, value] : options.build_args) {
            build_args_.insert_or_assign(name, value);
        }
    }

    StagePlan plan() {
        plan_.check = dockerfile_.check;
        const auto automatic = automatic_arguments(dockerfile_, options_);
        check_default_bases(automatic);
        plan_.global_args = automatic;
        for (auto& [name, value] : plan_.global_args) {
            if (const auto given = build_args_.find(name); given != build_args_.end()) {
                value = given->second;
            }
        }
        add_declared(plan_.global_args, build_args_);
        for (std::size_t i = 0; i < dockerfile_.stages.size(); ++i) {
            plan_.bases.push_back(base_of(i));
            if (!dockerfile_.stages[i].name.empty()) {
                by_name_.insert_or_assign(dockerfile_.stages[i].name, i);
            }
        }
        plan_.target = find_target();
        mark_needed();
        add_stage_warnings(dockerfile_, plan_);
        std::stable_sort(plan_.warnings.begin(), plan_.warnings.end(),
                         [](const auto& a, const auto& b) { return a.position.line < b.position.line; });
        return std::move(plan_);
    }

private:
    [[noreturn]] void fail(DockerfilePosition position, const std::string& problem,
                           const std::string& advice = "") const {
        throw source_error(dockerfile_.text, dockerfile_.file, position, problem, advice);
    }

    void warn(std::string_view rule, std::string message, const DockerfileStage& stage) {
        if (rules_.reports(rule, stage.check)) {
            plan_.warnings.push_back({std::string(rule), std::move(message), stage.position});
        }
    }

    /// The ARGs above the first FROM.
    void add_declared(Values& values, const Values& build_args) const {
        for (const auto& instruction : dockerfile_.global) {
            for (const auto& declaration : std::get<ArgInstruction>(instruction.kind).declarations) {
                if (const auto given = build_args.find(declaration.name); given != build_args.end()) {
                    values.insert_or_assign(declaration.name, given->second);
                } else if (declaration.value) {
                    try {
                        values.insert_or_assign(declaration.name,
                                                expand_word(*declaration.value, dockerfile_.escape, lookup_in(values)));
                    } catch (const Error& error) {
                        fail(instruction.position, error.what());
                    }
                }
            }
        }
    }

    Expansion expand_in_from(const std::string& text, const DockerfileStage& stage) const {
        ExpansionOptions options;
        options.escape = dockerfile_.escape;
        try {
            return expand(text, options, lookup_in(plan_.global_args));
        } catch (const Error& error) {
            fail(stage.position, error.what());
        }
    }

    /// Would the file stand without any build-arg?
    void check_default_bases(const Values& automatic) {
        Values defaults = automatic;
        try {
            add_declared(defaults, {});
            for (const auto& stage : dockerfile_.stages) {
                const auto base = expand_word(stage.base, dockerfile_.escape, lookup_in(defaults));
                if (!is_reference(base)) {
                    warn("InvalidDefaultArgInFrom",
                         "Default value for ARG " + stage.base + " results in empty or invalid base image name", stage);
                }
            }
        } catch (const Error&) {
            plan_.warnings.clear();  // what is wrong without build-args may be right with them
        }
    }

    StageBase base_of(std::size_t index) {
        const auto& stage = dockerfile_.stages[index];
        StageBase base;
        base.platform = options_.target_platform;
        const auto name = expand_in_from(stage.base, stage);
        warn_undefined(name.unmatched, stage);
        if (name.text.empty()) {
            fail(stage.position, "FROM " + oci::printable(stage.base) + " comes to no image at all",
                 "give the ARG above the first FROM a default, or set it with --build-arg");
        }
        if (!stage.platform.empty()) {
            base.platform = platform_of(stage);
        }
        if (const auto found = by_name_.find(name.text); found != by_name_.end()) {
            base.kind = StageBase::Kind::Stage;
            base.stage = found->second;
            base.platform = plan_.bases[base.stage].platform;
        } else if (!is_scratch(name.text)) {
            base.kind = StageBase::Kind::Image;
            base.image = name.text;
        } else {
            base.platform = options_.target_platform;
        }
        return base;
    }

    oci::Platform platform_of(const DockerfileStage& stage) {
        const auto platform = expand_in_from(stage.platform, stage);
        warn_undefined(platform.unmatched, stage);
        if (platform.text.empty()) {
            fail(stage.position, "--platform=" + oci::printable(stage.platform) + " comes to an empty platform");
        }
        try {
            auto parsed = oci::Platform::parse(platform.text);
            warn_about_platform(stage, platform, parsed);
            return parsed;
        } catch (const DockerfileError&) {
            throw;
        } catch (const Error& error) {
            fail(stage.position, error.what(), error.advice());
        }
    }

    void warn_about_platform(const DockerfileStage& stage, const Expansion& platform, const oci::Platform& parsed) {
        const bool constant = platform.matched.empty() && platform.unmatched.empty();
        const bool named = stage.name.find(parsed.os) != std::string::npos ||
                           stage.name.find(parsed.architecture) != std::string::npos;
        if (constant && !named) {
            warn("FromPlatformFlagConstDisallowed",
                 "FROM --platform flag should not use constant value \"" + platform.text + "\"", stage);
        }
        if (platform.matched == VariableNames{"TARGETPLATFORM"} && platform.unmatched.empty() &&
            platform.text == plan_.global_args["TARGETPLATFORM"]) {
            warn("RedundantTargetPlatform",
                 "Setting platform to predefined " + stage.platform +
                     " in FROM is redundant as this is the default behavior",
                 stage);
        }
    }

    void warn_undefined(const VariableNames& names, const DockerfileStage& stage) {
        for (const auto& name : names) {
            if (is_declared(name)) {
                continue;
            }
            std::vector<std::string_view> known;
            for (const auto& [each, value] : plan_.global_args) {
                known.emplace_back(each);
            }
            const auto near = nearest(name, known);
            warn("UndefinedArgInFrom",
                 "FROM argument '" + name + "' is not declared" +
                     (near ? " (did you mean " + std::string(*near) + "?)" : ""),
                 stage);
        }
    }

    [[nodiscard]] bool is_declared(std::string_view name) const {
        return std::any_of(dockerfile_.global.begin(), dockerfile_.global.end(), [&](const Instruction& instruction) {
            const auto& declarations = std::get<ArgInstruction>(instruction.kind).declarations;
            return std::any_of(declarations.begin(), declarations.end(),
                               [&](const auto& declaration) { return declaration.name == name; });
        });
    }

    [[nodiscard]] std::size_t find_target() const {
        if (options_.target.empty()) {
            return dockerfile_.stages.size() - 1;
        }
        if (const auto found = by_name_.find(to_lower(options_.target)); found != by_name_.end()) {
            return found->second;
        }
        if (const auto number = parse_uint(options_.target); number && *number < dockerfile_.stages.size()) {
            return static_cast<std::size_t>(*number);
        }
        std::vector<std::string_view> names;
        std::string listed;
        for (const auto& [name, stage] : by_name_) {
            names.emplace_back(name);
            listed += (listed.empty() ? "" : ", ") + name;
        }
        const auto near = nearest(to_lower(options_.target), names);
        Error error(ErrorCode::InvalidInput,
                    dockerfile_.file + " has no stage \"" + oci::printable(options_.target) + "\"");
        error.advise(near ? "did you mean " + std::string(*near) + "?"
                          : "its stages: " + (listed.empty() ? "none has a name" : oci::printable(listed)));
        throw error;
    }

    void mark_needed() {
        plan_.needed.assign(dockerfile_.stages.size(), false);
        std::vector<std::size_t> open{plan_.target};
        while (!open.empty()) {
            const auto index = open.back();
            open.pop_back();
            if (plan_.needed[index]) {
                continue;
            }
            plan_.needed[index] = true;
            if (plan_.bases[index].kind == StageBase::Kind::Stage) {
                open.push_back(plan_.bases[index].stage);
            }
            for (const auto& instruction : dockerfile_.stages[index].instructions) {
                for (const auto& name : stage_references(instruction)) {
                    if (const auto found = referred(index, instruction, name)) {
                        open.push_back(*found);
                    }
                }
            }
        }
    }

    [[nodiscard]] std::optional<std::size_t> referred(std::size_t index, const Instruction& instruction,
                                                      const std::string& name) const {
        try {
            return find_stage(dockerfile_, index, name);
        } catch (const Error& error) {
            fail(instruction.position, error.what(), error.advice());
        }
    }

    const Dockerfile& dockerfile_;
    const StageOptions& options_;
    CheckRules rules_;
    Values build_args_;
    std::map<std::string, std::size_t, std::less<>> by_name_;
    StagePlan plan_;
};

}  // namespace

StagePlan StagePlan::make(const Dockerfile& dockerfile, const StageOptions& options) {
    return Planner(dockerfile, options).plan();
}

std::optional<std::size_t> find_stage(const Dockerfile& dockerfile, std::size_t current, std::string_view name) {
    const auto& stages = dockerfile.stages;
    if (const auto number = parse_uint(name)) {
        if (*number >= stages.size()) {
            throw Error(ErrorCode::InvalidInput, "there is no stage " + oci::printable(name))
                .advise("stages are numbered from 0; here the last one is " + std::to_string(stages.size() - 1));
        }
        if (*number >= current) {
            throw Error(ErrorCode::InvalidInput, "stage " + oci::printable(name) + " is not defined before this one");
        }
        return static_cast<std::size_t>(*number);
    }
    const auto wanted = to_lower(name);
    if (wanted.empty()) {
        return std::nullopt;
    }
    for (std::size_t i = std::min(current, stages.size()); i-- > 0;) {
        if (stages[i].name == wanted) {
            return i;
        }
    }
    const auto from_here = stages.begin() + static_cast<std::ptrdiff_t>(std::min(current, stages.size()));
    if (std::any_of(from_here, stages.end(), [&](const DockerfileStage& stage) { return stage.name == wanted; })) {
        throw Error(ErrorCode::InvalidInput,
                    "the stage \"" + oci::printable(name) + "\" is not defined before this one")
            .advise("move it above the stage that copies from it");
    }
    return std::nullopt;
}

std::vector<std::string> stage_references(const Instruction& instruction) {
    std::vector<std::string> names;
    if (const auto* const copy = std::get_if<CopyInstruction>(&instruction.kind)) {
        if (!copy->from.empty()) {
            names.push_back(copy->from);
        }
    } else if (const auto* const run = std::get_if<RunInstruction>(&instruction.kind)) {
        for (const auto& text : run->mount_texts) {
            if (auto from = check_run_mount(text); !from.empty()) {
                names.push_back(std::move(from));
            }
        }
    }
    return names;
}

}  // namespace cooper::build

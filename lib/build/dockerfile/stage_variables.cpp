#include "cooper/base/error.hpp"
#include "cooper/base/nearest.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/dockerfile_stages.hpp"

#include "build/dockerfile/characters.hpp"
#include "build/dockerfile/checks.hpp"
#include "build/dockerfile/expand_instruction.hpp"

#include <algorithm>
#include <array>

namespace cooper::build {

namespace {

/// Linux gives a program at most 6 MiB of arguments and environment; beyond, every RUN would fail.
constexpr std::size_t kMaxEnvironment = 6U << 20;

constexpr std::array<std::string_view, 5> kProxies{"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"};

/// Settings of BuildKit's that are declared with ARG and are not for programs.
bool is_for_builder(std::string_view name) {
    return name == "BUILDKIT_SBOM_SCAN_CONTEXT" || name == "BUILDKIT_SBOM_SCAN_STAGE";
}

}  // namespace

void StageVariables::OrderedValues::set(const std::string& name, const std::string& value) {
    const auto [place, is_new] = places_.try_emplace(name, entries_.size());
    if (is_new) {
        entries_.emplace_back(name, "");
        bytes_ += name.size() + 2;  // '=' and the end
    }
    auto& old = entries_[place->second].second;
    bytes_ += value.size() - old.size();
    old = value;
}

const std::string* StageVariables::OrderedValues::find(std::string_view name) const {
    const auto found = places_.find(name);
    return found == places_.end() ? nullptr : &entries_[found->second].second;
}

std::vector<std::string> StageVariables::OrderedValues::assignments() const {
    std::vector<std::string> all;
    all.reserve(entries_.size());
    for (const auto& [name, value] : entries_) {
        all.push_back(name + "=" + value);
    }
    return all;
}

StageVariables::StageVariables(const StagePlan& plan, const StageOptions& options)
    : global_(plan.global_args), check_(plan.check) {
    for (const auto& [name, value] : options.build_args) {
        build_args_.insert_or_assign(name, value);
    }
    for (const auto name : kProxies) {
        std::string value;
        for (const auto& [given, each] : build_args_) {
            value = equals_ignoring_case(given, name) ? each : value;  // the lower case comes last, and wins
        }
        if (!value.empty()) {
            proxies_.emplace_back(std::string(name), value);
            proxies_.emplace_back(to_lower(name), value);
        }
    }
}

void StageVariables::set_environment(const std::vector<std::string>& environment) {
    environment_ = {};
    for (const auto& variable : environment) {
        const auto equals = std::min(variable.find('='), variable.size());
        environment_.set(variable.substr(0, equals), variable.substr(std::min(equals + 1, variable.size())));
    }
    scope_ = environment_;
    check_size();
}

void StageVariables::check_size() const {
    if (std::max(scope_.bytes(), environment_.bytes()) > kMaxEnvironment) {
        throw Error(ErrorCode::InvalidInput, "the variables of the stage take more than the limit of " +
                                                 std::to_string(kMaxEnvironment) + " bytes");
    }
}

std::optional<std::string> StageVariables::value_of(const ArgInstruction::Declaration& declaration) const {
    if (const auto given = build_args_.find(declaration.name); given != build_args_.end()) {
        return given->second;
    }
    if (declaration.value) {
        return declaration.value;
    }
    const auto global = global_.find(declaration.name);
    return global == global_.end() ? std::nullopt : std::optional(global->second);
}

Instruction StageVariables::expand(const Instruction& instruction, char escape,
                                   std::vector<DockerfileWarning>* warnings) const {
    ExpansionNotes notes;
    Instruction result = instruction;
    if (auto* const arg = std::get_if<ArgInstruction>(&result.kind)) {
        Values declared;
        const VariableLookup with_declared = [&, scope = lookup()](std::string_view name) {
            const auto found = declared.find(name);
            return found == declared.end() ? scope(name) : std::optional(found->second);
        };
        for (auto& declaration : arg->declarations) {
            if (!build_args_.contains(declaration.name)) {
                const Instruction one{ArgInstruction{{declaration}}, "", "", {}, ""};
                const auto filled = expand_instruction(one, escape, with_declared, &notes);
                declaration = std::get<ArgInstruction>(filled.kind).declarations[0];
            }
            declaration.value = value_of(declaration);
            if (declaration.value) {
                declared.insert_or_assign(declaration.name, *declaration.value);
            }
        }
    } else {
        result = expand_instruction(instruction, escape, lookup(), &notes);
    }
    if (warnings == nullptr) {
        return result;
    }
    const CheckRules rules(check_);
    const auto warn = [&](const std::string& rule, std::string message) {
        if (rules.reports(rule, instruction.check)) {
            warnings->push_back({rule, std::move(message), instruction.position});
        }
    };
    for (const auto& name : notes.unmatched) {
        if (declared_.find(name) == nullptr && !is_for_builder(name)) {
            const auto near = nearest_name(name);
            warn("UndefinedVar", "Usage of undefined variable '$" + name + "'" +
                                     (near.empty() ? "" : " (did you mean $" + near + "?)"));
        }
    }
    for (const auto& [rule, message] : notes.ports) {
        warn(rule, message);
    }
    return result;
}

std::string StageVariables::nearest_name(const std::string& name) const {
    constexpr std::size_t kMostNames = 1000;
    std::vector<std::string_view> names;
    for (const auto& [known, value] : scope_.entries()) {
        if (names.size() < kMostNames) {
            names.emplace_back(known);
        }
    }
    const auto near = nearest(name, names);
    return near ? std::string(*near) : "";
}

void StageVariables::declare(const ArgInstruction& arg) {
    for (const auto& declaration : arg.declarations) {
        const auto& name = declaration.name;
        if (build_args_.contains(name) && std::find(used_.begin(), used_.end(), name) == used_.end()) {
            used_.push_back(name);
        }
        declared_.set(name, "");
        if (const auto value = value_of(declaration); value && !is_for_builder(name)) {
            scope_.set(name, *value);
        }
    }
    check_size();
}

void StageVariables::set(const EnvInstruction& env) {
    for (const auto& [name, value] : env.variables) {
        scope_.set(name, value);
        environment_.set(name, value);
    }
    check_size();
}

VariableLookup StageVariables::lookup() const {
    return [this](std::string_view name) {
        const auto* const value = scope_.find(name);
        return value == nullptr ? std::nullopt : std::optional(*value);
    };
}

std::vector<std::string> StageVariables::environment() const {
    return environment_.assignments();
}

std::vector<std::string> StageVariables::cached_environment() const {
    return scope_.assignments();
}

std::vector<std::string> StageVariables::run_environment() const {
    auto all = scope_.assignments();
    for (const auto& [name, value] : proxies_) {
        if (scope_.find(name) == nullptr) {
            all.push_back(name + "=" + value);
        }
    }
    return all;
}

std::vector<std::string> StageVariables::declared_arguments() const {
    std::vector<std::string> all;
    for (const auto& [name, nothing] : declared_.entries()) {
        const auto* const value = scope_.find(name);
        all.push_back(name + "=" + (value == nullptr ? "" : *value));
    }
    return all;
}

}  // namespace cooper::build

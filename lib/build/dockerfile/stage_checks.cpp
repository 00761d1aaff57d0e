#include "build/dockerfile/stage_checks.hpp"

#include "cooper/base/text.hpp"

#include "build/dockerfile/checks.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace cooper::build {

namespace {

/// Has `key` one of `words` between underscores?
bool has_word(std::string_view key, std::span<const std::string_view> words) {
    const auto lower = to_lower(key);
    const auto parts = split(lower, '_');
    return std::any_of(parts.begin(), parts.end(), [&](std::string_view part) {
        return std::find(words.begin(), words.end(), part) != words.end();
    });
}

bool names_secret(std::string_view key) {
    constexpr std::array<std::string_view, 10> kSecret{"apikey",   "auth",  "credential", "credentials", "key",
                                                       "password", "pword", "passwd",     "secret",      "token"};
    constexpr std::array<std::string_view, 3> kHarmless{"public", "file", "version"};
    return has_word(key, kSecret) && !has_word(key, kHarmless);
}

class StageChecks {
public:
    StageChecks(const Dockerfile& dockerfile, StagePlan& plan)
        : dockerfile_(dockerfile), plan_(plan), rules_(dockerfile.check), states_(dockerfile.stages.size()) {}

    void run() {
        for (std::size_t i = 0; i < dockerfile_.stages.size(); ++i) {
            if (!plan_.needed[i]) {
                continue;
            }
            if (plan_.bases[i].kind == StageBase::Kind::Stage) {
                states_[i] = states_[plan_.bases[i].stage];
            }
            last_cmd_ = last_entrypoint_ = last_healthcheck_ = nullptr;
            for (const auto& instruction : dockerfile_.stages[i].instructions) {
                current_ = &instruction;
                state_ = &states_[i];
                std::visit(*this, instruction.kind);
            }
        }
    }

    template <class Kind>
    void operator()(const Kind& /*kind*/) {}

    void operator()(const ArgInstruction& arg) {
        for (const auto& declaration : arg.declarations) {
            check_secret("ARG", declaration.name);
        }
    }
    void operator()(const EnvInstruction& env) {
        check_legacy(env.legacy);
        for (const auto& variable : env.variables) {
            check_secret("ENV", variable.key);
        }
    }
    void operator()(const LabelInstruction& label) { check_legacy(label.legacy); }
    void operator()(const ShellInstruction& /*shell*/) { state_->has_shell = true; }
    void operator()(const CmdInstruction& cmd) { check_command(cmd.command, last_cmd_); }
    void operator()(const EntrypointInstruction& entrypoint) { check_command(entrypoint.command, last_entrypoint_); }
    void operator()(const HealthcheckInstruction& /*check*/) { check_once(last_healthcheck_); }

    void operator()(const WorkdirInstruction& workdir) {
        const auto begin = workdir.path.find_first_not_of("\"'");
        const char first = begin == std::string::npos ? '\0' : workdir.path[begin];
        if (!state_->has_workdir && first != '/' && first != '$') {  // what a variable holds is not known yet
            warn("WorkdirRelativePath",
                 "Relative workdir \"" + workdir.path + "\" can have unexpected results if the base image changes",
                 *current_);
        }
        state_->has_workdir = true;
    }

private:
    struct State {
        bool has_shell = false;
        bool has_workdir = false;
    };

    void warn(std::string_view rule, std::string message, const Instruction& instruction) {
        if (rules_.reports(rule, instruction.check)) {
            plan_.warnings.push_back({std::string(rule), std::move(message), instruction.position});
        }
    }

    void check_secret(const std::string& keyword, const std::string& key) {
        if (names_secret(key)) {
            warn("SecretsUsedInArgOrEnv",
                 "Do not use ARG or ENV instructions for sensitive data (" + keyword + " \"" + key + "\")", *current_);
        }
    }

    void check_legacy(bool legacy) {
        if (legacy) {
            const auto& keyword = current_->keyword;
            warn("LegacyKeyValueFormat",
                 "\"" + keyword + " key=value\" should be used instead of legacy \"" + keyword + " key value\" format",
                 *current_);
        }
    }

    /// The one before is told: it has no effect.
    void check_once(const Instruction*& last) {
        if (last != nullptr) {
            warn("MultipleInstructionsDisallowed",
                 "Multiple " + current_->keyword +
                     " instructions should not be used in the same stage because only the last one will be used",
                 *last);
        }
        last = current_;
    }

    void check_command(const CommandWords& command, const Instruction*& last) {
        check_once(last);
        if (command.shell && !state_->has_shell) {
            warn("JSONArgsRecommended",
                 "JSON arguments recommended for " + current_->keyword +
                     " to prevent unintended behavior related to OS signals",
                 *current_);
        }
    }

    const Dockerfile& dockerfile_;
    StagePlan& plan_;
    CheckRules rules_;
    std::vector<State> states_;
    State* state_ = nullptr;
    const Instruction* current_ = nullptr;
    const Instruction* last_cmd_ = nullptr;
    const Instruction* last_entrypoint_ = nullptr;
    const Instruction* last_healthcheck_ = nullptr;
};

}  // namespace

void add_stage_warnings(const Dockerfile& dockerfile, StagePlan& plan) {
    StageChecks(dockerfile, plan).run();
}

}  // namespace cooper::build

// Dockerfiles as instructions, stages and variables. Input: the Dockerfile.
#include "cooper/build/dockerfile_stages.hpp"

#include "fuzz.hpp"

#include <algorithm>
#include <string>

using namespace cooper;
using namespace cooper::build;

namespace {

void check_position(const Dockerfile& dockerfile, DockerfilePosition position) {
    const auto lines = static_cast<std::size_t>(std::count(dockerfile.text.begin(), dockerfile.text.end(), '\n')) + 1;
    fuzz::check(position.line >= 1 && position.line <= lines && position.column >= 1, "positions are in the file");
}

void check_plan(const Dockerfile& dockerfile, const StagePlan& plan) {
    fuzz::check(plan.needed.size() == dockerfile.stages.size() && plan.bases.size() == plan.needed.size(),
                "every stage has its base");
    fuzz::check(plan.needed.at(plan.target), "the target is needed");
    for (std::size_t i = 0; i < plan.bases.size(); ++i) {
        const auto& base = plan.bases[i];
        if (base.kind == StageBase::Kind::Stage) {
            fuzz::check(base.stage < i, "a stage stands on one above it");
            fuzz::check(!plan.needed[i] || plan.needed[base.stage], "what a needed stage stands on is needed");
        } else {
            fuzz::check((base.kind == StageBase::Kind::Image) == !base.image.empty(), "an image has a name");
        }
    }
}

void run_stage(const Dockerfile& dockerfile, const DockerfileStage& stage, StageVariables variables) {
    for (const auto& instruction : stage.instructions) {
        std::vector<DockerfileWarning> warnings;
        const auto now = variables.expand(instruction, dockerfile.escape, &warnings);
        if (const auto* const arg = std::get_if<ArgInstruction>(&now.kind)) {
            variables.declare(*arg);
        } else if (const auto* const env = std::get_if<EnvInstruction>(&now.kind)) {
            variables.set(*env);
            for (const auto& [name, value] : env->variables) {
                fuzz::check(variables.lookup()(name).has_value(), "what ENV sets is there");
            }
        } else if (const auto* const onbuild = std::get_if<OnbuildInstruction>(&now.kind)) {
            fuzz::expect_only_errors([&] { static_cast<void>(parse_onbuild(onbuild->trigger)); });
        }
        static_cast<void>(expand_for_display(instruction.original, dockerfile.escape, variables.lookup()));
    }
    fuzz::check(variables.environment().size() <= variables.run_environment().size(), "RUN gets all of ENV");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);
    fuzz::expect_only_errors([&] {
        const auto dockerfile = Dockerfile::parse(text, "Dockerfile");
        fuzz::check(!dockerfile.stages.empty(), "there is a stage");
        for (const auto& warning : dockerfile.warnings) {
            check_position(dockerfile, warning.position);
        }
        StageOptions options;
        options.build_args = {{"A", "given"}, {"HTTP_PROXY", "p"}};
        const auto plan = StagePlan::make(dockerfile, options);
        check_plan(dockerfile, plan);
        for (const auto& stage : dockerfile.stages) {
            check_position(dockerfile, stage.position);
            for (const auto& instruction : stage.instructions) {
                check_position(dockerfile, instruction.position);
            }
            fuzz::expect_only_errors([&] { run_stage(dockerfile, stage, StageVariables(plan, options)); });
        }
    });
    return 0;
}

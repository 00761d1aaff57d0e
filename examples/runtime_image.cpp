// The image of a project (its cooper.json), built by a Runtime API unless it is there already; prints its name.
//
//   RUNTIME_API_URL=https://… RUNTIME_API_KEY=… example_runtime_image PROJECT
#include "cooper/build/runtime_image.hpp"

#include "cooper/base/environment.hpp"
#include "cooper/build/lookups.hpp"

#include <iostream>

namespace {

std::string image_of(const std::filesystem::path& project, const cooper::Run& run) {
    const auto environment = cooper::Environment::process();
    const auto http = cooper::make_http_client({}, environment);
    cooper::build::RemoteBuilderOptions options;
    options.base_url = environment.get("RUNTIME_API_URL").value_or("");
    options.api_key = cooper::Secret(environment.get("RUNTIME_API_KEY").value_or(""));
    const cooper::build::RemoteBuilder api(*http, options);
    cooper::build::RuntimeApiBuilder builder(api, options.base_url, std::filesystem::temp_directory_path());

    const auto settings = cooper::build::read_project(project / cooper::build::kProjectFile).image("");
    cooper::build::RuntimeImageInputs inputs;
    inputs.default_registry_prefix = api.registry_prefix(run);
    const auto image = cooper::build::RuntimeImage::from(settings, inputs, run);
    cooper::build::BuilderLookup lookup(builder);
    const auto decision = image.decide({}, lookup, run);
    std::cerr << decision.reason << "\n";
    return decision.reuse.action == cooper::build::ReuseAction::Reuse ? decision.reuse.image
                                                                      : image.build(decision, builder, run);
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 2) {
        std::cerr << "usage: example_runtime_image PROJECT\n";
        return 2;
    }
    std::cout << image_of(argv[1], {}) << "\n";
    return 0;
} catch (const cooper::Error& error) {
    std::cerr << error.what() << "\n  try: " << error.advice() << "\n";
    return 1;
}

#include "cooper/build/image_build.hpp"
#include "cooper/build/lookups.hpp"

namespace cooper::build {

std::string CooperBuilder::description() const {
    return "cooper itself (isolation: " + std::string(to_string(services_.confinement.isolation)) + ")";
}

std::string CooperBuilder::build(const BuildRequest& request, const Run& run) {
    const ContextTree context = open_context(*request.context, "Dockerfile", services_.sources, run);
    ImageBuildOptions options = defaults_;
    options.target = request.target;
    options.build_args.insert(options.build_args.end(), request.args.begin(), request.args.end());
    if (request.platform) {
        options.platforms = {*request.platform};
    }
    options.pull = options.pull || request.pull;
    options.no_cache = options.no_cache || request.no_cache;
    const BuiltGraph built = build_image(context, options, services_, observer_, run);
    for (auto name = request.names.rbegin(); name != request.names.rend(); ++name) {
        services_.store.name(built.graph, oci::Reference::parse(*name).text(), run);
    }
    return request.names.empty() ? built.images.at(0).config.image_id().text() : request.names.front();
}

bool CooperBuilder::image_exists(const std::string& name, const Run& run) {
    return StoreLookup(services_.store).exists(name, false, run);
}

}  // namespace cooper::build

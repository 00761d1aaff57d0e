#include "cooper/base/error.hpp"
#include "cooper/build/builder.hpp"

#include "build/tags/tag_levels.hpp"
#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

using oci::Reference;

std::vector<Reference> references_of(const std::vector<std::string>& names) {
    if (names.empty()) {
        throw Error(ErrorCode::InvalidInput, "no name was given for the image to be built");
    }
    std::vector<Reference> references;
    for (const std::string& name : names) {
        Reference reference = Reference::parse(name);
        if (reference.digest()) {
            throw Error(ErrorCode::InvalidInput,
                        "an image that is built cannot be called " + name + ": its digest is not known before");
        }
        references.push_back(reference.with_tag(*reference.effective_tag()));
    }
    return references;
}

std::optional<Reference> base_reference(const std::string& name) {
    if (name == "scratch") {
        return std::nullopt;
    }
    try {
        return Reference::parse(name);
    } catch (const Error&) {
        return std::nullopt;  // the engine will say what it thinks of it
    }
}

/// One per registry, as the API has it: of two repositories with credentials of their own the first counts.
std::vector<std::pair<std::string, oci::RegistryCredentials>> credentials_for(
    const std::vector<std::string>& base_images, const oci::RegistryCredentialSource* credentials, const Run& run) {
    std::vector<std::pair<std::string, oci::RegistryCredentials>> found;
    if (credentials == nullptr) {
        return found;
    }
    for (const std::string& name : base_images) {
        const auto reference = base_reference(name);
        const auto is_known = [&](const auto& each) { return each.first == reference->domain(); };
        if (!reference || std::any_of(found.begin(), found.end(), is_known)) {
            continue;
        }
        if (auto entry = credentials->find(*reference, run)) {
            found.emplace_back(reference->domain(), std::move(*entry));
        }
    }
    return found;
}

std::vector<Secret> secrets_of(const BuildRequest& request, const oci::EngineBuild& build) {
    std::vector<Secret> secrets;
    for (const auto& [name, value] : request.args) {
        if (looks_secret(name, value)) {
            secrets.emplace_back(value);
        }
    }
    for (const auto& [registry, entry] : build.credentials) {
        secrets.push_back(entry.password);
        secrets.push_back(entry.identity_token);
        secrets.push_back(entry.registry_token);
    }
    return secrets;
}

std::string listed(const Reference* begin, const Reference* end) {
    std::string list;
    for (; begin != end; ++begin) {
        list += (list.empty() ? "" : ", ") + begin->familiar();
    }
    return list;
}

/// The last ones first: a source name that is there means that the others are, too.
void give_names(oci::EngineClient& engine, const std::string& id, const std::vector<Reference>& names, const Run& run) {
    for (std::size_t left = names.size(); left > 0; --left) {
        try {
            engine.tag(id, names[left - 1], run);
        } catch (Error& error) {
            const Reference* const begin = names.data();
            const bool some = left < names.size();
            error.add_context("the image is built, as " + id +
                              (some ? ", and called " + listed(begin + left, begin + names.size()) : "") +
                              ", but not called " + listed(begin, begin + left));
            throw;
        }
    }
}

}  // namespace

std::string EngineBuilder::description() const {
    const oci::EngineEndpoint& endpoint = engine_.endpoint();
    return "the engine at " +
           (endpoint.kind == oci::EngineEndpoint::Kind::Unix ? endpoint.socket : endpoint.url.authority());
}

std::string EngineBuilder::build(const BuildRequest& request, const Run& run) {
    const std::vector<Reference> names = references_of(request.names);
    oci::EngineBuild build;
    build.context = request.context;
    build.args = request.args;
    build.target = request.target;
    build.platform = request.platform;
    build.pull = request.pull;
    build.no_cache = request.no_cache;
    build.credentials = credentials_for(request.base_images, credentials_, run);
    build.secrets = secrets_of(request, build);
    build.on_line = [&run](const std::string& line) { run.progress->notice(NoticeLevel::Info, line); };
    std::string id;
    try {
        id = engine_.build(build, run);
    } catch (const oci::EngineBuildError& error) {
        if (error.code() != ErrorCode::CommandFailed) {
            throw;
        }
        BuildFailed failed(error.what());
        failed.advise(error.advice());
        throw failed;
    }
    give_names(engine_, id, names, run);
    const auto image = engine_.find(id, run);
    const auto spelt = [&](const std::string& tag) { return Reference::parse(tag) == names.front(); };
    if (image) {
        const auto& tags = image->repo_tags;
        if (const auto found = std::find_if(tags.begin(), tags.end(), spelt); found != tags.end()) {
            return *found;
        }
    }
    return names.front().familiar();
}

bool EngineBuilder::image_exists(const std::string& name, const Run& run) {
    return engine_.find(name, run).has_value();
}

}  // namespace cooper::build

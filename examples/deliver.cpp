// An image from a registry is delivered to a directory in the layout that customers get, changelog and all.
//
//   deliver IMAGE DIRECTORY BRANCH COMMIT
#include "cooper/base/environment.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/http.hpp"
#include "cooper/delivery/publish.hpp"
#include "cooper/oci/credentials.hpp"
#include "cooper/oci/registry.hpp"

#include <cstdio>
#include <string>

namespace {

void deliver(const std::string& image, const std::string& directory, const std::string& branch,
             const std::string& commit) {
    const cooper::Run run;
    const auto environment = cooper::Environment::process();
    const auto http = cooper::make_http_client({}, environment);
    const auto credentials = cooper::oci::make_ecosystem_credentials(environment);
    cooper::oci::RegistryClient registry(*http, *credentials, environment);

    const auto reference = cooper::oci::Reference::parse(image);
    const std::string tag = reference.effective_tag().value_or("latest");
    const cooper::delivery::PublishImage publish{
        .image = registry.image(reference, std::nullopt, run),
        .name = reference.base_name(),
        .tag = tag,
        .repo_tags = {reference.repository() + ":" + tag},
        .source = image,
    };

    cooper::delivery::BuildInfo build;
    build.branch = branch;
    build.commit = commit;
    build.subject = "Delivered by the example";
    const auto place = cooper::delivery::make_directory_place(directory);
    const auto published = cooper::delivery::publish({publish}, build, *place, {}, run);
    for (const auto& tarball : published.images) {
        std::printf("%s  %s\n", tarball.sha256.c_str(), tarball.link.url.c_str());
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) {
        std::fprintf(stderr, "usage: %s IMAGE DIRECTORY BRANCH COMMIT\n", argv[0]);
        return 2;
    }
    try {
        deliver(argv[1], argv[2], argv[3], argv[4]);
    } catch (const cooper::Error& error) {
        std::fprintf(stderr, "%s\n%s\n", error.what(), error.advice().c_str());
        return 1;
    }
    return 0;
}

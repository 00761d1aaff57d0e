// Build or reuse? Looks a set of content tags up in a registry and says what is to be done:
//   example_reuse ghcr.io/acme/runtime 1.0.0 PROJECT
#include "cooper/build/reuse.hpp"

#include "cooper/base/http.hpp"
#include "cooper/build/hash_tags.hpp"
#include "cooper/oci/credentials.hpp"
#include "cooper/oci/registry.hpp"

#include <iostream>

int main(int argc, char** argv) try {
    if (argc != 4) {
        std::cerr << "usage: example_reuse REPOSITORY VERSION PROJECT\n";
        return 2;
    }
    const std::string repository = argv[1];
    const cooper::Run run;

    cooper::build::TagInputs inputs;
    inputs.version = argv[2];
    inputs.base = "scratch";
    inputs.root = argv[3];
    const auto tags = cooper::build::cooper_tags(inputs, run);

    const auto environment = cooper::Environment::process();
    const auto http = cooper::make_http_client({}, environment);
    const auto credentials = cooper::oci::make_ecosystem_credentials(environment);
    cooper::oci::RegistryClient registry(*http, *credentials, environment);
    cooper::build::RegistryLookup lookup(registry);
    const auto decision = cooper::build::decide_reuse({repository + ":" + tags.source,
                                                       repository + ":" + tags.lock,
                                                       repository + ":" + tags.versioned,
                                                       inputs.base,
                                                       {}},
                                                      {}, lookup, run);

    std::cout << to_string(decision.action) << ": " << decision.image << "\n";
    for (const std::string& name : decision.apply) {
        std::cout << "  apply " << name << "\n";
    }
    return 0;
} catch (const cooper::Error& error) {
    std::cerr << error.what() << "\n  try: " << error.advice() << "\n";
    return 1;
}

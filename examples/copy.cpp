// An image from any place to any place, with a label more on the way: what `cooper copy` and `cooper config` are made
// of.
//
//   copy SOURCE DESTINATION KEY=VALUE        (places as cooper copy names them: docker://, docker-archive:, oci:, ...)
#include "cooper/oci/copy.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/build/edit.hpp"

#include <cstdio>
#include <string>

namespace {

void copy_with_label(const std::string& source, const std::string& destination, const std::string& label) {
    using cooper::oci::PlaceName;
    const cooper::Run run;
    const auto environment = cooper::Environment::process();
    const auto http = cooper::make_http_client({}, environment);
    const auto credentials = cooper::oci::make_ecosystem_credentials(environment);
    cooper::oci::RegistryClient registry(*http, *credentials, environment);
    const cooper::TempDirectory spool("copy");

    cooper::oci::PlaceAccess access;  // no engine, no store: places that need them are refused
    access.registry = [&]() -> cooper::oci::RegistryClient& { return registry; };
    access.spool = [&] { return spool.path(); };

    auto opened =
        cooper::oci::open_place(PlaceName::parse(source, PlaceName::Use::Read), std::nullopt, false, access, run);
    cooper::build::ConfigEdit edit;
    const auto equals = label.find('=');
    edit.labels.emplace_back(label.substr(0, equals), label.substr(equals + 1));
    const auto image = cooper::oci::image_of(opened.graph, std::nullopt, opened.text, run);
    opened.graph = cooper::oci::graph_of(cooper::build::append(image, {}, edit));

    const auto to = PlaceName::parse(destination, PlaceName::Use::Write);
    const auto written = cooper::oci::write_place(to, {opened}, {}, access, run);
    std::printf("%s  %s (%llu bytes sent, %llu there already)\n", written.manifest.text().c_str(), to.text().c_str(),
                static_cast<unsigned long long>(written.bytes_sent),
                static_cast<unsigned long long>(written.bytes_reused));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4 || std::string(argv[3]).find('=') == std::string::npos) {
        std::fprintf(stderr, "usage: %s SOURCE DESTINATION KEY=VALUE\n", argv[0]);
        return 2;
    }
    try {
        copy_with_label(argv[1], argv[2], argv[3]);
    } catch (const cooper::Error& error) {
        std::fprintf(stderr, "%s\n%s\n", error.what(), error.advice().c_str());
        return 1;
    }
    return 0;
}

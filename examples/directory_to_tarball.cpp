// A directory becomes a container image in a tarball that docker, podman, skopeo and ctr load. No daemon, no registry.
//
//   directory_to_tarball DIRECTORY NAME:TAG OUT.tar [COMMAND...]
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/build/edit.hpp"
#include "cooper/build/layer.hpp"
#include "cooper/oci/archive_writer.hpp"
#include "cooper/oci/docker_archive.hpp"
#include "cooper/oci/platform.hpp"
#include "cooper/oci/reference.hpp"

#include <cstdio>
#include <string>
#include <vector>

namespace {

void make_tarball(const std::string& directory, const std::string& name, const std::string& out,
                  const std::vector<std::string>& command) {
    const cooper::Run run;
    const cooper::TempDirectory spool("directory-to-tarball");

    cooper::build::LayerOptions options;
    options.directory = directory;
    cooper::build::BaseTree tree;  // of what lies below: nothing
    const auto layer = cooper::build::build_layer(options, tree, spool.path(), run);

    cooper::build::ConfigEdit edit;
    edit.cmd = command;
    const auto scratch = cooper::build::scratch_image(cooper::oci::Platform::host());
    const auto image = cooper::build::append(scratch, {layer}, edit);

    const auto reference = cooper::oci::Reference::parse(name);
    const auto plan = cooper::oci::ArchivePlan::make({{image, {reference.text()}}});
    cooper::oci::ArchiveWriteOptions write;
    write.checksum = true;
    const auto written = cooper::oci::write_archive(plan, out, write, run);
    std::printf("%s  %s (%llu bytes, image %s)\n", std::string(written.sha256->hex()).c_str(), out.c_str(),
                static_cast<unsigned long long>(written.size), image.config.image_id().text().c_str());
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) {
        std::fprintf(stderr, "usage: %s DIRECTORY NAME:TAG OUT.tar [COMMAND...]\n", argv[0]);
        return 2;
    }
    try {
        make_tarball(argv[1], argv[2], argv[3], {argv + 4, argv + argc});
    } catch (const cooper::Error& error) {
        std::fprintf(stderr, "%s\n%s\n", error.what(), error.advice().c_str());
        return 1;
    }
    return 0;
}

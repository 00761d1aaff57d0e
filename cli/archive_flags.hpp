// Flags of the verbs that write a docker-archive.
#pragma once

#include "cooper/oci/convert.hpp"
#include "cooper/oci/docker_archive.hpp"
#include "cooper/oci/platform.hpp"

#include "command_line.hpp"

#include <optional>

namespace cooper::cli {

struct ArchiveFlags {
    std::optional<oci::Platform> platform;
    oci::LayerForm layers = oci::LayerForm::Keep;
    oci::ArchiveFormat format = oci::ArchiveFormat::Hybrid;
    bool deep = false;
    unsigned jobs = 4;

    void declare(CommandLine& line);
};

void declare_platform(CommandLine& line, std::optional<oci::Platform>& platform);
void declare_layers(CommandLine& line, oci::LayerForm& layers);
void declare_format(CommandLine& line, oci::ArchiveFormat& format);

}  // namespace cooper::cli

#include "archive_flags.hpp"

namespace cooper::cli {

namespace {

oci::LayerForm parse_layers(std::string_view text) {
    if (text == "keep") {
        return oci::LayerForm::Keep;
    }
    if (text == "uncompressed") {
        return oci::LayerForm::Uncompressed;
    }
    throw Error(ErrorCode::InvalidInput, "\"" + std::string(text) + "\" is neither keep nor uncompressed");
}

oci::ArchiveFormat parse_format(std::string_view text) {
    if (text == "hybrid") {
        return oci::ArchiveFormat::Hybrid;
    }
    if (text == "docker") {
        return oci::ArchiveFormat::Docker;
    }
    throw Error(ErrorCode::InvalidInput, "\"" + std::string(text) + "\" is neither hybrid nor docker");
}

}  // namespace

void declare_platform(CommandLine& line, std::optional<oci::Platform>& platform) {
    line.parsed("--platform", "OS/ARCH", "of a multi-platform image; default: linux and this machine's", platform,
                oci::Platform::parse);
}

void declare_layers(CommandLine& line, oci::LayerForm& layers) {
    line.parsed("--layers", "FORM", "keep (default: as they are, zstd becomes gzip) or uncompressed", layers,
                parse_layers);
}

void declare_format(CommandLine& line, oci::ArchiveFormat& format) {
    line.parsed("--format", "FORMAT", "hybrid (default: docker-archive and OCI layout in one) or docker", format,
                parse_format);
}

void ArchiveFlags::declare(CommandLine& line) {
    declare_platform(line, platform);
    declare_layers(line, layers);
    declare_format(line, format);
    line.toggle("--deep", "inflate the layers too and check their diff IDs", deep);
    line.parsed("--jobs", "N", "layers fetched at once; default: 4", jobs,
                [](std::string_view text) { return parse_count(text, 1, 64); });
}

}  // namespace cooper::cli

// Archives of every writer, built in memory in their documented shapes.
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/base/tar.hpp"
#include "cooper/oci/archive_reader.hpp"

#include "support/memory_image.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::testing {

struct TarMember {
    TarEntry entry;
    std::string content;
};

TarMember tar_file(const std::string& path, const std::string& content);
TarMember tar_symlink(const std::string& path, const std::string& target);
TarMember tar_hard_link(const std::string& path, const std::string& target);
TarMember tar_directory(const std::string& path);
std::string tar_of(const std::vector<TarMember>& members);

/// Three layers, the third being the first once more.
struct SampleImage {
    std::vector<std::string> tars;
    std::string config;  ///< the document
    [[nodiscard]] std::string hex(std::size_t layer) const { return std::string(sha256(tars[layer]).hex()); }
    [[nodiscard]] std::string config_hex() const { return std::string(sha256(config).hex()); }
};
SampleImage sample_image(unsigned seed = 0);
std::string config_of(const std::vector<std::string>& tars, const std::string& extra = "");

/// manifest.json with one image.
std::string listing_of(const std::string& config, const std::vector<std::string>& layers,
                       const std::string& repo_tags = R"(["acme/app:1"])");
std::string descriptor_text(std::string_view media_type, const std::string& content, const std::string& extra = "");
/// An OCI manifest over these bytes.
std::string manifest_of(const std::string& config, const std::vector<std::string>& layers, std::string_view layer_type);
std::string index_of(const std::vector<std::string>& entries);
std::string hex_of(const std::string& content);

/// Archives by the tool that writes such ones.
struct ArchiveFlavour {
    std::string name;
    std::vector<TarMember> members;
    std::string manifest;  ///< that must come back byte for byte; empty: one is made
};
std::vector<ArchiveFlavour> archive_flavours(const SampleImage& image);

/// What every reader of the image must get: config, diff IDs, and layers that hold the sample's tars.
void check_is_sample(const oci::Image& image, const SampleImage& sample);
std::string content_of(const oci::Blobs& blobs, const oci::Descriptor& blob);

/// A fresh directory, and archives in it.
class ArchiveBench {
public:
    [[nodiscard]] const std::filesystem::path& directory() const { return directory_.path(); }
    std::filesystem::path write(const std::string& bytes, const std::string& name = "archive.tar") const;
    [[nodiscard]] oci::ArchiveFile open(const std::string& bytes) const;
    [[nodiscard]] oci::ArchiveFile open(const std::vector<TarMember>& members) const { return open(tar_of(members)); }

private:
    TempDirectory directory_{"archive-test"};
};

/// The Error that `body` throws, as "code: text; advice"; "" when it throws none.
template <class F>
std::string failure_of(F&& body) {
    try {
        static_cast<void>(body());
    } catch (const Error& error) {
        return std::string(to_string(error.code())) + ": " + error.what() + "; " + error.advice();
    }
    return "";
}

}  // namespace cooper::testing

// Editing an image manifest as text: what is not edited keeps every byte (private).
#pragma once

#include "cooper/oci/manifest.hpp"

#include "build/edit/json_text.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

/// A descriptor as it stands in a manifest.
std::string descriptor_text(const oci::Descriptor& descriptor);
/// The OCI name of a type that docker has its own name for; others as they are.
std::string_view oci_media_type(std::string_view type);
/// `document`'s member `mediaType`, if it has a docker type, with OCI's.
void make_media_type_oci(ObjectText& document);

class ManifestText {
public:
    explicit ManifestText(const oci::Manifest& manifest);

    /// The config descriptor's digest and size.
    void set_config(std::string_view config);
    /// Descriptors as text; those before the first that differs keep what stands between them.
    void set_layers(const std::vector<std::string>& layers);
    [[nodiscard]] const std::vector<std::string>& layers() const noexcept { return layers_; }
    void set_annotation(std::string_view key, std::string_view value);
    void remove_annotation(std::string_view key);
    /// Docker's media types become OCI's.
    void make_oci();
    [[nodiscard]] oci::Manifest finish() const;

private:
    ObjectText document_;
    std::string media_type_;
    std::vector<std::string> layers_;
};

}  // namespace cooper::build

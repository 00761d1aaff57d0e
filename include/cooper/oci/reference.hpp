// Image references, parsed and normalised as Docker does it (distribution/reference v0.6; `registry-and-engine.md`
// section 1).
#pragma once

#include "cooper/base/digest.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace cooper::oci {

/// `name[:tag][@digest]` with its domain made explicit: "debian" is docker.io/library/debian. A value.
class Reference {
public:
    /// Throws Error{InvalidInput} that says what is wrong ("repository name must be lowercase", …).
    static Reference parse(std::string_view text);

    [[nodiscard]] const std::string& domain() const noexcept {
        return domain_;
    }  ///< "docker.io", "ghcr.io", "localhost:5000"
    [[nodiscard]] const std::string& path() const noexcept { return path_; }               ///< "library/debian"
    [[nodiscard]] const std::optional<std::string>& tag() const noexcept { return tag_; }  ///< as given; not defaulted
    [[nodiscard]] const std::optional<Digest>& digest() const noexcept { return digest_; }
    /// The tag given, "latest" when neither tag nor digest was; nullopt with a digest alone.
    [[nodiscard]] std::optional<std::string> effective_tag() const;

    /// Where the API is: "registry-1.docker.io" for docker.io, else the domain.
    [[nodiscard]] std::string api_host() const;
    /// "docker.io/library/debian".
    [[nodiscard]] std::string repository() const { return domain_ + "/" + path_; }
    /// "docker.io/library/debian:12@sha256:…" with what was given.
    [[nodiscard]] std::string text() const;
    /// "debian:12": without docker.io/library/.
    [[nodiscard]] std::string familiar() const;
    /// The last component of the path: "openhands" for ghcr.io/acme/openhands.
    [[nodiscard]] std::string base_name() const;
    [[nodiscard]] Reference with_tag(std::string_view tag) const;     ///< digest dropped
    [[nodiscard]] Reference with_digest(const Digest& digest) const;  ///< tag kept

    bool operator==(const Reference&) const = default;

private:
    Reference() = default;
    std::string domain_;
    std::string path_;
    std::optional<std::string> tag_;
    std::optional<Digest> digest_;
};

}  // namespace cooper::oci

// The members of an archive that is planned, laid out one after the other (private).
#pragma once

#include "cooper/oci/docker_archive.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::oci {

/// Makes segments; literals that touch are one.
class MemberLayout {
public:
    void document(const std::string& path, std::string_view bytes);
    /// At blobs/ALG/HEX.
    void blob(const Segment::Blob& blob);

    struct Members {
        std::vector<Segment> segments;
        std::uint64_t size;
        Digest identity;
    };
    /// Adds the end of the tar. `kind` enters the identity, with the version of the format.
    [[nodiscard]] Members finish(std::string_view kind) &&;

private:
    void header(const std::string& path, std::uint64_t length);
    void flush();

    std::vector<Segment> segments_;
    std::uint64_t size_ = 0;
    std::string literal_;
};

}  // namespace cooper::oci

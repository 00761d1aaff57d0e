// The members of a planned archive, and what of a file is not as planned (private).
#pragma once

#include "cooper/base/ranged.hpp"
#include "cooper/base/run.hpp"
#include "cooper/oci/docker_archive.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace cooper::delivery {

struct PlannedMember {
    std::string name;
    std::uint64_t header = 0;   ///< offset
    std::uint64_t content = 0;  ///< offset
    std::uint64_t size = 0;
};
std::vector<PlannedMember> members_of(const oci::ArchivePlan& plan);

/// A member, or what lies around it, whose literal bytes are not the plan's.
struct LiteralDifference {
    std::string member;    ///< "" behind the last one
    bool content = false;  ///< else in its header or padding
    std::string text;      ///< "manifest.json: byte 17 (byte 3089 of the file) is 0x41, not 0x42"
};
/// Of a file with the plan's size, one per member: everything but blobs is compared.
std::vector<LiteralDifference> compare_literals(const oci::ArchivePlan& plan, const Ranged& file, const Run& run);

}  // namespace cooper::delivery

// Where a tarball is cut: at the contents of its members (private).
#pragma once

#include "cooper/base/ranged.hpp"
#include "cooper/base/run.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cooper::delivery {

/// Smaller members stay with the headers around them: naming one costs some 200 bytes of the delta's head.
inline constexpr std::uint64_t kMinBlob = 4096;
/// An archive of images has some hundreds of members. Of one that has more the largest are cut out.
inline constexpr std::size_t kMaxBlobs = 50'000;

struct Stretch {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    bool blob = false;  ///< all of a member's content
};

/// All of [begin, end) in order, without gaps. Where the tar ends, is damaged or is none at all, the rest is one
/// stretch: the cuts decide how small a delta becomes, never which bytes come out.
std::vector<Stretch> cut_at_members(const Ranged& file, std::uint64_t begin, std::uint64_t end, const Run& run);

/// The name of the member whose content lies at `offset`, fit for a message; empty: none does.
std::string member_at(const Ranged& file, std::uint64_t offset, const Run& run);

/// Whether the file begins as a tar does.
bool begins_with_member(const Ranged& file);

}  // namespace cooper::delivery

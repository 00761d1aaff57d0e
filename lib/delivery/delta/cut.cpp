#include "delivery/delta/cut.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/tar.hpp"

#include "base/counting_source.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <functional>
#include <optional>

namespace cooper::delivery {
namespace {

/// Headers cost a read each; an archive of images is far below.
constexpr std::size_t kMaxMembers = 1'000'000;

struct Member {
    TarEntry entry;
    std::uint64_t content = 0;  // offset
};

/// The member whose header lies at `offset` of a tar that ends at `end`; nullopt where there is none that all readers
/// of tar agree on.
std::optional<Member> read_member(const Ranged& file, std::uint64_t offset, std::uint64_t end) {
    try {
        CountingSource source(file.open(offset, end - offset));
        TarReader reader(source);
        auto entry = reader.next();
        const std::uint64_t content = offset + source.count();
        if (!entry || entry->size > end - content) {
            return std::nullopt;
        }
        return Member{*std::move(entry), content};
    } catch (const Error& error) {
        if (error.code() != ErrorCode::Integrity && error.code() != ErrorCode::InvalidInput) {
            throw;
        }
        return std::nullopt;
    }
}

/// Calls `visit` with each member of the tar in [offset, end) until it returns false.
void each_member(const Ranged& file, std::uint64_t offset, std::uint64_t end, const Run& run,
                 const std::function<bool(const Member&)>& visit) {
    for (std::size_t count = 0; offset < end && count < kMaxMembers; ++count) {
        run.check();
        const auto member = read_member(file, offset, end);
        if (!member || !visit(*member)) {
            return;
        }
        offset = member->content + member->entry.size + tar_padding(member->entry.size);
    }
}

void keep_largest(std::vector<Stretch>& blobs) {
    if (blobs.size() > kMaxBlobs) {
        std::nth_element(blobs.begin(), blobs.begin() + kMaxBlobs, blobs.end(), [](const Stretch& a, const Stretch& b) {
            return a.size != b.size ? a.size > b.size : a.offset < b.offset;
        });
        blobs.resize(kMaxBlobs);
    }
}

}  // namespace

std::vector<Stretch> cut_at_members(const Ranged& file, std::uint64_t begin, std::uint64_t end, const Run& run) {
    std::vector<Stretch> blobs;
    each_member(file, begin, end, run, [&](const Member& member) {
        if (member.entry.size >= kMinBlob) {
            blobs.push_back({member.content, member.entry.size, true});
            if (blobs.size() == 2 * kMaxBlobs) {
                keep_largest(blobs);
            }
        }
        return true;
    });
    keep_largest(blobs);
    std::sort(blobs.begin(), blobs.end(), [](const Stretch& a, const Stretch& b) { return a.offset < b.offset; });
    std::vector<Stretch> all;
    for (const Stretch& blob : blobs) {
        if (blob.offset > begin) {
            all.push_back({begin, blob.offset - begin, false});
        }
        all.push_back(blob);
        begin = blob.offset + blob.size;
    }
    if (begin < end) {
        all.push_back({begin, end - begin, false});
    }
    return all;
}

std::string member_at(const Ranged& file, std::uint64_t offset, const Run& run) {
    std::string name;
    each_member(file, 0, file.size(), run, [&](const Member& member) {
        if (offset >= member.content && offset < member.content + member.entry.size) {
            name = oci::printable(member.entry.path);
        }
        return offset >= member.content + member.entry.size;
    });
    return name;
}

bool begins_with_member(const Ranged& file) {
    return read_member(file, 0, file.size()).has_value();
}

}  // namespace cooper::delivery

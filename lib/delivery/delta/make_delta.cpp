#include "cooper/base/files.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/delivery/delta.hpp"
#include "cooper/delivery/lock.hpp"

#include "delivery/delta/conveyor.hpp"
#include "delivery/delta/cut.hpp"
#include "delivery/delta/file_facts.hpp"
#include "delivery/delta/outline.hpp"

#include <array>
#include <unordered_map>

namespace cooper::delivery {
namespace {

/// Finds each stretch of the new file in the old one or among what came before it.
class Matcher {
public:
    Matcher(const Outline& before, const Outline& after) : before_(before), after_(after) {
        for (std::size_t i = 0; i < before.stretches.size(); ++i) {
            if (before.digests[i]) {
                index_.try_emplace(before.digests[i]->text(), i);
            }
        }
        used_.resize(before.stretches.size());
    }

    DeltaHead match() {
        DeltaHead head{before_.file.value(), after_.file.value(), {}, {}};
        if (head.old_file.sha256 == head.new_file.sha256 && head.old_file.size > 0) {
            head.segments.push_back({0, head.old_file.size, std::nullopt});
            return head;
        }
        for (std::size_t i = 0; i < after_.stretches.size(); ++i) {
            if (const auto found = find_old(after_.digests[i])) {
                add_old(head, *found);
            } else {
                add_payload(head, after_.stretches[i], after_.digests[i]);
            }
        }
        for (std::size_t i = 0; i < used_.size(); ++i) {
            const Stretch& stretch = before_.stretches[i];
            if (used_[i] && stretch.blob) {
                head.assumed.push_back({stretch.offset, stretch.size, before_.digests[i].value()});
            }
        }
        return head;
    }

private:
    /// The stretch after the one before, where it fits: ranges that lie together become one.
    std::optional<std::size_t> find_old(const std::optional<Digest>& digest) {
        if (!digest) {
            return std::nullopt;
        }
        if (next_ < before_.digests.size() && before_.digests[next_] == digest) {
            return next_;
        }
        const auto found = index_.find(digest->text());
        return found == index_.end() ? std::nullopt : std::optional(found->second);
    }

    void add_old(DeltaHead& head, std::size_t index) {
        const Stretch& stretch = before_.stretches[index];
        used_[index] = true;
        next_ = index + 1;
        if (!head.segments.empty()) {
            DeltaSegment& last = head.segments.back();
            if (!last.sha256 && last.offset + last.size == stretch.offset) {
                last.size += stretch.size;
                return;
            }
        }
        head.segments.push_back({stretch.offset, stretch.size, std::nullopt});
    }

    void add_payload(DeltaHead& head, const Stretch& stretch, const std::optional<Digest>& digest) {
        static const Digest unknown = sha256("");  // until the payload is written; as long as any other
        if (digest) {
            const auto [known, fresh] = sent_.try_emplace(digest->text(), payload_);
            if (!fresh) {
                head.segments.push_back({known->second, stretch.size, digest});
                return;
            }
        }
        head.segments.push_back({payload_, stretch.size, unknown});
        payload_ += stretch.size;
    }

    const Outline& before_;
    const Outline& after_;
    std::unordered_map<std::string, std::size_t> index_;
    std::unordered_map<std::string, std::uint64_t> sent_;
    std::vector<bool> used_;
    std::size_t next_ = 0;
    std::uint64_t payload_ = 0;
};

class SinkAt final : public Sink {
public:
    SinkAt(AtomicFile& file, std::uint64_t offset) : file_(file), offset_(offset) {}
    void write(Bytes chunk) override {
        file_.write_at(offset_, chunk);
        offset_ += chunk.size();
    }
    void finish() override {}

private:
    AtomicFile& file_;
    std::uint64_t offset_;
};

/// Writes the payload behind the place of the head, whose length does not depend on digests, and then the head. What is
/// read must have stayed as it was when it was hashed.
std::uint64_t write_delta(DeltaHead& head, const Ranged& after, const std::filesystem::path& path,
                          const std::array<Unchanged, 2>& sources, const Run& run) {
    const std::uint64_t head_size = delta_head_to_json(head).size() + 1;
    const std::uint64_t payload_size = head.payload_size();
    if (head_size > kMaxDeltaHead) {
        throw Error(ErrorCode::Unsupported, "the new file has too many members that changed for a delta");
    }
    AtomicFile file(path);
    file.reserve(head_size + payload_size);
    SinkAt payload(file, head_size);
    Conveyor conveyor(Conveyor::Hash::Pieces, path.filename().string(), payload_size, run);
    std::uint64_t offset = 0;
    std::uint64_t sent = 0;
    std::vector<DeltaSegment*> carried;
    for (DeltaSegment& segment : head.segments) {
        if (segment.sha256 && segment.offset == sent) {
            conveyor.carry(after, offset, segment.size, &payload, true);
            conveyor.end_piece();
            carried.push_back(&segment);
            sent += segment.size;
        }
        offset += segment.size;
    }
    const auto digests = conveyor.pieces();
    for (std::size_t i = 0; i < carried.size(); ++i) {
        carried[i]->sha256 = digests[i];
    }
    file.write_at(0, as_bytes(delta_head_to_json(head) + "\n"));
    for (const Unchanged& source : sources) {
        source.check();
    }
    file.commit();
    return head_size + payload_size;
}

}  // namespace

DeltaReport make_delta(const std::filesystem::path& old_file, const std::filesystem::path& new_file,
                       const std::filesystem::path& delta, const Run& run) {
    refuse_to_replace(delta, {old_file, new_file});
    const FileRanged before_bytes(old_file);
    const FileRanged after_bytes(new_file);
    const std::array<Unchanged, 2> sources{Unchanged(old_file), Unchanged(new_file)};
    char first = 0;
    before_bytes.open()->read({reinterpret_cast<std::byte*>(&first), 1});
    const bool locked = first == '{' && !begins_with_member(before_bytes);
    const auto [before, after] = locked ? compare_with_lock(read_lock(old_file), {new_file, after_bytes}, run)
                                        : compare_files({old_file, before_bytes}, {new_file, after_bytes}, run);
    DeltaReport report{Matcher(before, after).match(), 0};
    report.delta_size = write_delta(report.head, after_bytes, delta, sources, run);
    return report;
}

}  // namespace cooper::delivery

#include "cooper/base/files.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/delivery/delta.hpp"

#include "base/workers.hpp"
#include "delivery/delta/conveyor.hpp"
#include "delivery/delta/cut.hpp"
#include "delivery/delta/file_facts.hpp"

#include <algorithm>

namespace cooper::delivery {
namespace {

/// A delta's file: its head, checked, and where the payload begins.
struct Delta {
    std::string name;
    FileRanged file;
    DeltaHead head;
    std::uint64_t payload = 0;
};

std::string first_line(const FileRanged& file, const std::string& name) {
    const auto source = file.open();
    std::string line;
    while (line.size() <= kMaxDeltaHead) {
        std::string step(64 * 1024, '\0');
        step.resize(read_full(*source, std::as_writable_bytes(std::span(step))));
        const std::size_t end = step.find('\n');
        line += step.substr(0, end);
        if (end != std::string::npos) {
            return line;
        }
        if (step.empty()) {
            break;
        }
    }
    // The head alone says whether it is one of ours that was cut.
    static_cast<void>(delta_head_from_json(line, name));
    throw Error(ErrorCode::Integrity, name + " is cut short: it ends with its head");
}

Delta open_delta(const std::filesystem::path& path) {
    FileRanged file(path);
    const std::string name = path.string();
    const std::string line = first_line(file, name);
    DeltaHead head = delta_head_from_json(line, name);
    const std::uint64_t size = line.size() + 1 + head.payload_size();
    if (file.size() != size) {
        throw IntegrityError(name + (file.size() < size ? " is cut short" : " has something after its end"),
                             std::to_string(size) + " bytes", std::to_string(file.size()));
    }
    return {name, std::move(file), std::move(head), line.size() + 1};
}

bool is_damaged(const Ranged& file, std::uint64_t offset, std::uint64_t size, const Digest& sha256, const Run& run) {
    Hasher hasher;
    const auto source = file.open(offset, size);
    std::vector<std::byte> buffer(kStreamStep);
    while (const std::size_t count = source->read(buffer)) {
        run.check();
        hasher.update(Bytes(buffer).first(count));
    }
    return hasher.finish() != sha256;
}

/// "; damaged in it: blobs/sha256/0123…", where some of what the delta takes is there and some is not.
std::string damaged_members(const Ranged& file, const DeltaHead& head, const Run& run) {
    constexpr std::size_t kNamed = 3;
    std::vector<const AssumedBlob*> damaged;
    for (const AssumedBlob& blob : head.assumed) {
        if (is_damaged(file, blob.offset, blob.size, blob.sha256, run)) {
            damaged.push_back(&blob);
        }
    }
    if (damaged.empty() || damaged.size() == head.assumed.size()) {
        return {};
    }
    std::string text;
    for (std::size_t i = 0; i < std::min(damaged.size(), kNamed); ++i) {
        const std::string member = member_at(file, damaged[i]->offset, run);
        text += (i == 0 ? "; damaged in it: " : ", ") + (member.empty() ? "" : member + ", ") + "bytes " +
                std::to_string(damaged[i]->offset) + " to " + std::to_string(damaged[i]->offset + damaged[i]->size);
    }
    return text + (damaged.size() > kNamed ? " and " + std::to_string(damaged.size() - kNamed) + " more" : "");
}

[[noreturn]] void not_the_old_file(const std::filesystem::path& path, const DeltaHead& head, const Digest& actual,
                                   const std::string& damage) {
    IntegrityError error(path.string() + " is not the file that the delta was made for" + damage,
                         "sha256 " + std::string(head.old_file.sha256.hex()), std::string(actual.hex()));
    error.advise(actual == head.new_file.sha256 ? "it is the new file already: there is nothing to do"
                                                : "the delta was made for " + head.old_file.name);
    throw error;  // NOLINT(hicpp-exception-baseclass): an Error
}

void check_old_size(const std::filesystem::path& path, const DeltaHead& head, std::uint64_t size) {
    if (size != head.old_file.size) {
        IntegrityError error(path.string() + " is not the file that the delta was made for",
                             std::to_string(head.old_file.size) + " bytes", std::to_string(size));
        error.advise("the delta was made for " + head.old_file.name + ", sha256 " +
                     std::string(head.old_file.sha256.hex()));
        throw error;
    }
}

/// The old file was proved, so the delta is at fault.
[[noreturn]] void not_the_new_file(const Delta& delta, const Digest& actual, const Run& run) {
    std::uint64_t offset = 0;
    for (const DeltaSegment& segment : delta.head.segments) {
        if (segment.sha256 &&
            is_damaged(delta.file, delta.payload + segment.offset, segment.size, *segment.sha256, run)) {
            throw Error(ErrorCode::Integrity, delta.name + " was changed or damaged: its part for bytes " +
                                                  std::to_string(offset) + " to " +
                                                  std::to_string(offset + segment.size) + " of " +
                                                  delta.head.new_file.name + " is not what its head says");
        }
        offset += segment.size;
    }
    throw IntegrityError(delta.name + " does not make the file that its head promises",
                         "sha256 " + std::string(delta.head.new_file.sha256.hex()), std::string(actual.hex()));
}

}  // namespace

DeltaReport apply_delta(const std::filesystem::path& old_file, const std::filesystem::path& delta_file,
                        const std::filesystem::path& out, const Run& run) {
    refuse_to_replace(out, {old_file, delta_file});
    const Delta delta = open_delta(delta_file);
    const DeltaHead& head = delta.head;
    const FileRanged before(old_file);
    check_old_size(old_file, head, before.size());
    AtomicFile file(out);
    file.reserve(head.new_file.size);
    std::optional<Digest> made;
    Workers workers(run);
    workers.start([&, worker_run = workers.run()] {
        Conveyor conveyor(Conveyor::Hash::Whole, old_file.filename().string(), before.size(), worker_run);
        conveyor.carry(before, 0, before.size(), nullptr);
        if (const Digest actual = conveyor.whole(); actual != head.old_file.sha256) {
            not_the_old_file(old_file, head, actual, damaged_members(before, head, worker_run));
        }
    });
    workers.start([&, worker_run = workers.run()] {
        Conveyor conveyor(Conveyor::Hash::Whole, out.filename().string(), head.new_file.size, worker_run);
        for (const DeltaSegment& segment : head.segments) {
            const Ranged& from = segment.sha256 ? delta.file : before;
            conveyor.carry(from, segment.offset + (segment.sha256 ? delta.payload : 0), segment.size, &file);
        }
        made = conveyor.whole();
    });
    workers.join();
    if (*made != head.new_file.sha256) {
        not_the_new_file(delta, *made, run);
    }
    file.commit();
    return {head, delta.file.size()};
}

}  // namespace cooper::delivery

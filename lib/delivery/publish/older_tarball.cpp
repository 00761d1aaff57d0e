#include "delivery/publish/older_tarball.hpp"

#include "cooper/base/error.hpp"
#include "cooper/delivery/keys.hpp"
#include "cooper/s3/upload.hpp"

#include "base/json.hpp"

#include <nlohmann/json.hpp>

namespace cooper::delivery {
namespace {

constexpr std::string_view kSchema = "cooper.newest/v1";
constexpr std::string_view kWhat = "the note of the newest tarball";

std::string in_branch(const std::string& branch_prefix, const std::string& name) {
    return branch_prefix + "/.newest/" + name + ".json";
}
std::string in_place(const std::string& name) {
    return ".cooper/newest/" + name + ".json";
}

std::string noted_tarball(const std::string& text) {
    const json::Value object = json::parse(text, kWhat);
    if (json::string_member(object, "schema", kWhat) != kSchema) {
        throw Error(ErrorCode::Unsupported, std::string(kWhat) + " is of another schema");
    }
    return json::string_member(object, "tarball", kWhat);
}

std::optional<Reuse> reuse_of(Place& place, const std::string& note_key, const std::vector<LockedSegment>& segments,
                              const Run& run) {
    const auto note = place.find_text(note_key, run);
    if (!note) {
        return std::nullopt;
    }
    const std::string tarball = noted_tarball(note->text);
    const auto text = place.find_text(lock_key(tarball), run);
    if (!text) {
        return std::nullopt;
    }
    const Lock lock = lock_from_json(text->text, lock_key(tarball));
    Reuse reuse{tarball, {}, reused_ranges(lock.segments, segments)};
    std::erase_if(reuse.ranges, [](const ReusedRange& range) { return range.length < s3::kMinPart; });
    if (reuse.ranges.empty()) {
        return std::nullopt;
    }
    TarballFacts expected;
    expected.size = lock.output.size;
    expected.identity = lock.output.plan.hex();
    const auto pin = place.copy_source(tarball, expected, run);
    if (!pin) {
        return std::nullopt;
    }
    reuse.etag = *pin;
    return reuse;
}

}  // namespace

std::optional<Reuse> find_older_tarball(Place& place, const std::string& branch_prefix, const std::string& name,
                                        const std::vector<LockedSegment>& segments, const Run& run) {
    if (!place.copies_ranges()) {
        return std::nullopt;
    }
    for (const std::string& note_key : {in_branch(branch_prefix, name), in_place(name)}) {
        try {
            if (auto reuse = reuse_of(place, note_key, segments, run)) {
                return reuse;
            }
        } catch (const Error& error) {
            run.progress->notice(NoticeLevel::Info, place.name() + "/" + note_key + " is not used: " + error.what());
        }
    }
    return std::nullopt;
}

void remember_newest(Place& place, const std::string& branch_prefix, const std::string& name,
                     const std::string& tarball_key, const Run& run) {
    const std::string text = json::write({{"schema", kSchema}, {"tarball", tarball_key}});
    try {
        place.put_text(in_branch(branch_prefix, name), text, run);
        place.put_text(in_place(name), text, run);
    } catch (const Error& error) {
        run.progress->notice(NoticeLevel::Warning,
                             "the next build cannot copy from " + tarball_key + ": " + error.what());
    }
}

}  // namespace cooper::delivery

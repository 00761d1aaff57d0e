// release.json in its place: found, and written by several at once.
#include "cooper/base/error.hpp"
#include "cooper/delivery/keys.hpp"
#include "cooper/delivery/release_record.hpp"

#include "delivery/builds/release_members.hpp"
#include "delivery/place/swap_text.hpp"
#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::delivery {
namespace {

constexpr std::size_t kMaxParts = 1000;
constexpr std::size_t kHashDigits = 12;

std::string record_key(const std::string& folder) {
    return folder + "/" + std::string(kReleaseFile);
}
/// Where each writer's part lies when the store has no conditional writes.
std::string parts_prefix(const std::string& folder) {
    return folder + "/.release/";
}

void check_folder(const ReleaseRecord& record, const std::string& folder, const std::string& what) {
    if (branch_key(record.branch) != folder.substr(0, folder.rfind('/'))) {
        throw Error(ErrorCode::InvalidInput, what + " is of another branch: \"" + oci::printable(record.branch) + "\"");
    }
    for (const ReleasedImage& image : record.images) {
        if (!image.key.empty() && image.key.substr(0, image.key.rfind('/')) != folder) {
            throw Error(ErrorCode::InvalidInput,
                        what + " names a file of another folder: \"" + oci::printable(image.key) + "\"");
        }
    }
}

ReleaseRecord record_of_folder(std::string_view text, const std::string& folder, const std::string& what) {
    ReleaseRecord record = release_from_json(text, what);
    check_folder(record, folder, what);
    return record;
}

class RecordWriter {
public:
    RecordWriter(Place& place, const std::string& folder, const ReleaseRecord& record, const Run& run)
        : place_(place), folder_(folder), record_(record), run_(run), key_(record_key(folder)) {
        // What could not be read again is refused before it is written.
        static_cast<void>(record_of_folder(release_to_json(record), folder, "the release to be recorded"));
    }

    bool write() {
        if (place_.has_conditional_writes(run_)) {
            return swap_text(place_, key_, change([&](const std::string* there) { return merged(there, {record_}); }),
                             run_);
        }
        const auto there = place_.find_text(key_, run_);
        if (there && merged(&there->text, {record_}) == there->text) {
            return false;
        }
        put_part();
        return settle_text(place_, key_, change([&](const std::string* text) { return merged(text, read_parts()); }),
                           run_);
    }

private:
    template <class Merge>
    [[nodiscard]] TextChange change(const Merge& merge) const {
        return {std::string(kReleaseFile), "run the command again: what was delivered is there", merge};
    }

    [[nodiscard]] std::string merged(const std::string* there, const std::vector<ReleaseRecord>& parts) const {
        std::optional<ReleaseRecord> record;
        if (there != nullptr) {
            const std::string what = place_.name() + "/" + key_;
            record = record_of_folder(*there, folder_, what);
            check_nothing_unknown(*there, what);
        }
        for (const ReleaseRecord& part : parts) {
            record = record ? merge_releases(std::move(*record), part) : part;
        }
        return release_to_json(*record);
    }

    /// Named by time, so that of two parts that contradict each other the later one counts.
    void put_part() {
        const std::string text = release_to_json(record_);
        place_.put_text(parts_prefix(folder_) + format_amz(run_.clock->now_seconds()) + "-" +
                            std::string(sha256(text).hex().substr(0, kHashDigits)) + ".json",
                        text, run_);
    }

    /// All that were put, our own last.
    std::vector<ReleaseRecord> read_parts() {
        std::vector<std::string> keys = place_.list(parts_prefix(folder_), run_);
        std::sort(keys.begin(), keys.end());
        if (keys.size() > kMaxParts) {
            keys.erase(keys.begin(), keys.end() - kMaxParts);
        }
        std::vector<ReleaseRecord> parts;
        for (const std::string& key : keys) {
            run_.check();
            const auto text = place_.find_text(key, run_);
            try {
                if (text) {
                    parts.push_back(record_of_folder(text->text, folder_, place_.name() + "/" + key));
                }
            } catch (const Error& error) {
                if (error.code() != ErrorCode::InvalidInput && error.code() != ErrorCode::Unsupported) {
                    throw;
                }
                // One bad object must not stop all releases of a folder.
                run_.progress->notice(NoticeLevel::Warning,
                                      key + " is left out of " + std::string(kReleaseFile) + ": " + error.what());
            }
        }
        parts.push_back(record_);
        return parts;
    }

    Place& place_;
    const std::string& folder_;
    const ReleaseRecord& record_;
    const Run& run_;
    std::string key_;
};

}  // namespace

std::optional<ReleaseRecord> find_release(Place& place, const std::string& folder, const Run& run) {
    const std::string key = record_key(folder);
    const auto text = place.find_text(key, run);
    return text ? std::optional(record_of_folder(text->text, folder, place.name() + "/" + key)) : std::nullopt;
}

bool write_release(Place& place, const std::string& folder, const ReleaseRecord& record, const Run& run) {
    return RecordWriter(place, folder, record, run).write();
}

}  // namespace cooper::delivery

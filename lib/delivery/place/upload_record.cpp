#include "delivery/place/upload_record.hpp"

#include "cooper/base/error.hpp"
#include "cooper/delivery/place.hpp"
#include "cooper/s3/upload.hpp"

#include "base/json.hpp"

#include <nlohmann/json.hpp>

#include <numeric>

namespace cooper::delivery {
namespace {

constexpr std::string_view kSchema = "cooper.upload/v1";
constexpr std::string_view kWhat = "the record of an upload";
constexpr std::size_t kMaxRecord = 1024 * 1024;
constexpr std::size_t kMaxUploadId = 4096;
constexpr std::uint64_t kMaxPart = 5ULL << 30;

std::string records_of(const std::string& tarball_key) {
    return tarball_key.substr(0, tarball_key.rfind('/') + 1) + ".uploads/";
}

}  // namespace

std::string upload_record_key(const std::string& tarball_key, const std::string& identity) {
    return records_of(tarball_key) + identity + ".json";
}

std::string upload_record_to_json(const UploadRecord& record) {
    return json::write({{"schema", kSchema}, {"upload_id", record.upload_id}, {"parts", record.lengths}});
}

std::optional<UploadRecord> upload_record_from_json(const std::string& text) {
    try {
        const json::Value object = json::parse(text, kWhat);
        const json::Value& parts = json::member(object, "parts", kWhat);
        UploadRecord record{json::string_member(object, "upload_id", kWhat), {}};
        if (json::string_member(object, "schema", kWhat) != kSchema || record.upload_id.empty() ||
            record.upload_id.size() > kMaxUploadId || !parts.is_array() || parts.size() > s3::kMaxParts) {
            return std::nullopt;
        }
        for (const json::Value& part : parts) {
            const std::uint64_t length = part.is_number_unsigned() ? part.get<std::uint64_t>() : 0;
            if (length == 0 || length > kMaxPart) {
                return std::nullopt;
            }
            record.lengths.push_back(length);
        }
        return record;
    } catch (const Error&) {
        return std::nullopt;
    }
}

std::optional<UploadRecord> find_upload_record(s3::Bucket& bucket, const std::string& record_key, std::uint64_t size,
                                               const Run& run) {
    const auto text = bucket.find_text(record_key, kMaxRecord, run);
    auto record = text ? upload_record_from_json(text->text) : std::nullopt;
    const bool fits =
        record && std::accumulate(record->lengths.begin(), record->lengths.end(), std::uint64_t{0}) == size;
    return fits ? std::move(record) : std::nullopt;
}

void forget_upload_record(s3::Bucket& bucket, const std::string& record_key, const Run& run) noexcept {
    try {
        bucket.remove(record_key, run);
    } catch (const std::exception&) {
        return;
    }
}

void forget_upload(s3::Bucket& bucket, const std::string& tarball_key, const std::string& upload_id, const Run& run) {
    for (const s3::ObjectInfo& object : bucket.list(records_of(tarball_key), run)) {
        const auto text = object.size <= kMaxRecord ? bucket.find_text(object.key, kMaxRecord, run) : std::nullopt;
        const auto record = text ? upload_record_from_json(text->text) : std::nullopt;
        if (record && record->upload_id == upload_id) {
            bucket.remove(object.key, run);
        }
    }
}

}  // namespace cooper::delivery

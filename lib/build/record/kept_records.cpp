// STORE/build/records/HEX.json, by the image's manifest.
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/build/build_record.hpp"

#include "build/memory_file.hpp"
#include "build/record/record_limits.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

constexpr std::string_view kSuffix = ".json";
constexpr std::size_t kMaxKept = 1000;

std::filesystem::path file_of(const std::filesystem::path& store_directory, const Digest& manifest) {
    return store_directory / "build" / "records" / (std::string(manifest.hex()) + std::string(kSuffix));
}

}  // namespace

void remember_record(const std::filesystem::path& store_directory, const Digest& manifest,
                     const BuildRecord& record) noexcept {
    try {
        const auto file = file_of(store_directory, manifest);
        std::filesystem::create_directories(file.parent_path());
        write_file(file, record.json(), 0600);
        limit_memories(file.parent_path(), kSuffix, kMaxKept);
    } catch (const std::exception&) {
        // A full disk, or another process that removes the same old ones: a lock will say less.
    }
}

std::optional<BuildRecord> find_record(const std::filesystem::path& store_directory, const Digest& manifest) {
    try {
        const auto file = file_of(store_directory, manifest);
        const auto text = find_file(file, kMaxRecordText);
        if (!text) {
            return std::nullopt;
        }
        BuildRecord record = BuildRecord::parse(*text, file.string());
        const bool made_it = std::any_of(record.results.begin(), record.results.end(),
                                         [&](const auto& result) { return result.manifest == manifest; });
        return made_it ? std::optional(std::move(record)) : std::nullopt;
    } catch (const Error&) {
        return std::nullopt;
    }
}

}  // namespace cooper::build

// Tag sets of the systems whose caches exist: `tags.md` 1, 4 and 5.
#include "cooper/build/source_hash.hpp"

#include "build/tags/lock_hash.hpp"
#include "build/tags/tag_kinds.hpp"
#include "oci/printable.hpp"

#include <iterator>

namespace cooper::build {

namespace {

constexpr const char* kUnknownSource = "unknown";

RecordedInput input(TagLevel level, std::string_view kind, std::string_view value) {
    return {level, std::string(kind), "", std::string(value), 0, 0};
}

/// What both profiles record before their source files.
TagRecord begin_record(std::string_view profile, const CompatibleInputs& inputs, std::string_view slug,
                       LockHash&& lock) {
    TagRecord record;
    record.profile = profile;
    record.inputs.push_back(input(TagLevel::Versioned, kind::kVersion, inputs.version));
    record.inputs.push_back(input(TagLevel::Versioned, kind::kBaseName, slug));
    if (!inputs.suffix.empty()) {
        record.inputs.push_back(input(TagLevel::Versioned, kind::kSuffix, inputs.suffix));
    }
    std::move(lock.inputs.begin(), lock.inputs.end(), std::back_inserter(record.inputs));
    return record;
}

/// The source component of the tags; its files go into `record`.
std::string hash_source_files(const std::filesystem::path& root, std::vector<std::string> ignore,
                              const CompatibleInputs& inputs, const Run& run, TagRecord& record) {
    SourceHashOptions options;
    options.ignore = std::move(ignore);
    options.cache_directory = inputs.cache_directory;
    options.threads = inputs.threads;
    auto source = hash_source(root, options, run);
    for (auto& entry : source.entries) {
        record.inputs.push_back(
            {TagLevel::Source, std::string(kind::kFile), std::move(entry.path), "md5:" + entry.digest, 0, entry.size});
    }
    return truncate_hash(source.digest);
}

/// No tag with '@' was ever accepted by a registry, so no cache can have one by another name.
std::string usable_slug(std::string slug, const CompatibleInputs& inputs) {
    if (const auto at = slug.find('@'); inputs.any_base && at != std::string::npos) {
        slug.replace(at, 1, "_at_");
    }
    return slug;
}

/// Checked only now: computed byte for byte, then refused where no registry would take it.
void check_and_record(HashTags& tags) {
    check_tag(tags.source, "source tag");
    check_tag(tags.lock, "lock tag");
    check_tag(tags.versioned, "versioned tag");
    tags.record.tags = {{"source", tags.source}, {"lock", tags.lock}, {"versioned", tags.versioned}};
}

}  // namespace

HashTags v0_tags(const CompatibleInputs& inputs, const Run& run) {
    if (!inputs.suffix.empty()) {
        throw Error(ErrorCode::InvalidInput, "tags of profile v0 have no suffix")
            .advise("leave it out, or use profile v1 or cooper");
    }
    HashTags tags;
    if (!inputs.any_base) {
        tags.repository =
            repository_and_tag(inputs.lock.base_image, inputs.version, inputs.runtime_repository).repository;
    }
    auto lock = hash_locks_v0(inputs.lock, run);
    const auto slug = usable_slug(base_slug_v0(inputs.lock.base_image), inputs);
    tags.versioned = "oh_v" + inputs.version + "_" + slug;
    tags.lock = "oh_v" + inputs.version + "_" + lock.digits;
    tags.record = begin_record("v0", inputs, slug, std::move(lock));
    const auto& root = inputs.source.empty() ? inputs.lock.root : inputs.source;
    tags.source = tags.lock + "_" + hash_source_files(root, {".*/", "__pycache__/", "*.pyc"}, inputs, run, tags.record);
    check_and_record(tags);
    return tags;
}

HashTags v1_tags(const CompatibleInputs& inputs, const Run& run) {
    if (inputs.source.empty()) {
        throw Error(ErrorCode::InvalidInput, "profile v1 needs the directory of the sources");
    }
    HashTags tags;
    auto lock = hash_locks_v1(inputs.lock, run);
    const auto slug = usable_slug(base_slug_v1(inputs.lock.base_image), inputs);
    const auto lock_part = "v" + inputs.version + "_" + lock.digits;
    tags.versioned = "v" + inputs.version + "_" + slug + inputs.suffix;
    tags.lock = lock_part + inputs.suffix;
    tags.record = begin_record("v1", inputs, slug, std::move(lock));
    std::string source = kUnknownSource;
    try {
        source = hash_source_files(inputs.source, {".*/", "__pycache__/", "*.pyc", "*.md"}, inputs, run, tags.record);
    } catch (const SourceHashError& error) {
        if (!error.is_value_error()) {
            throw;
        }
        tags.record.inputs.push_back(input(TagLevel::Source, kind::kSource, kUnknownSource));
        run.progress->notice(NoticeLevel::Warning, std::string(error.what()) +
                                                       ": the source part of the tags is 'unknown', as in profile v1's "
                                                       "original, so all such trees share one tag");
    }
    tags.source = lock_part + "_" + source + inputs.suffix;
    check_and_record(tags);
    return tags;
}

}  // namespace cooper::build

// A place that deliveries go to: a bucket or a directory, one contract for both.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cooper/base/environment.hpp"
#include "cooper/oci/archive_writer.hpp"
#include "cooper/s3/bucket.hpp"

namespace cooper::delivery {

/// What is stored about a tarball, as metadata of the object (S3) or in a small file beside it (directory).
struct TarballFacts {
    std::uint64_t size = 0;
    std::string sha256;        ///< hex
    std::string image_ids;     ///< config digests, comma separated
    std::string identity;      ///< of the archive plan
    bool operator==(const TarballFacts&) const = default;
};

/// A tarball on its way. Invisible until complete(); gone when dropped before.
class TarballUpload : public oci::PartConsumer {
public:
    /// Makes it visible with its facts, if no object has the key (Error{Conflict} otherwise).
    virtual void complete(const TarballFacts& facts, const Run& run) = 0;
};

struct Link {
    std::string url;
    std::optional<TimePoint> expires;  ///< nullopt: does not expire (file://)
    std::string warning;               ///< why it ends earlier than asked; empty: it does not
};

/// Threads: methods may be called from several threads at once.
class Place {
public:
    virtual ~Place() = default;
    /// "s3://bucket" or "dir:/path".
    [[nodiscard]] virtual std::string name() const = 0;
    /// What lies under `key`; nullopt: nothing. Facts that are not recorded are empty.
    [[nodiscard]] virtual std::optional<TarballFacts> find_tarball(const std::string& key, const Run& run) = 0;
    /// `size` decides the part size, which part_size() then tells.
    [[nodiscard]] virtual std::unique_ptr<TarballUpload> begin_tarball(const std::string& key, std::uint64_t size, std::uint64_t part_size,
                                                                     const TarballFacts& known, const Run& run) = 0;
    [[nodiscard]] virtual std::uint64_t part_size(std::uint64_t size) const = 0;

    struct Text { std::string text; std::string etag; };
    [[nodiscard]] virtual std::optional<Text> find_text(const std::string& key, const Run& run) = 0;
    /// Conditional write of a small text: `etag` nullopt means "only if absent". False: lost the race. Throws
    /// Error{Unsupported} when the place cannot do it (see has_conditional_writes).
    virtual bool replace_text(const std::string& key, const std::string& text, const std::optional<std::string>& etag, const Run& run) = 0;
    virtual void put_text(const std::string& key, const std::string& text, const Run& run) = 0;
    [[nodiscard]] virtual bool has_conditional_writes(const Run& run) = 0;
    [[nodiscard]] virtual std::vector<std::string> list(const std::string& prefix, const Run& run) = 0;
    [[nodiscard]] virtual Link link(const std::string& key, std::chrono::seconds lifetime, const Run& run) = 0;
};

std::unique_ptr<Place> make_directory_place(std::filesystem::path root);
std::unique_ptr<Place> make_bucket_place(s3::Bucket& bucket);

}  // namespace cooper::delivery

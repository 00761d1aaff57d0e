// What a build was made of, by digests: the file that makes the same build again, or refuses (`--lock`, `--locked`).
#pragma once

#include "cooper/base/digest.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::build {

/// Canonical JSON, schema "cooper.build.lock/1": no paths of the machine, no secrets, no times but the epoch. Values of
/// arguments whose names look like secrets are left out, their names stay.
struct BuildRecord {
    struct Base {
        std::string reference;  ///< as FROM, COPY --from or a mount has it, expanded
        std::string platform;
        Digest manifest;
        bool operator==(const Base&) const = default;
    };
    struct Fetched {
        std::string url;  ///< without user and password
        Digest digest;
        std::uint64_t size = 0;
        bool operator==(const Fetched&) const = default;
    };
    struct Checkout {
        std::string reference;  ///< without user and password
        std::string commit;
        bool operator==(const Checkout&) const = default;
    };
    struct Step {
        std::string stage;  ///< name or number
        std::string platform;
        std::string instruction;  ///< as written
        Digest key;
        Digest diff_id;
        bool operator==(const Step&) const = default;
    };
    struct Result {
        std::string platform;
        Digest manifest;
        bool operator==(const Result&) const = default;
    };
    Digest dockerfile;  ///< of its text
    std::string target;
    std::int64_t epoch = 0;
    std::vector<std::string> scrub;
    std::vector<std::pair<std::string, std::string>> args;
    std::vector<std::string> secret_args;  ///< names whose values are not kept
    std::vector<std::string> secrets;      ///< ids of --secret
    std::vector<Base> bases;
    std::vector<Fetched> fetched;
    std::vector<Checkout> checkouts;
    std::vector<Step> steps;
    std::vector<Result> results;

    /// Sorted where order does not count, each once.
    [[nodiscard]] std::string json() const;
    /// Throws Error{InvalidInput} naming the member; Error{Unsupported} for another version.
    static BuildRecord parse(std::string_view json, std::string_view what);

    [[nodiscard]] const Base* find_base(std::string_view reference, std::string_view platform) const;
    [[nodiscard]] const Fetched* find_fetched(std::string_view url) const;
    [[nodiscard]] const Checkout* find_checkout(std::string_view reference) const;
};

/// --locked without a record of it: the error for something that is not pinned ("FROM debian:12 is not in the lock …").
/// A reference with a digest, a URL with --checksum and a git reference with a whole commit are pinned by themselves.
bool is_pinned_image(std::string_view reference);

/// Keeps the record of an image that was built on this machine, beside the store in `store_directory` (readable by its
/// user alone), where a lock of its delivery finds it. The last 1,000 stay. Does without when it cannot.
void remember_record(const std::filesystem::path& store_directory, const Digest& manifest,
                     const BuildRecord& record) noexcept;
/// nullopt: none was kept, or it is damaged.
std::optional<BuildRecord> find_record(const std::filesystem::path& store_directory, const Digest& manifest);

}  // namespace cooper::build

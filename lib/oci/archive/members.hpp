// The members of an archive by name (private). Names are looked up here and never on disk.
#pragma once

#include "cooper/base/ranged.hpp"
#include "cooper/base/run.hpp"
#include "cooper/base/tar.hpp"

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::oci {

/// Images have hundreds of members; docker's own of a hundred images a few thousand.
inline constexpr std::size_t kMaxMembers = 100'000;
/// Names are kept in memory, and a pax record may make one 4 KiB long.
inline constexpr std::size_t kMaxMemberNames = 16 * 1024 * 1024;
/// docker links a shared layer to the one before, which may be a link itself.
inline constexpr int kMaxMemberLinks = 8;

/// Where a member's content lies in the file.
struct Range {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    auto operator<=>(const Range&) const = default;
};

/// A name as the index has it: "./a//b" is "a/b", "/a" is "a". nullopt when it leads out ("..") or nowhere (".").
std::optional<std::string> member_name(std::string_view path);

/// Made by one pass over the headers. Two members that a reader could take for each other must have the same content:
/// some writers repeat a layer or config that images share. Symlinks and hard links between members are followed;
/// those that lead out of the archive lead nowhere. Safe from several threads.
class Members {
public:
    /// Throws IntegrityError, Error{Integrity} (cut, ambiguous, not strict tar), Error{InvalidInput} (a limit).
    Members(std::shared_ptr<const FileRanged> file, const Run& run);

    /// nullopt: no such member, or a link that leads to none. Throws Error{Integrity} for links in a circle.
    [[nodiscard]] std::optional<Range> find(std::string_view path) const;
    /// `where` says who names it: "manifest.json".
    [[nodiscard]] Range get(std::string_view path, std::string_view where) const;
    [[nodiscard]] std::string text(const Range& range, std::size_t limit, std::string_view name) const;
    /// nullopt: no such member.
    [[nodiscard]] std::optional<std::string> find_text(std::string_view path, std::size_t limit) const;
    /// Names that begin with `prefix`, in their order.
    [[nodiscard]] std::vector<std::string> names_below(std::string_view prefix) const;
    [[nodiscard]] std::unique_ptr<Source> open(const Range& range, std::uint64_t skipped_bytes = 0) const;

private:
    struct Member {
        std::optional<Range> content;       ///< of a file
        std::optional<std::string> target;  ///< of a link; nullopt when it leads out
        bool operator==(const Member&) const = default;
    };

    void add(const TarEntry& entry, std::uint64_t offset);
    void repeated(const std::string& name, const Member& first, const Member& again);
    void compare_repeats(const Run& run) const;

    std::shared_ptr<const FileRanged> file_;
    std::map<std::string, Member, std::less<>> members_;
    std::vector<std::pair<Range, Range>> repeats_;
    std::size_t name_bytes_ = 0;
};

}  // namespace cooper::oci

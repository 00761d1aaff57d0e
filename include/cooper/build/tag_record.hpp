// What went into a set of tags, written down, and why two sets differ.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::build {

/// From least to most specific. What goes into a level goes into all after it.
enum class TagLevel : std::uint8_t { Versioned, Lock, Source };
std::string_view to_string(TagLevel level) noexcept;  ///< "versioned", "lock", "source"

/// One input. Kinds of profile cooper: see cooper_tags(). Of v0 and v1: "version", "base name" (the slug), "suffix"
/// (v1), "base", "browser" ("true", "false"), "lock file", "file", "source" ("unknown": v1 has no source hash). Level,
/// kind and name together are unique, except for kinds whose order counts: "lock file", "extra dependency".
struct RecordedInput {
    TagLevel level = TagLevel::Source;  ///< the least specific tag that it is part of
    std::string kind;
    std::string name;  ///< a path below the root, an argument's name; may be empty
    /// A digest ("sha256:…", "md5:…"), a link's target, or the value itself; of secret-looking values only the digest.
    std::string value;
    std::uint32_t mode = 0;  ///< files and directories; 0: not part of the tag
    std::uint64_t size = 0;

    bool operator==(const RecordedInput&) const = default;
};

struct TagRecord {
    std::string profile;
    std::vector<std::pair<std::string, std::string>> tags;  ///< ("source", "1.0.0_…"), …
    std::vector<RecordedInput> inputs;                      ///< in the order in which they were hashed

    bool operator==(const TagRecord&) const = default;
};

/// JSON, schema "cooper.tags/v1", one input a line, newline at the end; the same bytes for the same record. Names
/// and values that are not UTF-8 are written percent-encoded as "name_encoded" and "value_encoded".
std::string to_json(const TagRecord& record);
/// What to_json() writes and nothing else; members may be in another order and other white space between them. Throws
/// Error{InvalidInput} (Unsupported for another schema version); `what` names the text. At most 256 MiB.
TagRecord parse_tag_record(std::string_view text, std::string_view what);

struct TagChange {
    enum class Kind : std::uint8_t { Added, Removed, Changed, Reordered };
    Kind kind = Kind::Changed;
    std::optional<RecordedInput> before;
    std::optional<RecordedInput> after;
    std::vector<TagLevel> touches;  ///< the tags that this alone would change, least specific first

    /// One printable line: "changed  openhands/core/main.py  (content, 120 -> 133 bytes)"; "added    …", "removed  …",
    /// "moved    …" alike. Secrets are not shown, nor are their digests.
    [[nodiscard]] std::string text() const;
};

/// What changed from `before` to `after`, by level, kind and name; moves after the rest of their level, and as few as
/// explain the order. Throws Error{InvalidInput} when the profiles differ.
std::vector<TagChange> compare(const TagRecord& before, const TagRecord& after);

}  // namespace cooper::build

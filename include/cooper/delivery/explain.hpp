// explain: where two deliveries differ, down to the file, and why.
//
// Levels are compared from the top; equal ones are passed by, and what is equal by digest is never read. Each
// difference names its place exactly (member, JSON pointer, path and field) with both values, and a cause from
// known_causes() where one is known. `trust-and-delivery.md` 1.2 and 1.5.
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/oci/copy.hpp"
#include "cooper/oci/place.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::delivery {

enum class ExplainLevel : std::uint8_t {
    File,       ///< the archive as it lies on a disk: compressed as a whole, the end of the tar
    Members,    ///< members of the archive: names, order, headers
    Documents,  ///< manifest.json, index.json, manifests and indexes
    Config,
    Layers,   ///< which ones, and how they are compressed
    Entries,  ///< of a layer's tar: paths, order, headers
    Content,  ///< of files in layers
};
std::string_view to_string(ExplainLevel level) noexcept;  ///< "file", "members", "documents", …

/// What makes two builds of one thing differ. `id` never changes its meaning.
struct Cause {
    std::string_view id;      ///< "aux-cache-inodes"
    std::string_view why;     ///< a sentence
    std::string_view remedy;  ///< what to do about it
};
/// All causes that explain() knows, in the order of their table.
std::vector<Cause> known_causes();

struct Difference {
    ExplainLevel level = ExplainLevel::File;
    std::string where;             ///< "manifest.json", "config of app:1", "layer 2 of 9"; empty: the archive
    std::string path;              ///< of a member or an entry, or a JSON pointer; may be empty
    std::string field;             ///< "mtime", "order", "xattr security.selinux", "content", …; of JSON: "value"
    std::optional<std::string> a;  ///< as text, cut at 4 KiB; nullopt: not there
    std::optional<std::string> b;
    std::string kind;        ///< of content: "text", "ELF", "pyc, only the mtime of the source"; else empty
    std::string detail;      ///< a unified diff, or what else there is to say; may be empty
    std::string cause;       ///< an id of known_causes(); empty: none is known
    std::uint64_t more = 0;  ///< other paths of the same layer of which the very same is true
    bool follows = false;    ///< it only follows from a difference further down (a digest, a size)
};

struct ExplainOptions {
    bool ignore_times = false;    ///< times of entries, members, configs, gzip headers, and inside .pyc, gzip and zip
    bool ignore_history = false;  ///< the config's history
    bool ignore_order = false;    ///< of entries, members and pax records; which of two hard links is the file
    bool ignore_names = false;    ///< names of images, in manifest.json, index.json and repositories
    /// How the same is written down: tar dialect, padding, "./" prefixes, spelling of JSON, compression.
    bool ignore_dialect = false;
    std::size_t max_differences = 100;  ///< listed on each level; the rest is counted
    /// Both sides of differing files and documents are written below it, in `a` and `b` (0600, names percent-encoded);
    /// of at most max_differences files. Empty: nowhere.
    std::filesystem::path report_dir;
};

/// What was found in one place ("layer 2 of 9").
struct ExplainedPlace {
    ExplainLevel level = ExplainLevel::File;
    std::string where;
    std::string about;                            ///< of a layer: the step that made it, as its history says
    std::uint64_t paths = 0;                      ///< different members, pointers or entries
    std::map<std::string, std::uint64_t> fields;  ///< how many differ in each
};

struct ExplainedCause {
    Cause cause;
    std::uint64_t count = 0;
    std::string example;  ///< where it was found first
};

struct Explanation {
    bool identical = false;               ///< the same bytes, or the same manifest: nothing was looked at below that
    std::string verdict;                  ///< one line
    std::vector<Difference> differences;  ///< from the top level down
    std::vector<ExplainedPlace> places;   ///< in the same order; counts all, those not listed included
    std::vector<ExplainedCause> causes;   ///< the most frequent first
    std::uint64_t found = 0;              ///< all that do not only follow and are not ignored
    std::uint64_t not_listed = 0;         ///< of these
    std::uint64_t ignored = 0;

    /// Nothing differs, but for what the options ignore.
    [[nodiscard]] bool same() const noexcept { return found == 0; }
};

/// Compares two places. Archives (docker-archive or oci-archive, of any tool) without an image's name are compared as
/// files too, all images in them by name, else in order; of other places, and of one image of an archive, only
/// documents and layers. Memory goes with the number of entries of two layers (bounded); files that differ are read a
/// second time, and only their beginnings kept. Damage of one side (bytes that are not what their digest says, tars
/// that nobody can read) is a difference, not a failure. Throws Error: NotFound, InvalidInput (no image archive, a
/// limit), Unsupported (xz, bzip2), and what places throw.
Explanation explain(const oci::PlaceName& a, const oci::PlaceName& b, const ExplainOptions& options,
                    const oci::PlaceAccess& access, const Run& run);

}  // namespace cooper::delivery

// A file in parts, for gateways and media that take no large ones. `cat` alone joins them again:
//
//   app.tar.part001of003  app.tar.part002of003  app.tar.part003of003
//   app.tar.parts.json    {"name","size","sha256","part_size","parts":[{"name","size","sha256"}]}
//   SHA256SUMS            the parts, the list of parts and the whole file, as sha256sum(1) checks them
//
// The number of parts stands in every name, so a part of another split cannot slip in; numbers are padded, so names
// sort as the parts follow each other. Names have no colons, blanks or other characters that a system refuses.
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/run.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::delivery {

/// Beyond it nobody carries them by hand, and lists of names grow long.
inline constexpr std::size_t kMaxParts = 10'000;
/// 10,000 parts with the longest names fit.
inline constexpr std::size_t kMaxPartsList = 8 * 1024 * 1024;

struct Part {
    std::string name;
    std::uint64_t size = 0;
    Digest sha256;
    bool operator==(const Part&) const = default;
};

/// FILE.parts.json. A value.
struct PartsList {
    std::string name;  ///< of the whole file
    std::uint64_t size = 0;
    Digest sha256;
    std::uint64_t part_size = 0;  ///< of all but the last
    std::vector<Part> parts;
    bool operator==(const PartsList&) const = default;
};

/// "app.tar.part001of004": `number` counts from 1.
std::string part_name(std::string_view file, std::size_t number, std::size_t count);

struct PartName {
    std::string file;
    std::size_t number = 0;
    std::size_t count = 0;
    bool operator==(const PartName&) const = default;
};
/// What part_name() made; nullopt for any other name.
std::optional<PartName> parse_part_name(std::string_view name);

/// "fat32" (4294967295 bytes: the largest file there), "dvd" (4.37 GiB), "mail" (20 MiB), or bytes with K, M, G or T
/// (powers of 1024, as split(1) has them). Throws Error{InvalidInput}.
std::uint64_t parse_part_size(std::string_view text);

std::string parts_to_json(const PartsList& list);
/// Throws Error{InvalidInput} that names `what`: for what is no list of parts, for names that part_name() does not
/// make, and for sizes that do not add up.
PartsList parts_from_json(std::string_view text, std::string_view what);

/// Writes the parts, the list and SHA256SUMS to `directory` (made when missing). Lines of an earlier split of the same
/// file in SHA256SUMS are replaced, others stay. A failure or a stop removes the parts written so far. The file is read
/// once; memory is bounded. A SHA256SUMS.sig that no longer fits is a warning. Throws NotFound, SystemError,
/// Error{InvalidInput} (no part size, more than kMaxParts), Error{Conflict} for a file that changed meanwhile,
/// Cancelled.
PartsList split_file(const std::filesystem::path& file, std::uint64_t part_size, const std::filesystem::path& directory,
                     const Run& run);

struct JoinReport {
    std::filesystem::path file;
    std::uint64_t size = 0;
    Digest sha256;
    std::size_t parts = 0;
    bool parts_proved = false;  ///< every part is what a list says of it
    bool whole_proved = false;  ///< the file is what a list says of it
};

/// Joins parts to `out` (nullopt: beside the first part, under the file's name), which appears when everything that can
/// be proved is proved. `inputs` are all parts in any order, FILE.parts.json, or both; FILE.parts.json and SHA256SUMS
/// beside the parts are used where they are. The parts are read once. Throws Error{InvalidInput} for parts that are
/// missing, given twice, of another file or another split; IntegrityError that names every damaged part; NotFound,
/// SystemError, Cancelled.
JoinReport join_parts(const std::vector<std::filesystem::path>& inputs, const std::optional<std::filesystem::path>& out,
                      const Run& run);

}  // namespace cooper::delivery

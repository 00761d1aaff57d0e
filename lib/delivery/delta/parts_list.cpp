// Names and sizes of parts, and their list as a document.
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/delivery/keys.hpp"
#include "cooper/delivery/parts.hpp"

#include "base/json.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <limits>

namespace cooper::delivery {
namespace {

constexpr std::string_view kPart = ".part";
constexpr std::string_view kOf = "of";
constexpr std::size_t kLeastDigits = 3;

/// The digits that all numbers of a split of `count` parts have.
std::size_t width_of(std::size_t count) {
    return std::max(kLeastDigits, std::to_string(count).size());
}

std::string padded(std::size_t number, std::size_t width) {
    std::string digits = std::to_string(number);
    return std::string(width - std::min(width, digits.size()), '0') + digits;
}

struct Preset {
    std::string_view name;
    std::uint64_t bytes;
};
constexpr std::array<Preset, 3> kPresets = {{
    {"fat32", 4'294'967'295},  // 2^32 - 1, the largest file there
    {"dvd", 4'692'251'770},    // 4.37 GiB, a single layer
    {"mail", 20 * 1024 * 1024},
}};

[[noreturn]] void refuse(std::string_view what, const std::string& problem) {
    throw Error(ErrorCode::InvalidInput, std::string(what) + " is no list of parts: " + problem);
}

void check_list(const PartsList& list, std::string_view what) {
    const std::size_t count = list.parts.size();
    if (list.name.empty() || list.name != safe_file_name(list.name)) {
        refuse(what, oci::printable(list.name) + " is no plain name of a file");
    }
    if (count == 0 || count > kMaxParts || list.part_size == 0) {
        refuse(what, "it has " + std::to_string(count) + " parts of " + std::to_string(list.part_size) + " bytes");
    }
    std::uint64_t rest = list.size;
    for (std::size_t i = 0; i < count; ++i) {
        const Part& part = list.parts[i];
        if (part.name != part_name(list.name, i + 1, count)) {
            refuse(what, oci::printable(part.name) + " stands where " + part_name(list.name, i + 1, count) + " must");
        }
        const bool last = i + 1 == count;
        const bool fits = last ? part.size == rest && (rest > 0 || count == 1) && rest <= list.part_size
                               : part.size == list.part_size && part.size < rest;
        if (!fits) {
            refuse(what, "the size of " + part.name + " does not add up with the others");
        }
        rest -= part.size;
    }
}

Digest hex_digest(const json::Value& object, std::string_view what) {
    return Digest::parse("sha256:" + json::string_member(object, "sha256", what));
}

}  // namespace

std::string part_name(std::string_view file, std::size_t number, std::size_t count) {
    const std::size_t width = width_of(count);
    return std::string(file) + std::string(kPart) + padded(number, width) + std::string(kOf) + padded(count, width);
}

std::optional<PartName> parse_part_name(std::string_view name) {
    const std::size_t part = name.rfind(kPart);
    const std::size_t of = name.rfind(kOf);
    if (part == std::string_view::npos || part == 0 || of == std::string_view::npos || of < part + kPart.size()) {
        return std::nullopt;
    }
    const auto number = parse_uint(name.substr(part + kPart.size(), of - part - kPart.size()));
    const auto count = parse_uint(name.substr(of + kOf.size()));
    if (!number || !count || *number == 0 || *number > *count || *count > kMaxParts) {
        return std::nullopt;
    }
    PartName found{std::string(name.substr(0, part)), *number, *count};
    return part_name(found.file, found.number, found.count) == name ? std::optional(std::move(found)) : std::nullopt;
}

std::uint64_t parse_part_size(std::string_view text) {
    for (const Preset& preset : kPresets) {
        if (text == preset.name) {
            return preset.bytes;
        }
    }
    constexpr std::string_view kSuffixes = "KMGT";
    const std::size_t suffix = text.empty() ? std::string_view::npos : kSuffixes.find(text.back());
    const bool scaled = suffix != std::string_view::npos;
    const unsigned shift = scaled ? 10 * (static_cast<unsigned>(suffix) + 1) : 0;
    const auto number = parse_uint(text.substr(0, text.size() - (scaled ? 1 : 0)));
    if (!number || *number == 0 || *number > std::numeric_limits<std::uint64_t>::max() >> shift) {
        throw Error(ErrorCode::InvalidInput, "\"" + oci::printable(text) +
                                                 "\" is no size of a part: fat32, dvd, mail, or bytes with K, M, G or "
                                                 "T (4G)");
    }
    return *number << shift;
}

std::string parts_to_json(const PartsList& list) {
    json::Value parts = json::Value::array();
    for (const Part& part : list.parts) {
        parts.push_back({{"name", part.name}, {"size", part.size}, {"sha256", part.sha256.hex()}});
    }
    return json::write({{"name", list.name},
                        {"size", list.size},
                        {"sha256", list.sha256.hex()},
                        {"part_size", list.part_size},
                        {"parts", std::move(parts)}}) +
           "\n";
}

PartsList parts_from_json(std::string_view text, std::string_view what) {
    const json::Value root = json::parse(text, what);
    PartsList list{json::string_member(root, "name", what),
                   json::uint_member(root, "size", what),
                   hex_digest(root, what),
                   json::uint_member(root, "part_size", what),
                   {}};
    const json::Value& parts = json::member(root, "parts", what);
    if (!parts.is_array()) {
        refuse(what, "parts is not a list");
    }
    for (const json::Value& part : parts) {
        list.parts.push_back(
            {json::string_member(part, "name", what), json::uint_member(part, "size", what), hex_digest(part, what)});
    }
    check_list(list, what);
    return list;
}

}  // namespace cooper::delivery

#include "delivery/explain/headers.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace cooper::delivery {

namespace {

constexpr std::size_t kMostKeys = 10'000;  // hostile headers could differ in as many ways as there are entries

std::string octal(std::uint32_t mode) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "%04o", mode);
    return text.data();
}

std::string seconds(const RawEntry& entry) {
    return std::to_string(entry.mtime) + (entry.mtime_fraction.empty() ? "" : "." + entry.mtime_fraction);
}

std::optional<std::string> unless_empty(const std::string& text) {
    return text.empty() ? std::nullopt : std::optional(text);
}

/// Collects what differs.
class Comparison {
public:
    void text(std::string field, const std::string& a, const std::string& b) {
        if (a != b) {
            found.push_back({std::move(field), unless_empty(a), unless_empty(b)});
        }
    }
    void number(std::string field, std::int64_t a, std::int64_t b) {
        if (a != b) {
            found.push_back({std::move(field), std::to_string(a), std::to_string(b)});
        }
    }
    /// Maps, or records in their order.
    template <class Records>
    void records(const std::string& prefix, const Records& a, const Records& b) {
        std::map<std::string, std::pair<std::optional<std::string>, std::optional<std::string>>> by_key;
        for (const auto& [key, value] : a) {
            by_key[key].first = value;
        }
        for (const auto& [key, value] : b) {
            by_key[key].second = value;
        }
        for (auto& [key, values] : by_key) {
            if (values.first != values.second) {
                found.push_back({prefix + key, std::move(values.first), std::move(values.second)});
            }
        }
    }

    std::vector<HeaderDifference> found;
};

/// Set of keys alike, order not.
bool reordered(const std::string& a, const std::string& b) {
    auto sorted = [](const std::string& keys) {
        std::string text = keys + " ";
        std::vector<std::string> each;
        for (std::size_t at = 0, end = 0; (end = text.find(' ', at)) != std::string::npos; at = end + 1) {
            each.push_back(text.substr(at, end - at));
        }
        std::sort(each.begin(), each.end());
        return each;
    };
    return a != b && sorted(a) == sorted(b);
}

bool is_said_once(std::string_view field) {
    constexpr std::array<std::string_view, 9> kFields = {"dialect", "header",  "pax-name", "pax-order", "pax-keys",
                                                         "prefix",  "padding", "uname",    "gname"};
    return std::find(kFields.begin(), kFields.end(), field) != kFields.end() || field == "mode-type-bits";
}

/// Values of these go with the path.
bool has_own_values(std::string_view field) {
    return field == "pax-name" || field == "header";
}

}  // namespace

std::string type_text(const RawEntry& entry) {
    constexpr std::array<std::string_view, 7> kNames = {"file",         "hard link", "symlink", "character device",
                                                        "block device", "directory", "fifo"};
    if (entry.type >= '0' && entry.type <= '6') {
        return std::string(kNames.at(static_cast<std::size_t>(entry.type - '0')));
    }
    return entry.type == 'S' ? "file" : "entry of type " + std::string(1, entry.type);
}

std::string entry_text(const RawEntry& entry) {
    std::string text = type_text(entry);
    if (entry.is_file()) {
        return text + " " + octal(entry.mode) + ", " + std::to_string(entry.length) + " bytes";
    }
    return text + (entry.link.empty() ? "" : " to " + entry.link);
}

std::string prefix_of(const RawEntry& entry) {
    const auto end = std::min(entry.path.find_first_not_of("./"), entry.path.size());
    const auto slash = std::string_view(entry.path).substr(0, end).rfind('/');
    return slash == std::string::npos ? "" : entry.path.substr(0, slash + 1);
}

std::vector<HeaderDifference> compare_headers(const RawEntry& a, const RawEntry& b) {
    Comparison comparison;
    comparison.text("mode", octal(a.mode), octal(b.mode));
    comparison.number("uid", a.uid, b.uid);
    comparison.number("gid", a.gid, b.gid);
    comparison.text("uname", a.user, b.user);
    comparison.text("gname", a.group, b.group);
    comparison.text(a.mtime == b.mtime ? "mtime-fraction" : "mtime", seconds(a), seconds(b));
    comparison.text("atime", a.atime, b.atime);
    comparison.text("ctime", a.ctime, b.ctime);
    comparison.text("device", std::to_string(a.device_major) + "," + std::to_string(a.device_minor),
                    std::to_string(b.device_major) + "," + std::to_string(b.device_minor));
    comparison.records("xattr ", a.xattrs, b.xattrs);
    comparison.text("sparse", a.sparse ? "with holes" : "dense", b.sparse ? "with holes" : "dense");
    comparison.records("pax ", a.other_records, b.other_records);
    comparison.records("pax global ", a.globals, b.globals);
    comparison.text("prefix", prefix_of(a), prefix_of(b));
    comparison.text("dialect", std::string(to_string(a.dialect)), std::string(to_string(b.dialect)));
    comparison.text("mode-type-bits", octal(a.mode_type_bits), octal(b.mode_type_bits));
    if (a.dialect == b.dialect && reordered(a.pax_keys, b.pax_keys)) {
        comparison.text("pax-order", a.pax_keys, b.pax_keys);
    } else if (a.dialect == b.dialect && comparison.found.empty()) {
        comparison.text("pax-keys", a.pax_keys, b.pax_keys);
    }
    if (a.dialect == b.dialect) {
        comparison.text("pax-name", a.pax_name, b.pax_name);
    }
    return std::move(comparison.found);
}

void tell_ends(const Difference& place, const TarEnd& a, const TarEnd& b, Findings& findings) {
    const auto tell = [&](std::string_view field, std::uint64_t x, std::uint64_t y, std::string_view unit) {
        if (x != y) {
            auto difference = place;
            difference.field = field;
            difference.a = std::to_string(x) + std::string(unit);
            difference.b = std::to_string(y) + std::string(unit);
            findings.add(std::move(difference));
        }
    };
    if (!a.is_padded() || !b.is_padded()) {
        tell("end", a.zero_blocks, b.zero_blocks, " blocks of zeros");
    }
    tell("trailing", a.other_bytes, b.other_bytes, " bytes after the end");
}

Difference HeaderFindings::at(const std::string& path, std::string field) const {
    Difference difference;
    difference.level = level_;
    difference.where = where_;
    difference.path = path;
    difference.field = std::move(field);
    return difference;
}

void HeaderFindings::add(const std::string& path, HeaderDifference&& difference) {
    auto found = at(path, difference.field);
    if (!is_said_once(difference.field)) {
        found.a = std::move(difference.a);
        found.b = std::move(difference.b);
        findings_.add(std::move(found));
        return;
    }
    Key key{difference.field, std::nullopt, std::nullopt};
    if (!has_own_values(difference.field) && numbers_.size() < kMostKeys) {
        key = {difference.field, difference.a, difference.b};
    }
    const auto [known, fresh] = numbers_.try_emplace(std::move(key), repeated_.size());
    if (!fresh) {
        ++repeated_[known->second].more;
        return;
    }
    found.a = std::move(difference.a);
    found.b = std::move(difference.b);
    repeated_.push_back(std::move(found));
}

void HeaderFindings::finish() {
    for (auto& difference : std::exchange(repeated_, {})) {
        findings_.add(std::move(difference));
    }
    numbers_.clear();
}

}  // namespace cooper::delivery

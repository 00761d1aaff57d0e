// Why two sets of tags differ.
#include "cooper/base/digest.hpp"
#include "cooper/base/error.hpp"
#include "cooper/build/tag_record.hpp"

#include "build/paths.hpp"
#include "build/tags/tag_kinds.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <tuple>

namespace cooper::build {

namespace {

using Change = TagChange::Kind;

std::vector<TagLevel> levels_touched_by(const RecordedInput& input) {
    if (input.kind == kind::kBaseName) {
        return {TagLevel::Versioned};  // only there is it part of the tag, and it is hashed nowhere
    }
    std::vector<TagLevel> levels;
    for (const auto level : {TagLevel::Versioned, TagLevel::Lock, TagLevel::Source}) {
        if (level >= input.level) {
            levels.push_back(level);
        }
    }
    return levels;
}

/// What makes two inputs the same one; views into the records. The last part counts those that are alike so far.
using Identity = std::tuple<TagLevel, std::string_view, std::string_view, std::size_t>;

struct Pair {
    const RecordedInput* before = nullptr;
    const RecordedInput* after = nullptr;
    std::size_t place_before = 0;
    std::size_t place_after = 0;
};

class Comparison {
public:
    Comparison(const TagRecord& before, const TagRecord& after) {
        place(before, &Pair::before, &Pair::place_before);
        place(after, &Pair::after, &Pair::place_after);
    }

    std::vector<TagChange> changes() {
        std::map<std::pair<TagLevel, std::string_view>, std::vector<const Pair*>> ordered;
        for (const auto& [identity, pair] : pairs_) {
            if (pair.before == nullptr) {
                report(Change::Added, pair);
            } else if (pair.after == nullptr) {
                report(Change::Removed, pair);
            } else {
                if (!(*pair.before == *pair.after)) {
                    report(Change::Changed, pair);
                }
                if (kind::is_ordered(pair.after->kind)) {
                    ordered[{std::get<0>(identity), std::get<1>(identity)}].push_back(&pair);
                }
            }
        }
        for (auto& [sequence, pairs] : ordered) {
            report_moves(pairs);
        }
        std::stable_sort(changes_.begin(), changes_.end(),
                         [](const auto& a, const auto& b) { return a.touches.front() < b.touches.front(); });
        return std::move(changes_);
    }

private:
    void place(const TagRecord& record, const RecordedInput* Pair::*side, std::size_t Pair::*place) {
        std::map<Identity, std::size_t> seen;
        for (std::size_t i = 0; i < record.inputs.size(); ++i) {
            const auto& input = record.inputs[i];
            const bool by_value = kind::is_ordered(input.kind) && input.name.empty();
            Identity identity{input.level, kind::family(input.kind), by_value ? input.value : input.name, 0};
            std::get<3>(identity) = seen[identity]++;
            auto& pair = pairs_[identity];
            pair.*side = &input;
            pair.*place = i;
        }
    }

    void report(Change kind, const Pair& pair) {
        TagChange change;
        change.kind = kind;
        if (pair.before != nullptr) {
            change.before = *pair.before;
        }
        if (pair.after != nullptr) {
            change.after = *pair.after;
        }
        change.touches = levels_touched_by(pair.after != nullptr ? *pair.after : *pair.before);
        changes_.push_back(std::move(change));
    }

    /// The fewest that had to move: all but a longest sequence that kept its order.
    void report_moves(std::vector<const Pair*>& pairs) {
        std::sort(pairs.begin(), pairs.end(), [](auto a, auto b) { return a->place_after < b->place_after; });
        constexpr std::size_t kNone = SIZE_MAX;
        std::vector<std::size_t> ends;  // ends[n]: where the best sequence of n + 1 ends so far
        std::vector<std::size_t> previous(pairs.size(), kNone);
        for (std::size_t i = 0; i < pairs.size(); ++i) {
            const auto at = std::lower_bound(ends.begin(), ends.end(), i, [&](std::size_t a, std::size_t b) {
                return pairs[a]->place_before < pairs[b]->place_before;
            });
            previous[i] = at == ends.begin() ? kNone : *std::prev(at);
            if (at == ends.end()) {
                ends.push_back(i);
            } else {
                *at = i;
            }
        }
        std::vector<bool> stayed(pairs.size(), false);
        for (std::size_t i = ends.empty() ? kNone : ends.back(); i != kNone; i = previous[i]) {
            stayed[i] = true;
        }
        for (std::size_t i = 0; i < pairs.size(); ++i) {
            if (!stayed[i]) {
                report(Change::Reordered, *pairs[i]);
            }
        }
    }

    std::map<Identity, Pair> pairs_;
    std::vector<TagChange> changes_;
};

// --- text ----------------------------------------------------------------------------------------------------------

bool is_content(std::string_view kind) {
    return kind == kind::kFile || kind == kind::kRecipe || kind == kind::kLockFile;
}

bool is_secret(std::string_view kind) {
    return kind == kind::kSecretBuildArgument || kind == kind::kSecretExtraDependency;
}

std::string bytes(std::uint64_t size) {
    return std::to_string(size) + (size == 1 ? " byte" : " bytes");
}

std::string octal(std::uint32_t mode) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "%04o", mode);
    return text.data();
}

std::string shown_value(const RecordedInput& input) {
    constexpr std::size_t kMaxShown = 60;
    if (input.kind == kind::kScratch) {
        return "scratch";
    }
    if (is_secret(input.kind)) {
        return "secret";
    }
    if (const auto digest = Digest::try_parse(input.value)) {
        return digest->shortened();
    }
    return "\"" + oci::printable(input.value, kMaxShown) + "\"";
}

/// What it is, for one that came or went.
std::string description(const RecordedInput& input) {
    if (input.kind == kind::kFile) {
        return "file, " + bytes(input.size);
    }
    if (is_content(input.kind)) {
        return bytes(input.size);
    }
    if (input.kind == kind::kDirectory) {
        return "directory";
    }
    if (input.kind == kind::kSymlink) {
        return "symlink to " + shown_value(input);
    }
    return shown_value(input);
}

std::string difference(const RecordedInput& before, const RecordedInput& after) {
    if (before.kind != after.kind && kind::family(before.kind) == "entry") {
        return before.kind + " became " + after.kind;
    }
    std::string text;
    const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
    if (is_content(after.kind) && (before.value != after.value || before.size != after.size)) {
        add("content");
        add(before.size == after.size ? bytes(after.size) : std::to_string(before.size) + " -> " + bytes(after.size));
    } else if (is_secret(after.kind) && is_secret(before.kind) && before.value != after.value) {
        add("secret value");
    } else if (before.value != after.value || before.kind != after.kind) {
        add((after.kind == kind::kSymlink ? "target " : "") + shown_value(before) + " -> " + shown_value(after));
    }
    if (before.mode != after.mode) {
        add("mode " + octal(before.mode) + " -> " + octal(after.mode));
    }
    return text;
}

std::string subject(const RecordedInput& input) {
    const auto family = kind::family(input.kind);
    const auto name = oci::printable(input.name, kMaxPath);
    if (family == "entry") {
        return name;
    }
    std::string text = oci::printable(family);
    if (!name.empty()) {
        text += " " + name;
    } else if (kind::is_ordered(input.kind)) {
        text += " " + shown_value(input);
    }
    return text;
}

}  // namespace

std::string TagChange::text() const {
    if (!before && !after) {
        return "";
    }
    const auto& input = after ? *after : *before;
    const auto line = [&](const char* verb, const std::string& detail) {
        return verb + subject(input) + (detail.empty() ? "" : "  (" + detail + ")");
    };
    const bool is_subject = kind::is_ordered(input.kind) && input.name.empty();  // its value is shown already
    switch (kind) {
        case Kind::Added:
            return line("added    ", is_subject ? "" : description(input));
        case Kind::Removed:
            return line("removed  ", is_subject ? "" : description(input));
        case Kind::Changed:
            return line("changed  ", before && after ? difference(*before, *after) : "");
        case Kind::Reordered:
            break;
    }
    return line("moved    ", "another place in the order");
}

std::vector<TagChange> compare(const TagRecord& before, const TagRecord& after) {
    if (before.profile != after.profile) {
        throw Error(ErrorCode::InvalidInput, "tags of profile '" + oci::printable(before.profile) +
                                                 "' cannot be compared with those of profile '" +
                                                 oci::printable(after.profile) + "': different things go into them")
            .advise("make both with the same --profile");
    }
    return Comparison(before, after).changes();
}

}  // namespace cooper::build

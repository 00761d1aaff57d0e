#include "cooper/base/text.hpp"
#include "cooper/build/diff.hpp"

#include "base/json.hpp"
#include "build/edit/alignment.hpp"
#include "build/edit/json_text.hpp"

#include <nlohmann/json.hpp>

#include <unordered_map>

namespace cooper::build {

namespace {

/// RFC 6901 section 3.
std::string escaped(std::string_view key) {
    std::string out;
    for (const char c : key) {
        if (c == '~') {
            out += "~0";
        } else if (c == '/') {
            out += "~1";
        } else {
            out += c;
        }
    }
    return out;
}

/// True for texts of the same value; numbers must be spelt alike, strings need not.
bool same_value(std::string_view a, std::string_view b) {
    return a == b || (a.starts_with('"') && b.starts_with('"') && unquoted_json(a) == unquoted_json(b));
}

/// Where a value stands in both documents: elements of arrays may have moved.
struct Place {
    std::string before;
    std::string after;

    [[nodiscard]] Place member(std::string_view key) const {
        const auto step = "/" + escaped(key);
        return {before + step, after + step};
    }
    [[nodiscard]] Place element(const AlignedPair& pair) const {
        const auto step = [](const std::optional<std::size_t>& index) {
            return "/" + (index ? std::to_string(*index) : std::string("-"));
        };
        return {before + step(pair.before), after + step(pair.after)};
    }
};

/// Walks both documents at once. They were parsed before, so their depth is bounded.
class JsonDiff {
public:
    void compare(const Place& place, const std::string& before, const std::string& after) {
        if (same_value(before, after)) {
            return;
        }
        if (before.starts_with('{') && after.starts_with('{')) {
            compare_objects(place, before, after);
        } else if (before.starts_with('[') && after.starts_with('[')) {
            compare_arrays(place, before, after);
        } else {
            changes.push_back({place.after, before, after});
        }
    }

    std::vector<ValueChange> changes;

private:
    void compare_objects(const Place& place, const std::string& before, const std::string& after) {
        const auto old_members = ObjectText(before).members();
        const auto new_members = ObjectText(after).members();
        std::unordered_map<std::string_view, const std::string*> added;
        for (const auto& [key, value] : new_members) {
            added.emplace(key, &value);
        }
        for (const auto& [key, value] : old_members) {
            const auto found = added.find(key);
            if (found == added.end()) {
                changes.push_back({place.member(key).before, value, std::nullopt});
            } else {
                compare(place.member(key), value, *found->second);
                added.erase(found);
            }
        }
        for (const auto& [key, value] : new_members) {
            if (added.contains(key)) {
                changes.push_back({place.member(key).after, std::nullopt, value});
            }
        }
    }

    void compare_arrays(const Place& place, const std::string& before, const std::string& after) {
        const ArrayText old_array(before), new_array(after);
        const auto pairs = place.after.ends_with("/Env")
                               ? pair_variables(old_array, new_array)
                               : align(old_array.size(), new_array.size(), [&](std::size_t b, std::size_t a) {
                                     return same_value(old_array.at(b), new_array.at(a));
                                 });
        for (const auto& pair : pairs) {
            const auto at = place.element(pair);
            if (pair.before && pair.after) {
                compare(at, old_array.at(*pair.before), new_array.at(*pair.after));
            } else if (pair.before) {
                changes.push_back({at.before, old_array.at(*pair.before), std::nullopt});
            } else {
                changes.push_back({at.after, std::nullopt, new_array.at(*pair.after)});
            }
        }
    }

    static std::string variable_of(const std::string& entry) {
        const auto text = entry.starts_with('"') ? unquoted_json(entry) : entry;
        return text.substr(0, text.find('='));
    }

    /// By name: the order of variables says nothing.
    static std::vector<AlignedPair> pair_variables(const ArrayText& before, const ArrayText& after) {
        std::unordered_map<std::string, std::size_t> named;
        for (std::size_t a = after.size(); a-- > 0;) {
            named[variable_of(after.at(a))] = a;
        }
        std::vector<bool> paired(after.size());
        std::vector<AlignedPair> pairs;
        for (std::size_t b = 0; b < before.size(); ++b) {
            const auto found = named.find(variable_of(before.at(b)));
            if (found == named.end() || paired[found->second]) {
                pairs.push_back({b, std::nullopt, false});
            } else {
                paired[found->second] = true;
                pairs.push_back({b, found->second, false});
            }
        }
        for (std::size_t a = 0; a < after.size(); ++a) {
            if (!paired[a]) {
                pairs.push_back({std::nullopt, a, false});
            }
        }
        return pairs;
    }
};

}  // namespace

ChangeKind ValueChange::kind() const noexcept {
    return !before ? ChangeKind::Added : !after ? ChangeKind::Removed : ChangeKind::Changed;
}

std::vector<ValueChange> diff_json(std::string_view before, std::string_view after, std::string_view what) {
    for (const auto text : {before, after}) {
        static_cast<void>(json::parse(text, what));
    }
    JsonDiff diff;
    diff.compare({}, std::string(trim(before)), std::string(trim(after)));
    return std::move(diff.changes);
}

}  // namespace cooper::build

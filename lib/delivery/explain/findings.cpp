#include "delivery/explain/findings.hpp"

#include "delivery/explain/causes.hpp"

#include <algorithm>

namespace cooper::delivery {

namespace {

constexpr std::size_t kLongestValue = 4096;
constexpr std::size_t kMostPlaces = 10'000;     // of the summary: images times layers
constexpr std::size_t kMostFieldsEach = 1'000;  // xattrs and pax records give fields their names

void shorten(std::optional<std::string>& value) {
    if (value && value->size() > kLongestValue) {
        value->resize(kLongestValue);
        *value += "…";
    }
}

std::string place_of(const Difference& difference) {
    const auto& [where, path] = std::tie(difference.where, difference.path);
    return where + (where.empty() || path.empty() ? "" : ": ") + path;
}

}  // namespace

std::string_view to_string(ExplainLevel level) noexcept {
    switch (level) {
        case ExplainLevel::File:
            return "file";
        case ExplainLevel::Members:
            return "members";
        case ExplainLevel::Documents:
            return "documents";
        case ExplainLevel::Config:
            return "config";
        case ExplainLevel::Layers:
            return "layers";
        case ExplainLevel::Entries:
            return "entries";
        case ExplainLevel::Content:
            break;
    }
    return "content";
}

bool Findings::is_ignored(const CauseRow* row) const noexcept {
    switch (row == nullptr ? Ignorable::Never : row->ignorable) {
        case Ignorable::Times:
            return options_.ignore_times;
        case Ignorable::History:
            return options_.ignore_history;
        case Ignorable::Order:
            return options_.ignore_order;
        case Ignorable::Names:
            return options_.ignore_names;
        case Ignorable::Dialect:
            return options_.ignore_dialect;
        case Ignorable::Never:
            break;
    }
    return false;
}

void Findings::add(Difference difference) {
    shorten(difference.a);
    shorten(difference.b);
    if (difference.follows) {
        if (following_.size() < options_.max_differences) {
            following_.push_back(std::move(difference));
        }
        return;
    }
    const auto* row = find_cause(difference);
    if (is_ignored(row)) {
        result_.ignored += 1 + difference.more;
        return;
    }
    difference.cause = row == nullptr ? "" : std::string(row->cause.id);
    count(difference, row);
    list(std::move(difference));
}

void Findings::count(const Difference& difference, const CauseRow* row) {
    const auto times = 1 + difference.more;
    result_.found += times;
    if (row != nullptr) {
        auto& cause = causes_[row->cause.id];
        if (cause.count == 0) {
            cause = {&row->cause, 0, place_of(difference)};
        }
        cause.count += times;
    }
    const PlaceKey key{difference.level, difference.where};
    if (!numbers_.contains(key)) {
        if (numbers_.size() == kMostPlaces) {
            return;
        }
        numbers_[key] = result_.places.size();
        result_.places.push_back({difference.level, difference.where, "", 0, {}});
    }
    auto& place = result_.places[numbers_[key]];
    std::tuple path{difference.level, difference.where, difference.path};
    place.paths += difference.more + (path == last_path_ ? 0 : 1);
    last_path_ = std::move(path);
    if (place.fields.size() < kMostFieldsEach || place.fields.contains(difference.field)) {
        place.fields[difference.field] += times;
    }
}

void Findings::list(Difference&& difference) {
    auto& listed = listed_.at(static_cast<std::size_t>(difference.level));
    if (listed >= options_.max_differences) {
        result_.not_listed += 1 + difference.more;
        return;
    }
    ++listed;
    result_.differences.push_back(std::move(difference));
}

void Findings::describe(ExplainLevel level, const std::string& where, const std::string& about) {
    about_[{level, where}] = about;
}

Explanation Findings::take() {
    // Digests that differ, and nothing below them that explains it: then they are what differs.
    if (seen() == 0 && !result_.identical) {
        for (auto& difference : std::exchange(following_, {})) {
            difference.follows = false;
            add(std::move(difference));
        }
    }
    std::move(following_.begin(), following_.end(), std::back_inserter(result_.differences));
    std::stable_sort(result_.differences.begin(), result_.differences.end(),
                     [](const auto& x, const auto& y) { return x.level < y.level; });
    std::stable_sort(result_.places.begin(), result_.places.end(),
                     [](const auto& x, const auto& y) { return x.level < y.level; });
    for (auto& place : result_.places) {
        if (const auto about = about_.find({place.level, place.where}); about != about_.end()) {
            place.about = about->second;
        }
    }
    for (auto& [id, found] : causes_) {
        result_.causes.push_back({*found.cause, found.count, std::move(found.example)});
    }
    std::stable_sort(result_.causes.begin(), result_.causes.end(),
                     [](const auto& x, const auto& y) { return x.count > y.count; });
    result_.verdict = verdict_of(result_, layers);
    return std::move(result_);
}

}  // namespace cooper::delivery

#include "edit_values.hpp"

#include "cooper/base/text.hpp"

#include "exit_code.hpp"
#include "output.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::cli {

std::vector<std::pair<std::string, std::string>> parse_pairs(const std::vector<std::string>& texts,
                                                             std::string_view flag) {
    std::vector<std::pair<std::string, std::string>> pairs;
    for (const std::string& text : texts) {
        const std::size_t equals = text.find('=');
        if (equals == 0 || equals == std::string::npos) {
            throw UsageError(std::string(flag) + ": \"" + text + "\" is not KEY=VALUE");
        }
        pairs.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    return pairs;
}

std::vector<std::string> parse_words(std::string_view text) {
    if (!text.starts_with('[')) {
        if (text.find_first_of(" \t") != std::string_view::npos) {
            throw Error(ErrorCode::InvalidInput,
                        "\"" + std::string(text) + "\" has spaces: write it as JSON, [\"a\", \"b\"]");
        }
        return {std::string(text)};
    }
    const Json array = Json::parse(text, nullptr, false);
    const bool all_strings =
        array.is_array() && std::all_of(array.begin(), array.end(), [](const Json& word) { return word.is_string(); });
    if (!all_strings) {
        throw Error(ErrorCode::InvalidInput, "\"" + std::string(text) + "\" is no JSON array of strings");
    }
    return array.get<std::vector<std::string>>();
}

TimePoint parse_time(std::string_view text) {
    constexpr std::uint64_t kLatest = 253'402'300'799;  // 9999-12-31: RFC 3339 has no later year
    if (text == "epoch") {
        return TimePoint{};
    }
    if (const auto seconds = parse_uint(text); seconds && *seconds <= kLatest) {
        return TimePoint(std::chrono::seconds(*seconds));
    }
    if (const auto time = parse_rfc3339(text)) {
        return *time;
    }
    throw Error(ErrorCode::InvalidInput,
                "\"" + std::string(text) + "\" is no time (2024-01-16T09:15:42Z, seconds since 1970, or epoch)");
}

std::optional<TimePoint> source_date_epoch(const Environment& environment) {
    const auto text = environment.get("SOURCE_DATE_EPOCH");
    if (!text) {
        return std::nullopt;
    }
    if (!parse_uint(*text)) {
        throw UsageError("SOURCE_DATE_EPOCH: \"" + *text + "\" is no number of seconds since 1970");
    }
    return as_usage("SOURCE_DATE_EPOCH", [&] { return parse_time(*text); });
}

}  // namespace cooper::cli

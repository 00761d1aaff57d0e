#include "cooper/base/http.hpp"

#include "cooper/base/clock.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include <algorithm>
#include <array>

namespace cooper {

void Headers::set(std::string_view name, std::string value) {
    const auto named = [&](const auto& field) { return equals_ignoring_case(field.first, name); };
    const auto first = std::find_if(fields_.begin(), fields_.end(), named);
    if (first == fields_.end()) {
        return add(std::string(name), std::move(value));
    }
    first->second = std::move(value);
    fields_.erase(std::remove_if(first + 1, fields_.end(), named), fields_.end());
}

void Headers::remove(std::string_view name) {
    std::erase_if(fields_, [&](const auto& field) { return equals_ignoring_case(field.first, name); });
}

std::optional<std::string> Headers::find(std::string_view name) const {
    for (const auto& [field, value] : fields_) {
        if (equals_ignoring_case(field, name)) {
            return value;
        }
    }
    return std::nullopt;
}

std::vector<std::string> Headers::all(std::string_view name) const {
    std::vector<std::string> values;
    for (const auto& [field, value] : fields_) {
        if (equals_ignoring_case(field, name)) {
            values.push_back(value);
        }
    }
    return values;
}

std::optional<std::uint64_t> HttpResponse::content_length() const {
    std::optional<std::uint64_t> length;
    for (const std::string& value : headers.all("Content-Length")) {
        const auto number = parse_uint(trim(value));
        // Two lengths that differ say nothing (RFC 9112 section 6.3, rule 5).
        if (!number || (length && *length != *number)) {
            return std::nullopt;
        }
        length = number;
    }
    return length;
}

std::optional<std::chrono::milliseconds> HttpResponse::retry_after(std::chrono::system_clock::time_point now) const {
    using std::chrono::milliseconds;
    constexpr milliseconds kLongest = std::chrono::minutes(5);
    const std::string value(trim(headers.find("Retry-After").value_or("")));
    if (const auto seconds = parse_uint(value)) {
        constexpr auto kLongestSeconds = static_cast<std::uint64_t>(kLongest / std::chrono::seconds(1));
        return std::chrono::seconds(std::min(*seconds, kLongestSeconds));
    }
    if (const auto when = parse_http_date(value)) {
        const auto wait = std::chrono::ceil<milliseconds>(*when - now);
        return std::clamp(wait, milliseconds(0), kLongest);
    }
    return std::nullopt;
}

std::string read_error_body(HttpResponse& response, std::size_t limit) {
    std::string text;
    std::array<char, 4096> step{};
    while (text.size() < limit) {
        const std::size_t wanted = std::min(step.size(), limit - text.size());
        const std::size_t count = response.body->read(std::as_writable_bytes(std::span(step.data(), wanted)));
        if (count == 0) {
            break;
        }
        text.append(step.data(), count);
    }
    return text;
}

}  // namespace cooper

#include "base/pax.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

namespace cooper::pax {

namespace {

constexpr std::size_t kMaxLengthDigits = 10;

[[noreturn]] void refuse(const std::string& problem) {
    throw Error(ErrorCode::Integrity, "a pax record " + problem);
}

/// Takes the first record off `rest`, without its length and newline.
std::string_view take_record(std::string_view& rest, const TarLimits& limits) {
    const std::size_t blank = rest.substr(0, kMaxLengthDigits + 1).find(' ');
    const auto length = blank == std::string_view::npos ? std::nullopt : parse_uint(rest.substr(0, blank));
    if (!length || rest[0] == '0') {
        refuse("has no length");
    }
    if (*length > limits.max_pax_record) {
        throw Error(ErrorCode::InvalidInput, "a pax record of " + std::to_string(*length) +
                                                 " bytes exceeds the limit of " +
                                                 std::to_string(limits.max_pax_record));
    }
    if (*length < blank + 2 || *length > rest.size() || rest[*length - 1] != '\n') {
        refuse("ends elsewhere than its length says");
    }
    const std::string_view record = rest.substr(blank + 1, *length - blank - 2);
    rest.remove_prefix(*length);
    return record;
}

}  // namespace

std::string format(const Records& records) {
    std::string text;
    for (const auto& [key, value] : records) {
        const std::size_t fixed = key.size() + value.size() + 3;  // the blank, "=" and the newline
        std::size_t length = fixed + std::to_string(fixed).size();
        length = fixed + std::to_string(length).size();  // its own digits count, and one more may need another
        text += std::to_string(length) + " ";
        text += key;
        text += "=";
        text += value;
        text += "\n";
    }
    return text;
}

RecordList parse_in_order(std::string_view text, const TarLimits& limits) {
    RecordList records;
    while (!text.empty()) {
        const std::string_view record = take_record(text, limits);
        const std::size_t equals = record.find('=');
        if (equals == std::string_view::npos || equals == 0) {
            refuse("has no key");
        }
        const std::string_view key = record.substr(0, equals);
        const std::string_view value = record.substr(equals + 1);
        const bool names_something = key == kPath || key == kLinkPath;
        if (key.find('\0') != std::string_view::npos ||
            (names_something && value.find('\0') != std::string_view::npos)) {
            refuse("has a NUL in a name");
        }
        records.emplace_back(key, value);
    }
    return records;
}

Records parse(std::string_view text, const TarLimits& limits) {
    Records records;
    for (auto& [key, value] : parse_in_order(text, limits)) {
        const auto [known, fresh] = records.emplace(std::move(key), std::move(value));
        if (!fresh) {
            refuse("comes twice: " + known->first.substr(0, 100));
        }
    }
    return records;
}

}  // namespace cooper::pax

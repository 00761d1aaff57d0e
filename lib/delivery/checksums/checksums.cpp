#include "cooper/delivery/checksums.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::delivery {
namespace {

constexpr std::size_t kHexDigits = 64;
constexpr std::size_t kNameStart = kHexDigits + 2;
constexpr std::size_t kMaxName = 255;  // NAME_MAX of Linux

bool is_control(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
}

/// A file in the same directory, as far as this system is concerned.
bool is_file_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxName && name != "." && name != ".." &&
           std::none_of(name.begin(), name.end(), [](char c) { return c == '/' || c == '\\' || is_control(c); }) &&
           is_valid_utf8(name);
}

/// The same for every system, and for scripts: no colon (Windows, GNU tar, scp), no spaces, none of what shells expand.
bool is_portable_name(std::string_view name) {
    const auto portable = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' ||
               c == '-';
    };
    return is_file_name(name) && name.front() != '-' && std::all_of(name.begin(), name.end(), portable);
}

class LineReader {
public:
    explicit LineReader(const std::string& what) : what_(what) {}

    std::pair<std::string, Digest> read(std::string_view line) {
        ++number_;
        if (line.ends_with('\r')) {
            refuse("ends with a carriage return: the file was saved with the line ends of Windows, fetch it again");
        }
        if (line.starts_with('\\')) {
            refuse("has an escaped name, which no file of a delivery needs");
        }
        const auto digest = Digest::try_parse("sha256:" + to_lower(line.substr(0, kHexDigits)));
        const std::string_view separator = line.size() > kNameStart ? line.substr(kHexDigits, 2) : "";
        if (!digest || (separator != "  " && separator != " *")) {
            refuse("is not \"SHA-256 in hex, two spaces, file name\": " + oci::printable(line));
        }
        std::string name(line.substr(kNameStart));
        if (!is_file_name(name)) {
            refuse("names no file beside it: " + oci::printable(name));
        }
        return {std::move(name), *digest};
    }

    [[noreturn]] void refuse(const std::string& why) const {
        throw Error(ErrorCode::InvalidInput, what_ + ": line " + std::to_string(number_) + " " + why);
    }

private:
    const std::string& what_;
    std::size_t number_ = 0;
};

}  // namespace

Checksums Checksums::parse(std::string_view text, const std::string& what) {
    if (text.size() > kMaxChecksums) {
        throw Error(ErrorCode::InvalidInput,
                    what + " has " + std::to_string(text.size()) + " bytes: that is no list of checksums");
    }
    if (text.empty() || text.back() != '\n') {
        throw Error(ErrorCode::InvalidInput,
                    what + (text.empty() ? " is empty" : " was cut: its last line has no end"));
    }
    Checksums checksums;
    LineReader reader(what);
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        auto [name, digest] = reader.read(text.substr(0, end));
        text.remove_prefix(end + 1);
        const auto [there, added] = checksums.entries_.emplace(std::move(name), digest);
        if (!added && there->second != digest) {
            reader.refuse("gives " + oci::printable(there->first) + " another SHA-256 than a line before");
        }
        if (checksums.entries_.size() > kMaxChecksumNames) {
            reader.refuse("is one too many");
        }
    }
    return checksums;
}

void Checksums::add(const std::string& name, const Digest& sha256) {
    if (!is_portable_name(name)) {
        throw Error(ErrorCode::InvalidInput,
                    "\"" + oci::printable(name) +
                        "\" cannot be listed: only letters, digits, \".\", \"_\" and \"-\" are names everywhere");
    }
    const auto [there, added] = entries_.emplace(name, sha256);
    if (!added && there->second != sha256) {
        throw Error(ErrorCode::Conflict, name + " is listed with two checksums: " + there->second.shortened() +
                                             " and " + sha256.shortened());
    }
}

void Checksums::merge(const Checksums& other) {
    for (const auto& [name, digest] : other.entries_) {
        add(name, digest);
    }
}

const Digest* Checksums::find(std::string_view name) const {
    const auto found = entries_.find(name);
    return found == entries_.end() ? nullptr : &found->second;
}

std::string Checksums::text() const {
    std::string text;
    for (const auto& [name, digest] : entries_) {
        text += std::string(digest.hex()) + "  " + name + "\n";
    }
    return text;
}

}  // namespace cooper::delivery

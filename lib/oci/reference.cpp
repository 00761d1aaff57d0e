#include "cooper/oci/reference.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::oci {

namespace {

constexpr std::string_view kHub = "docker.io";
constexpr std::string_view kLegacyHub = "index.docker.io";
constexpr std::string_view kHubApi = "registry-1.docker.io";
constexpr std::string_view kOfficial = "library/";
constexpr std::size_t kMaxPath = 255;  // distribution/reference v0.6; older tools count the domain as well
constexpr std::size_t kMaxTag = 128;
constexpr std::size_t kIdentifierDigits = 64;

bool is_lower_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_alnum(char c) {
    return is_lower_alnum(c) || is_upper(c);
}
bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
    throw Error(ErrorCode::InvalidInput, "\"" + printable(text) + "\" is not an image reference: " + why);
}

// [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*
bool is_path_component(std::string_view text) {
    std::size_t at = 0;
    while (true) {
        const std::size_t word = at;
        while (at < text.size() && is_lower_alnum(text[at])) {
            ++at;
        }
        if (at == word) {
            return false;
        }
        if (at == text.size()) {
            return true;
        }
        if (text[at] == '-') {
            at = std::min(text.find_first_not_of('-', at), text.size());
        } else if (text[at] == '.') {
            ++at;
        } else if (text[at] == '_') {
            at += text.substr(at).starts_with("__") ? 2U : 1U;
        } else {
            return false;
        }
    }
}

bool is_path(std::string_view text) {
    const auto components = split(text, '/');
    return std::all_of(components.begin(), components.end(), is_path_component);
}

bool is_domain_label(std::string_view text) {
    return !text.empty() && text.front() != '-' && text.back() != '-' &&
           std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '-'; });
}

// Dotted labels or an IPv6 literal in brackets, then an optional port.
bool is_domain(std::string_view text) {
    std::string_view host = text;
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos || end == 1) {
            return false;
        }
        host = text.substr(0, end + 1);
    } else {
        host = text.substr(0, text.find(':'));
    }
    const std::string_view rest = text.substr(host.size());
    const bool port_fits =
        rest.empty() || (rest.size() > 1 && rest[0] == ':' && std::all_of(rest.begin() + 1, rest.end(), is_digit));
    if (!port_fits) {
        return false;
    }
    if (host.starts_with('[')) {
        const std::string_view address = host.substr(1, host.size() - 2);
        return std::all_of(address.begin(), address.end(), [](char c) { return is_hex(c) || c == ':'; });
    }
    const auto labels = split(host, '.');
    return std::all_of(labels.begin(), labels.end(), is_domain_label);
}

bool is_tag(std::string_view text) {
    const auto word = [](char c) { return is_alnum(c) || c == '_'; };
    return !text.empty() && text.size() <= kMaxTag && word(text.front()) &&
           std::all_of(text.begin(), text.end(), [&](char c) { return word(c) || c == '.' || c == '-'; });
}

// What stands before the first slash is a registry only if it cannot be mistaken for a namespace of Docker Hub.
bool names_a_domain(std::string_view first) {
    return first == "localhost" || first.find_first_of(".:") != std::string_view::npos ||
           std::any_of(first.begin(), first.end(), is_upper);
}

bool is_identifier(std::string_view text) {
    return text.size() == kIdentifierDigits &&
           std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

struct Split {
    std::string domain;
    std::string_view remainder;
    bool official = false;
};

Split split_domain(std::string_view text) {
    const std::size_t slash = text.find('/');
    Split parts{std::string(kHub), text, false};
    if (slash != std::string_view::npos && names_a_domain(text.substr(0, slash))) {
        parts.domain = text.substr(0, slash);
        parts.remainder = text.substr(slash + 1);
        if (parts.domain == kLegacyHub) {
            parts.domain = kHub;
        }
    }
    // The slash may belong to no path at all ("x@sha256:…" has none in front of the digest), so look at all of it, as
    // Docker does.
    parts.official = parts.domain == kHub && parts.remainder.find('/') == std::string_view::npos;
    return parts;
}

}  // namespace

Reference Reference::parse(std::string_view text) {
    if (text.empty()) {
        throw Error(ErrorCode::InvalidInput, "the image reference is empty");
    }
    if (text.find("://") != std::string_view::npos) {
        refuse(text, "leave out the part up to \"://\"");
    }
    if (is_identifier(text)) {
        refuse(text, "64 hex digits are an image ID, not a name");
    }
    const Split parts = split_domain(text);
    if (!is_domain(parts.domain)) {
        refuse(text, "\"" + printable(parts.domain) + "\" is not a registry host");
    }

    Reference reference;
    reference.domain_ = parts.domain;
    const std::size_t end_of_path = std::min(parts.remainder.find_first_of(":@"), parts.remainder.size());
    const std::string_view path = parts.remainder.substr(0, end_of_path);
    std::string_view rest = parts.remainder.substr(end_of_path);
    if (std::any_of(path.begin(), path.end(), is_upper)) {
        refuse(text, "the repository name must be lowercase");
    }
    reference.path_ = parts.official ? std::string(kOfficial) + std::string(path) : std::string(path);
    if (!is_path(reference.path_)) {
        refuse(text, "\"" + printable(path) +
                         "\" is not a repository name (lower-case letters, digits, single \". _ -\" between them)");
    }
    if (reference.path_.size() > kMaxPath) {
        refuse(text, "the repository name has more than " + std::to_string(kMaxPath) + " characters");
    }

    if (rest.starts_with(':')) {
        const std::string_view tag = rest.substr(1, rest.find('@') - 1);
        if (!is_tag(tag)) {
            refuse(text, "\"" + printable(tag) + "\" is not a tag (1 to " + std::to_string(kMaxTag) +
                             " letters, digits, \"_ . -\", not beginning with \".\" or \"-\")");
        }
        reference.tag_ = tag;
        rest.remove_prefix(1 + tag.size());
    }
    if (rest.starts_with('@')) {
        reference.digest_ = Digest::try_parse(rest.substr(1));
        if (!reference.digest_) {
            refuse(text,
                   "\"" + printable(rest.substr(1)) + "\" is not a digest (sha256: and 64 lower-case hex digits)");
        }
    }
    return reference;
}

std::optional<std::string> Reference::effective_tag() const {
    if (tag_ || digest_) {
        return tag_;
    }
    return "latest";
}

std::string Reference::api_host() const {
    return domain_ == kHub ? std::string(kHubApi) : domain_;
}

std::string Reference::text() const {
    std::string text = repository();
    if (tag_) {
        text += ":" + *tag_;
    }
    if (digest_) {
        text += "@" + digest_->text();
    }
    return text;
}

std::string Reference::familiar() const {
    std::string full = text();
    if (domain_ != kHub) {
        return full;
    }
    std::string_view path = path_;
    if (path.starts_with(kOfficial) && path.find('/', kOfficial.size()) == std::string_view::npos) {
        path.remove_prefix(kOfficial.size());
        if (is_identifier(path)) {
            return full;  // would read as an image ID
        }
    } else if (names_a_domain(path.substr(0, path.find('/')))) {
        return full;  // docker.io/a.b/c would read as registry a.b
    }
    return full.substr(repository().size() - path.size());
}

std::string Reference::base_name() const {
    return path_.substr(path_.rfind('/') + 1);
}

Reference Reference::with_tag(std::string_view tag) const {
    if (!is_tag(tag)) {
        refuse(repository() + ":" + std::string(tag), "\"" + printable(tag) + "\" is not a tag");
    }
    Reference other = *this;
    other.tag_ = tag;
    other.digest_.reset();
    return other;
}

Reference Reference::with_digest(const Digest& digest) const {
    Reference other = *this;
    other.digest_ = digest;
    return other;
}

}  // namespace cooper::oci

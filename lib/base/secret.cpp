#include "cooper/base/secret.hpp"

#include "cooper/base/text.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <optional>

namespace cooper {

namespace {

constexpr std::string_view kMask = "***";

/// A secret found in a text: this many characters of its name are kept, that many of its value replaced.
struct Match {
    std::size_t kept;
    std::size_t hidden;
};

bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
    return text.size() >= prefix.size() && equals_ignoring_case(text.substr(0, prefix.size()), prefix);
}

std::size_t length_until(std::string_view text, std::string_view stops) {
    return std::min(text.find_first_of(stops), text.size());
}

/// "://user:password@": everything before the last @ of the authority.
std::optional<Match> find_userinfo(std::string_view text) {
    constexpr std::string_view kSeparator = "://";
    if (!text.starts_with(kSeparator)) {
        return std::nullopt;
    }
    const std::string_view rest = text.substr(kSeparator.size());
    const std::string_view authority = rest.substr(0, length_until(rest, "/?# \t\r\n\"'<>"));
    const std::size_t at = authority.rfind('@');
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    return Match{kSeparator.size(), at};
}

/// `name=value` in queries, forms and settings, `"name": "value"` in JSON. The name may be the end of a longer one.
std::optional<Match> find_named_value(std::string_view text) {
    constexpr std::array<std::string_view, 9> kNames = {
        "x-amz-signature", "x-amz-security-token", "x-amz-credential", "token", "sig", "signature", "password",
        "secret",          "secret_access_key"};
    for (const std::string_view name : kNames) {
        if (!starts_with_ignoring_case(text, name)) {
            continue;
        }
        std::size_t at = name.size();
        const auto next_is = [&](char c) { return at < text.size() && text[at] == c; };
        if (next_is('=')) {
            ++at;
            const bool quoted = next_is('"');
            at += quoted ? 1U : 0U;
            return Match{at, length_until(text.substr(at), quoted ? "\"\r\n" : "& \t\r\n\"'<>,;)")};
        }
        if (next_is('"')) {
            ++at;
            at += std::min(text.substr(at).find_first_not_of(" \t"), text.size() - at);
            if (next_is(':')) {
                ++at;
                at += std::min(text.substr(at).find_first_not_of(" \t"), text.size() - at);
                at += next_is('"') ? 1U : 0U;
                return Match{at, length_until(text.substr(at), "\"\r\n")};
            }
        }
    }
    return std::nullopt;
}

/// "Authorization: value" up to the end of its line.
std::optional<Match> find_header(std::string_view text) {
    constexpr std::array<std::string_view, 4> kNames = {
        "authorization:", "x-amz-security-token:", "x-registry-auth:", "cookie:"};
    for (const std::string_view name : kNames) {
        if (starts_with_ignoring_case(text, name)) {
            const std::size_t value = std::min(text.find_first_not_of(" \t", name.size()), text.size());
            return Match{value, length_until(text.substr(value), "\r\n")};
        }
    }
    return std::nullopt;
}

/// Tokens that show by their beginning what they are, and "Bearer eyJ…" without the header's name.
std::optional<Match> find_token(std::string_view text) {
    constexpr std::string_view kTokenCharacters =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/=";
    constexpr std::size_t kShortest = 16;  // shorter words are prose ("Bearer token")
    struct Form {
        std::string_view prefix;
        bool prefix_is_secret;
    };
    constexpr std::array<Form, 10> kForms = {{{"bearer ", false},
                                              {"basic ", false},
                                              {"ghp_", true},
                                              {"gho_", true},
                                              {"ghu_", true},
                                              {"ghs_", true},
                                              {"ghr_", true},
                                              {"github_pat_", true},
                                              {"glpat-", true},
                                              {"dckr_pat_", true}}};
    for (const Form& form : kForms) {
        if (starts_with_ignoring_case(text, form.prefix)) {
            const std::string_view value = text.substr(form.prefix.size());
            const std::size_t length = std::min(value.find_first_not_of(kTokenCharacters), value.size());
            if (length >= kShortest) {
                return form.prefix_is_secret ? Match{0, form.prefix.size() + length}
                                             : Match{form.prefix.size(), length};
            }
        }
    }
    return std::nullopt;
}

/// A PEM private key, up to its END line or the end of the text.
std::optional<Match> find_private_key(std::string_view text) {
    constexpr std::string_view kBegin = "-----BEGIN ";
    constexpr std::string_view kEnd = "PRIVATE KEY-----";
    if (!text.starts_with(kBegin)) {
        return std::nullopt;
    }
    const std::size_t title = text.find(kEnd);
    if (title == std::string_view::npos || title > length_until(text, "\r\n")) {
        return std::nullopt;
    }
    const std::size_t body = title + kEnd.size();
    const std::size_t end = text.find("-----END ", body);
    return Match{body, std::min(end, text.size()) - body};
}

std::optional<Match> find_secret(std::string_view text, bool at_word) {
    if (const auto match = find_userinfo(text)) {
        return match;
    }
    if (!at_word) {
        return std::nullopt;
    }
    for (const auto find : {find_header, find_named_value, find_token, find_private_key}) {
        if (const auto match = find(text)) {
            return match;
        }
    }
    return std::nullopt;
}

}  // namespace

Secret::~Secret() {
    // All of the capacity: a short text that was moved away leaves its characters in the small-string buffer.
    text_.resize(text_.capacity());
    OPENSSL_cleanse(text_.data(), text_.size());
}

std::string redact(std::string_view text) {
    std::string redacted;
    redacted.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const bool at_word = at == 0 || !is_alphanumeric(text[at - 1]);
        const auto match = find_secret(text.substr(at), at_word);
        if (!match) {
            redacted += text[at];
            ++at;
            continue;
        }
        redacted += text.substr(at, match->kept);
        if (match->hidden != 0) {
            redacted += kMask;
        }
        at += match->kept + match->hidden;
    }
    return redacted;
}

}  // namespace cooper

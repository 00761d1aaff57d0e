#include "oci/registry/registry_challenge.hpp"

#include "cooper/base/text.hpp"

#include <algorithm>
#include <optional>

namespace cooper::oci {

namespace {

// RFC 9110 section 5.6.2
bool is_token_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

class Reader {
public:
    explicit Reader(std::string_view text) : rest_(text) {}

    [[nodiscard]] bool at_end() const { return rest_.empty(); }
    [[nodiscard]] bool sees(char c) const { return rest_.starts_with(c); }

    bool take(char c) {
        if (!sees(c)) {
            return false;
        }
        rest_.remove_prefix(1);
        return true;
    }

    bool skip_spaces() {
        const std::size_t count = std::min(rest_.find_first_not_of(" \t"), rest_.size());
        rest_.remove_prefix(count);
        return count > 0;
    }

    /// Empty list elements are legal: ", , Bearer …".
    void skip_separators() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t,"), rest_.size())); }

    std::string_view token() {
        const auto end = std::find_if_not(rest_.begin(), rest_.end(), is_token_character);
        const std::string_view token = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
        rest_.remove_prefix(token.size());
        return token;
    }

    /// A token or a quoted string; nullopt on a syntax error.
    std::optional<std::string> value() {
        if (!take('"')) {
            const std::string_view plain = token();
            return plain.empty() ? std::nullopt : std::optional(std::string(plain));
        }
        std::string text;
        while (!rest_.empty()) {
            char c = rest_.front();
            rest_.remove_prefix(1);
            if (c == '"') {
                return text;
            }
            if (c == '\\') {
                if (rest_.empty()) {
                    break;
                }
                c = rest_.front();
                rest_.remove_prefix(1);
            }
            text += c;
        }
        return std::nullopt;
    }

    /// Credentials of the form token68, which have no name: "Negotiate YII=". Skipped.
    bool skip_token68() {
        const std::size_t end = std::min(rest_.find_first_of(" \t,"), rest_.size());
        const std::string_view word = rest_.substr(0, end);
        const std::size_t padding = std::min(word.find('='), word.size());
        const bool fits = padding > 0 && word.find_first_not_of('=', padding) == std::string_view::npos &&
                          std::all_of(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(padding),
                                      [](char c) { return is_token_character(c) || c == '/'; });
        Reader after(rest_.substr(end));
        after.skip_spaces();
        if (!fits || !(after.at_end() || after.sees(','))) {
            return false;
        }
        rest_.remove_prefix(end);
        return true;
    }

    /// `name = value`; nullopt, and nothing consumed, when another challenge's scheme stands here.
    std::optional<std::string> parameter_name() {
        const std::string_view before = rest_;
        const std::string_view name = token();
        skip_spaces();
        if (name.empty() || !take('=')) {
            rest_ = before;
            return std::nullopt;
        }
        skip_spaces();
        return to_lower(name);
    }

private:
    std::string_view rest_;
};

/// False on a syntax error.
bool read_parameters(Reader& reader, Challenge& challenge) {
    while (true) {
        reader.skip_separators();
        const auto name = reader.parameter_name();
        if (!name) {
            return true;
        }
        auto value = reader.value();
        if (!value || challenge.parameters.size() == kMaxChallengeParameters) {
            return false;
        }
        challenge.parameters.emplace(*name, std::move(*value));
        reader.skip_spaces();
        if (!reader.at_end() && !reader.sees(',')) {
            return false;
        }
    }
}

}  // namespace

std::string Challenge::parameter(std::string_view name) const {
    const auto found = parameters.find(name);
    return found == parameters.end() ? "" : found->second;
}

std::vector<Challenge> parse_challenges(const std::vector<std::string>& fields) {
    std::vector<Challenge> challenges;
    for (const std::string& field : fields) {
        Reader reader(field);
        while (challenges.size() < kMaxChallenges) {
            reader.skip_separators();
            const std::string_view scheme = reader.token();
            if (scheme.empty()) {
                break;
            }
            Challenge challenge{to_lower(scheme), {}};
            const bool separated = reader.skip_spaces();
            const bool complete = !separated || reader.skip_token68() || read_parameters(reader, challenge);
            challenges.push_back(std::move(challenge));
            if (!complete || (!separated && !reader.at_end() && !reader.sees(','))) {
                break;
            }
        }
    }
    return challenges;
}

}  // namespace cooper::oci

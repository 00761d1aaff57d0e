// WWW-Authenticate, read as RFC 9110 section 11.6.1 has it: several fields, several challenges in a field, quoted
// strings.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::oci {

/// More challenges or parameters than any service sends; the rest of a field is ignored.
inline constexpr std::size_t kMaxChallenges = 32;
inline constexpr std::size_t kMaxChallengeParameters = 32;

struct Challenge {
    std::string scheme;                                          ///< lower case
    std::map<std::string, std::string, std::less<>> parameters;  ///< names in lower case; the first of equal names

    /// Empty when absent.
    [[nodiscard]] std::string parameter(std::string_view name) const;
    bool operator==(const Challenge&) const = default;
};

/// The challenges in order. Never throws: what follows a syntax error in a field is ignored.
std::vector<Challenge> parse_challenges(const std::vector<std::string>& fields);

}  // namespace cooper::oci

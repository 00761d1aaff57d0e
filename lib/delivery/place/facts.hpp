// What is recorded about a tarball as small JSON documents.
#pragma once

#include "cooper/delivery/place.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace cooper::delivery {

inline constexpr std::size_t kMaxFacts = 64 * 1024;

std::string facts_to_json(const TarballFacts& facts);
/// nullopt for what is not such a document: facts that cannot be read are facts that are not recorded.
std::optional<TarballFacts> facts_from_json(std::string_view text);

/// {"NAME":"VALUE",…}.
std::string labels_to_json(const std::map<std::string, std::string>& labels);
/// None for what is not such a document.
std::map<std::string, std::string> labels_from_json(std::string_view text);

}  // namespace cooper::delivery

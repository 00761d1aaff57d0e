// The word that somebody meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace cooper::build::jinja {

/// `; did you mean "upper"?` for the word among `known` that is nearest to `given`; empty when none is near.
std::string did_you_mean(std::string_view given, std::span<const std::string_view> known);

}  // namespace cooper::build::jinja

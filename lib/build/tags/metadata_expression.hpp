// "{{name}}" in tag rules: the part of Handlebars that metadata-action's users write.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace cooper::build {

/// Replaces each "{{name}}" by what `lookup` says, with & < > " ' ` = as HTML entities, which is what Handlebars does.
/// Throws Error{InvalidInput} naming `supported` for a name that lookup does not know and for any other syntax.
std::string expand_expression(std::string_view text,
                              const std::function<std::optional<std::string>(std::string_view)>& lookup,
                              std::string_view supported);
/// The text is one "{{name}}" and nothing else.
bool is_single_expression(std::string_view text, std::string_view name);

}  // namespace cooper::build

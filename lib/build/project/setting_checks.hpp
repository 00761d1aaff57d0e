// What a single value of a setting may be. Each throws Error{InvalidInput} that quotes the text and says what is wrong.
#pragma once

#include <string_view>

namespace cooper::build {

void check_base(std::string_view text);
void check_version(std::string_view text);
void check_suffix(std::string_view text);
void check_registry_prefix(std::string_view text);
void check_repository(std::string_view text);
void check_custom_tag(std::string_view text);
void check_target(std::string_view text);
void check_platform(std::string_view text);
void check_runtime_api_url(std::string_view text);
void check_pattern(std::string_view text);        ///< of .dockerignore
void check_file_below(std::string_view text);     ///< a file or directory below the root, not the root
void check_source_below(std::string_view text);   ///< the root too: "."
void check_dependency(std::string_view text);     ///< one line
void check_variable_name(std::string_view text);  ///< of a template
void check_build_arg_name(std::string_view text);

}  // namespace cooper::build

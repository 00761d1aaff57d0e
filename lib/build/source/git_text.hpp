// What may be said to git(1), and of it (private).
#pragma once

#include <string>
#include <string_view>

namespace cooper::build {

/// Without user and password, for messages.
std::string redacted_remote(std::string_view remote);
/// A whole commit's name, SHA-1 or SHA-256.
bool is_commit(std::string_view text);
/// git check-ref-format's rules, and no option. Throws Error{InvalidInput}.
void check_git_ref(std::string_view ref);
/// No option in address or host. Throws Error{InvalidInput}.
void check_git_remote(std::string_view remote);

}  // namespace cooper::build

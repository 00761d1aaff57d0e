// Addresses as they may be shown and recorded (private).
#pragma once

#include <string>
#include <string_view>

namespace cooper::build {

/// `url` without user and password; of ssh the user stays, who is no secret and part of the address.
std::string without_credentials(std::string_view url);

}  // namespace cooper::build

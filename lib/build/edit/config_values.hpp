// Values of a config that have a language of their own (private; ports and durations are public in edit.hpp).
#pragma once

#include <string_view>

namespace cooper::build {

/// A signal as docker takes it: "SIGTERM", "term", "15", "RTMIN+3". Throws Error{InvalidInput}.
void check_signal(std::string_view text);

}  // namespace cooper::build

// What cooper explain prints.
#pragma once

#include "cooper/delivery/explain.hpp"

#include "output.hpp"

namespace cooper::cli {

/// The verdict, what differs from the top level down, and the causes with what to do about each.
std::string explanation_text(const delivery::Explanation& explanation);
Json explanation_json(const delivery::Explanation& explanation);

}  // namespace cooper::cli

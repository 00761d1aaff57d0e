// What differs between two images, for people and for programs.
#pragma once

#include "cooper/build/diff.hpp"

#include "output.hpp"

#include <string>

namespace cooper::cli {

std::string diff_text(const build::ImageDiff& diff);
Json diff_json_document(const build::ImageDiff& diff);

}  // namespace cooper::cli

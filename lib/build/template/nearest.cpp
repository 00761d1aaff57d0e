#include "build/template/nearest.hpp"

#include "cooper/base/nearest.hpp"

namespace cooper::build::jinja {

std::string did_you_mean(std::string_view given, std::span<const std::string_view> known) {
    const auto word = nearest(given, known);
    return word ? "; did you mean \"" + std::string(*word) + "\"?" : "";
}

}  // namespace cooper::build::jinja

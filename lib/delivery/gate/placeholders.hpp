// {tar} and the like in the words of a gate's command (private).
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace cooper::delivery {

/// `word` with each {name} replaced by what `value_of` gives for it; values are not looked at again.
std::string fill_in(std::string_view word, const std::function<std::string(std::string_view)>& value_of);

}  // namespace cooper::delivery

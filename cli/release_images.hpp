// --images @FILE of `cooper release`: which images, from a file that people or `cooper matrix` wrote.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cooper::cli {

/// IMAGE[=NAME:TAG] each. The file is text, one a line ("#" begins a comment), or JSON: an array of texts or of
/// {"image": IMAGE, "name": NAME:TAG}, such an array as member "images", or a matrix ("include", of whose jobs "image"
/// counts). `text` is FILE or @FILE. Throws UsageError, SystemError.
std::vector<std::string> read_release_images(std::string_view text);

}  // namespace cooper::cli

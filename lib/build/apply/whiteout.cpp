#include "build/apply/whiteout.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <string_view>

namespace cooper::build {

namespace {

constexpr std::string_view kPrefix = ".wh.";
constexpr std::string_view kAufsPrefix = ".wh..wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";

[[noreturn]] void refuse(const std::string& path, const std::string& problem) {
    throw Error(ErrorCode::InvalidInput, "'" + oci::printable(path) + "' is " + problem);
}

bool has_whiteout_inside(std::string_view path) {
    return path.starts_with(kPrefix) || path.find("/.wh.") != std::string_view::npos;
}

}  // namespace

Whiteout whiteout_of(const TarEntry& entry, const std::string& path) {
    const std::string directory(parent_path(path));
    const std::string name(file_name(path));
    if (has_whiteout_inside(directory)) {
        for (const auto part : split(directory, '/')) {
            if (part.starts_with(kAufsPrefix)) {
                return {Whiteout::Kind::Ignored, directory, ""};
            }
        }
        refuse(path, "inside of a whiteout, which is no directory");
    }
    if (name == kOpaque) {
        return {Whiteout::Kind::Opaque, directory, ""};
    }
    if (name.starts_with(kAufsPrefix)) {
        return {Whiteout::Kind::Ignored, directory, ""};
    }
    if (name.starts_with(kPrefix)) {
        const std::string hidden = name.substr(kPrefix.size());
        if (hidden.empty() || hidden == "." || hidden == "..") {
            refuse(path, "a whiteout of nothing that a layer could hide");
        }
        return {Whiteout::Kind::Hides, directory, hidden};
    }
    const bool from_overlay = entry.type == TarType::CharDevice && entry.device_major == 0 && entry.device_minor == 0;
    return {from_overlay && !name.empty() ? Whiteout::Kind::Hides : Whiteout::Kind::None, directory, name};
}

}  // namespace cooper::build

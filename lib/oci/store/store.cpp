#include "cooper/oci/store.hpp"

namespace cooper::oci {

std::optional<std::filesystem::path> Store::default_directory(const Environment& environment) {
    if (const auto given = environment.get("COOPER_STORE")) {
        return *given;
    }
    std::filesystem::path data;
    if (const auto given = environment.get("XDG_DATA_HOME"); given && given->starts_with('/')) {
        data = *given;  // a relative one is to be ignored: XDG base directory specification 0.8
    } else if (const std::string home = environment.home(); home != "/") {
        data = std::filesystem::path(home) / ".local/share";
    } else {
        return std::nullopt;
    }
    return data / "cooper" / "store";
}

}  // namespace cooper::oci

#include "cooper/base/error.hpp"
#include "cooper/build/sandbox.hpp"

#include "oci/printable.hpp"

#include <algorithm>
#include <array>

namespace cooper::build {

namespace {

struct NamedIsolation {
    std::string_view name;
    Isolation isolation;
};

constexpr std::array<NamedIsolation, 7> kNames{{{"root", Isolation::Root},
                                                {"userns", Isolation::UserRange},
                                                {"single-user", Isolation::SingleUser},
                                                {"chroot", Isolation::Chroot},
                                                {"none", Isolation::None},
                                                {"rootless", Isolation::UserRange},
                                                {"user-range", Isolation::UserRange}}};

}  // namespace

std::string_view to_string(Isolation isolation) noexcept {
    const auto* found = std::find_if(kNames.begin(), kNames.end(),
                                     [&](const NamedIsolation& named) { return named.isolation == isolation; });
    return found != kNames.end() ? found->name : "none";
}

std::optional<Isolation> parse_isolation(std::string_view text) {
    if (text == "auto" || text == "oci") {
        return std::nullopt;
    }
    const auto* found =
        std::find_if(kNames.begin(), kNames.end(), [&](const NamedIsolation& named) { return named.name == text; });
    if (found == kNames.end()) {
        throw Error(ErrorCode::InvalidInput, "'" + oci::printable(text) +
                                                 "' is no way to isolate commands: "
                                                 "auto, root, userns, single-user, chroot and none are");
    }
    return found->isolation;
}

}  // namespace cooper::build

#include "store_flags.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/oci/store.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

namespace cooper::cli {

void StoreFlags::declare(CommandLine& line) {
    declare_directory(line);
    line.toggle("--no-store", "neither read nor fill the local store", none);
}

void StoreFlags::declare_directory(CommandLine& line) {
    line.value("--store", "DIR", "the local store; default: $COOPER_STORE, else ~/.local/share/cooper/store",
               directory);
}

std::optional<std::filesystem::path> StoreFlags::resolve(const Environment& environment) const {
    if (none) {
        return std::nullopt;
    }
    return directory.empty() ? oci::Store::default_directory(environment) : std::filesystem::path(directory);
}

std::uint64_t parse_size(std::string_view text) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number = parse_uint(text.substr(0, digits));
    std::string_view unit = text.substr(digits);
    if (unit.ends_with('B')) {
        unit.remove_suffix(1);
    }
    const bool binary = unit.size() == 2 && unit[1] == 'i';
    const std::size_t power = unit.empty() ? 0 : std::string_view("KMGT").find(unit[0] == 'k' ? 'K' : unit[0]) + 1;
    if (!number || unit.size() > (binary ? 2U : 1U) || (power == 0 && !unit.empty())) {
        throw Error(ErrorCode::InvalidInput, "\"" + std::string(text) + "\" is no size such as 500M, 20G or 20Gi");
    }
    std::uint64_t bytes = *number;
    for (std::size_t i = 0; i < power; ++i) {
        const std::uint64_t factor = binary ? 1024 : 1000;
        if (bytes > std::numeric_limits<std::uint64_t>::max() / factor) {
            throw Error(ErrorCode::InvalidInput, "\"" + std::string(text) + "\" is too large");
        }
        bytes *= factor;
    }
    return bytes;
}

}  // namespace cooper::cli

#include "store_flags.hpp"

#include "cooper/oci/store.hpp"

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

}  // namespace cooper::cli

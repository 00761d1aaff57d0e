#include "oci/copy/access.hpp"

#include "cooper/base/error.hpp"

namespace cooper::oci {

namespace {

[[noreturn]] void missing(const PlaceName& place, const std::string& what) {
    throw Error(ErrorCode::InvalidInput, place.text() + ": there is no " + what + " here");
}

template <class T>
T made(const std::function<T()>& make, const PlaceName& place, const std::string& what) {
    if (!make) {
        missing(place, what);
    }
    return make();
}

}  // namespace

RegistryClient& registry_for(const PlaceName& place, const PlaceAccess& access) {
    return made(access.registry, place, "registry client");
}

EngineClient& engine_for(const PlaceName& place, const PlaceAccess& access) {
    return made(access.engine, place, "engine");
}

Store& store_for(const PlaceName& place, const PlaceAccess& access) {
    if (access.store == nullptr) {
        throw Error(ErrorCode::InvalidInput, place.text() + ": there is no store here").advise("--store DIR names one");
    }
    return *access.store;
}

Source& input_for(const PlaceName& place, const PlaceAccess& access) {
    return made(access.input, place, "standard input");
}

Sink& output_for(const PlaceName& place, const PlaceAccess& access) {
    return made(access.output, place, "standard output");
}

std::filesystem::path spool_for(const PlaceName& place, const PlaceAccess& access) {
    return made(access.spool, place, "directory to spool in");
}

}  // namespace cooper::oci

// What of a PlaceAccess a place needs, or an error that names the place (private).
#pragma once

#include "cooper/oci/copy.hpp"

namespace cooper::oci {

RegistryClient& registry_for(const PlaceName& place, const PlaceAccess& access);
EngineClient& engine_for(const PlaceName& place, const PlaceAccess& access);
Store& store_for(const PlaceName& place, const PlaceAccess& access);
Source& input_for(const PlaceName& place, const PlaceAccess& access);
Sink& output_for(const PlaceName& place, const PlaceAccess& access);
std::filesystem::path spool_for(const PlaceName& place, const PlaceAccess& access);

}  // namespace cooper::oci

// What EngineClient is made of.
#pragma once

#include "oci/engine/engine_inspect.hpp"
#include "oci/engine/engine_session.hpp"

#include <optional>
#include <string>
#include <vector>

namespace cooper::oci {

struct EngineClient::State : EngineSession {
    using EngineSession::EngineSession;

    std::optional<InspectedImage> inspect(const std::string& name, const Run& run);
    void check(const ArchiveImage& loaded, const Run& run);
    [[noreturn]] void refuse_save(HttpResponse& response, const std::vector<std::string>& names, const Run& run);
    HttpResponse send_build(const EngineBuild& request, const Run& run);
};

}  // namespace cooper::oci

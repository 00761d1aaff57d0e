// What an engine sends as docker save, checked for wholeness while it passes.
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/base/stream.hpp"

#include <string>

namespace cooper::oci {

/// Copies all of `body` to `archive`, which is not finished. An engine that fails on the way has said 200 already; it
/// ends the stream in good order with an error as JSON behind what it packed so far, or just ends it. So the tar is
/// followed member by member to its two zero blocks. Throws Error{Unavailable} with the engine's words.
void copy_saved_archive(Source& body, Sink& archive, const std::string& engine, const Run& run);

}  // namespace cooper::oci

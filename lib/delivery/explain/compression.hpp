// Streams byte by byte, and the same bytes compressed differently (private).
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/base/stream.hpp"

#include "delivery/explain/findings.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace cooper::delivery {

/// The first byte that differs; nullopt: the same bytes.
std::optional<std::uint64_t> first_different_byte(Source& a, Source& b, const Run& run);

/// Opens a stream from its beginning.
using Opener = std::function<std::unique_ptr<Source>()>;

/// What differs in kind, headers and encoded data. `place` says where.
void compare_compression(const Difference& place, const Opener& a, const Opener& b, Findings& findings, const Run& run);

}  // namespace cooper::delivery

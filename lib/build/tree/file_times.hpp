// When a file's times are proof that it was not written since (private): what git calls racy entries, and more.
#pragma once

#include "cooper/base/clock.hpp"

#include <cstdint>
#include <ctime>
#include <optional>

namespace cooper::build {

/// Nanoseconds since 1970; nullopt for times that 64 bits cannot hold.
std::optional<std::int64_t> nanoseconds_of(const timespec& time);

/// The clock that file times come from, ahead of them by a tick at most.
std::int64_t nanoseconds_at(const Clock& clock);

/// Whether the times on the file system of an open file may come from another machine's clock.
bool has_remote_times(int descriptor);

/// Whether whatever is written to a file with these times, from `began` on (nanoseconds since 1970), gives it others.
bool is_settled(const timespec& mtime, const timespec& ctime, std::int64_t began, bool remote);

}  // namespace cooper::build

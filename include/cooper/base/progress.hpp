// What is going on, as events; the command turns them into bars or lines.
#pragma once

#include <cstdint>
#include <string_view>

namespace cooper {

/// A message that the user should see although nothing failed.
enum class NoticeLevel { Info, Warning };

/// Receives events from any thread; never throws. Byte counts are cumulative per task.
class Progress {
public:
    virtual ~Progress() = default;
    /// A task ("openhands:latest.tar") of `total` bytes begins (0: unknown).
    virtual void begin(std::string_view /*task*/, std::uint64_t /*total*/) noexcept {}
    /// `done` bytes of the task are through.
    virtual void advance(std::string_view /*task*/, std::uint64_t /*done*/) noexcept {}
    virtual void end(std::string_view /*task*/) noexcept {}
    virtual void notice(NoticeLevel /*level*/, std::string_view /*text*/) noexcept {}
};

/// One that drops everything.
Progress& no_progress();

}  // namespace cooper

// What a gate's program writes: kept in a file as it comes, bounded, and its last lines at hand (private).
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/base/stream.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace cooper::delivery {

class GateLog {
public:
    /// Replaces the file of an earlier run; follows no symlink. Throws SystemError.
    explicit GateLog(std::filesystem::path path);
    void write(Bytes bytes);
    /// Writes how much was left out, if any, and `end` as the last line.
    void finish(const std::string& end);
    /// At most `count`, fit for a terminal.
    [[nodiscard]] std::vector<std::string> last_lines(std::size_t count) const;
    /// It could not be written: what ended the program then is our failure, not its own.
    [[nodiscard]] bool has_failed() const noexcept { return failed_; }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

private:
    void append(Bytes bytes);

    std::filesystem::path path_;
    FileDescriptor file_;
    std::uint64_t size_ = 0;
    std::uint64_t left_out_ = 0;
    std::string tail_;
    bool failed_ = false;
};

}  // namespace cooper::delivery

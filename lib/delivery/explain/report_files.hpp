// Both sides of what differs, as files below one directory (private).
#pragma once

#include "cooper/base/stream.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace cooper::delivery {

enum class Side : std::uint8_t { A, B };

/// DIR/a/NAME and DIR/b/NAME, so that `diff -r DIR/a DIR/b` shows it all. A name is one component, whatever is in it.
class ReportFiles {
public:
    /// Empty: nothing is written.
    explicit ReportFiles(std::filesystem::path directory);
    [[nodiscard]] bool wanted() const noexcept { return !directory_.empty(); }
    void write(Side side, std::string_view where, std::string_view path, std::string_view content) const;
    /// A file that appears when it is finished; nullptr when nothing is wanted.
    [[nodiscard]] std::unique_ptr<Sink> open(Side side, std::string_view where, std::string_view path) const;

private:
    std::filesystem::path directory_;
};

/// "layer%202%20of%209%2Fetc%2Fpasswd": one name below a directory, at most 255 bytes.
std::string safe_file_name(std::string_view where, std::string_view path);

}  // namespace cooper::delivery

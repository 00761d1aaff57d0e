// What delta, apply, split and join ask of the files that they are given (private).
#pragma once

#include "cooper/base/error.hpp"

#include <filesystem>
#include <initializer_list>

namespace cooper::delivery {

/// Whether a file changed while it was read: by its size and time.
class Unchanged {
public:
    explicit Unchanged(std::filesystem::path path) : path_(std::move(path)), size_(size(path_)), time_(time(path_)) {}

    /// Throws Error{Conflict} when it did.
    void check() const {
        if (size(path_) != size_ || time(path_) != time_) {
            throw Error(ErrorCode::Conflict, path_.string() + " changed while it was read");
        }
    }

private:
    static std::uintmax_t size(const std::filesystem::path& path) {
        std::error_code gone;
        return std::filesystem::file_size(path, gone);
    }
    static std::filesystem::file_time_type time(const std::filesystem::path& path) {
        std::error_code gone;
        return std::filesystem::last_write_time(path, gone);
    }

    std::filesystem::path path_;
    std::uintmax_t size_;
    std::filesystem::file_time_type time_;
};

/// Throws Error{InvalidInput} when `out` is one of the files that it is made from.
inline void refuse_to_replace(const std::filesystem::path& out, std::initializer_list<std::filesystem::path> sources) {
    for (const std::filesystem::path& source : sources) {
        std::error_code missing;
        if (std::filesystem::equivalent(out, source, missing)) {
            throw Error(ErrorCode::InvalidInput, out.string() + " would be replaced, and it is what is read");
        }
    }
}

}  // namespace cooper::delivery

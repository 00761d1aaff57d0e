// The grade "record": lock, checksums and signature among themselves (private).
#pragma once

#include "cooper/delivery/verify.hpp"

#include <filesystem>
#include <string>

namespace cooper::delivery {

struct Record {
    Lock lock;
    std::string evidence;
};

/// Throws as verify_tarball().
Record check_record(const std::filesystem::path& lock, const VerifyOptions& options);

}  // namespace cooper::delivery

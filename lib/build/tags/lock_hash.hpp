// The lock hash of the compatible profiles with what went into it (private; `tags.md` 3).
#pragma once

#include "cooper/build/hash_tags.hpp"

#include <string>
#include <vector>

namespace cooper::build {

struct LockHash {
    std::string digits;
    std::vector<RecordedInput> inputs;  ///< base, browser, lock files
};

/// Throw as lock_hash_v0() and lock_hash_v1() do.
LockHash hash_locks_v0(const LockInputs& inputs, const Run& run);
LockHash hash_locks_v1(const LockInputs& inputs, const Run& run);

}  // namespace cooper::build
